import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createKeyCache } from '../../../src/gate/keys/cache.ts'
import { createMemoryKeyServices } from '../../../src/gate/keys/key-service-client.ts'
import { createKeySource } from '../../../src/gate/keys/source.ts'
import type { Policy } from '../../../src/gate/model/policy.ts'
import { createIssuer, type Issuer } from '../../kit/issuer.ts'
import { startLine } from '../../kit/line.ts'
import { createKey } from '../../kit/signing.ts'
import { policy } from '../policy/support.ts'

/** Milliseconds; the usual freshness lifetime and its second half. */
const COOLDOWN = 30_000
const LIFETIME = 600_000

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
  const iat = Math.floor(Date.now() / 1000)
  const ports = {
    clock: { now: () => line.clock.at },
    waitUntil: (work: Promise<unknown>) => void left.push(work),
    log: () => {},
  }
  const service = createMemoryKeyServices({
    ...ports,
    fetch: (url, init) => fetch(url, init),
    random: () => 1,
  })
  const cache = createKeyCache(ports.clock)
  line = startLine({ now: iat, keys: createKeySource({ ...ports, cache, service }) })
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
    line.clock.at += COOLDOWN
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

  it('stay as they were where the issuer publishes none at all', async () => {
    issuer.setKeys([])
    line.clock.at += LIFETIME
    line.verified()
    for (let i = 0; i < 2; i++) expect(await ask()).toBe('passed')
    expect(issuer.requests).toHaveLength(2)
    expect(line.verified()).toBe(0)
  })

  it('refuse a warm token under the old name of another key', async () => {
    const { jwk } = await createKey('ES256', 'key-1')
    issuer.setKeys([jwk])
    await refresh()
    for (let i = 0; i < 2; i++) expect(await ask()).toBe('signature_invalid')
    expect(line.verified()).toBe(2)
  })
})
