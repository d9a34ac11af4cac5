import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createKeyCache } from '../src/adapters/keys/cache.ts'
import { createKeySource } from '../src/adapters/keys/source.ts'
import { KEY_TIMES } from '../src/adapters/keys/times.ts'
import type { Policy } from '../src/model/policy.ts'
import { createIssuer, type Issuer } from './kit/issuer.ts'
import { startLine } from './kit/line.ts'
import { createKey } from './kit/signing.ts'
import { policy } from './policy/support.ts'

let issuer: Issuer
let line: ReturnType<typeof startLine>
let left: Promise<unknown>[]
let token: string
let rules: Policy

const policyOf = (jwks_uri: string) =>
  policy({
    ISSUERS: { acme: { issuer: issuer.issuer, jwks_uri, allow_insecure_http: true } },
    ROUTES: [{ match: 'GET /v1/x', scopes: ['chat:write'] }],
  })

beforeEach(async () => {
  issuer = await createIssuer({ kid: 'key-1' })
  left = []
  const cache = createKeyCache()
  const iat = Math.floor(Date.now() / 1000)
  line = startLine({
    now: iat,
    keys: {
      find: (of, header) =>
        createKeySource({
          cache,
          clock: line.clock,
          fetch: (url, init) => fetch(url, init),
          waitUntil: (work) => void left.push(work),
          log: () => {},
        }).find(of, header),
    },
  })
  rules = policyOf(issuer.jwksUri)
  token = await issuer.mint({ iat, exp: iat + 840 })
  for (let i = 0; i < 2; i++) expect(await ask()).toBe('passed')
  expect(line.verified()).toBe(1)
  expect(issuer.requests).toHaveLength(1)
})
afterEach(async () => {
  await settle()
  vi.restoreAllMocks()
  await issuer.close()
  expect(line.errors).toEqual([])
})

const ask = async (sent = token, under = rules) => (await line.ask(under, '/v1/x', sent)).code
const settle = async () => {
  while (left.length > 0) await Promise.all(left.splice(0))
}

describe('under a warm token, keys', () => {
  /** The gate looks for a key it does not know, once it may. */
  const refresh = async () => {
    line.clock.at += KEY_TIMES.cooldownMs + 1_000
    expect(await ask(await issuer.mint({}, { kid: 'unknown' }))).toBe('key_unknown')
    expect(issuer.requests).toHaveLength(2)
    line.verified()
  }

  it('leave a warm token of a key that is gone without one', async () => {
    await issuer.rotate({ keep: false })
    await refresh()
    for (let i = 0; i < 2; i++) expect(await ask()).toBe('key_unknown')
    expect(line.verified()).toBe(0)
    expect(await ask(await issuer.mint())).toBe('passed')
  })

  it('leave none where there is no key at all', async () => {
    issuer.setKeys([])
    await refresh()
    expect(await ask()).toBe('key_unknown')
  })

  it('count in the background too, from the request on that follows', async () => {
    await issuer.rotate({ keep: false })
    line.clock.at += KEY_TIMES.freshMs
    expect(await ask()).toBe('passed')
    await settle()
    expect(await ask()).toBe('key_unknown')
  })

  it('refuse a warm token under the old name of another key', async () => {
    const { jwk } = await createKey('ES256', 'key-1')
    issuer.setKeys([jwk])
    await refresh()
    for (let i = 0; i < 2; i++) expect(await ask()).toBe('signature_invalid')
    expect(line.verified()).toBe(2)
  })

  it('that are the same have it verified once more, and no more than once', async () => {
    await refresh()
    for (let i = 0; i < 3; i++) expect(await ask()).toBe('passed')
    expect(line.verified()).toBe(1)
    expect(line.tokens.size).toBe(1)
  })

  it('that cannot be asked for do not take those away that are known', async () => {
    issuer.fail('destroy')
    line.clock.at += KEY_TIMES.freshMs
    line.verified()
    for (let i = 0; i < 3; i++) expect(await ask()).toBe('passed')
    expect(line.verified()).toBe(0)
  })

  it('of another place refuse it, whatever they are called', async () => {
    const other = await createIssuer({ kid: 'key-1' })
    try {
      const moved = policyOf(other.jwksUri)
      for (let i = 0; i < 2; i++) expect(await ask(token, moved)).toBe('signature_invalid')
      expect(await ask()).toBe('passed')
    } finally {
      await other.close()
    }
  })

  it('that cannot be had at another place are not those of the old', async () => {
    const nowhere = policyOf('http://127.0.0.1:1/jwks')
    expect(await ask(token, nowhere)).toBe('keys_unavailable')
    expect(await ask()).toBe('passed')
  })
})
