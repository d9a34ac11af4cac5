import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/gate/base/json.ts'
import { fail, ok } from '../../../src/gate/base/result.ts'
import type { DocumentFault } from '../../../src/gate/keys/document.ts'
import { discover, metadataUrls } from '../../../src/gate/keys/published.ts'

describe('metadataUrls', () => {
  const OAUTH = '/.well-known/oauth-authorization-server'
  const OPENID = '/.well-known/openid-configuration'
  it.each([
    ['https://a.example', OAUTH, OPENID],
    ['https://a.example/', OAUTH, OPENID],
    ['https://a.example/realms/x', `${OAUTH}/realms/x`, `/realms/x${OPENID}`],
    ['https://a.example/x/', `${OAUTH}/x`, `/x${OPENID}`],
  ])('inserts and appends for %s', (issuer, oauth, openid) => {
    expect(metadataUrls(issuer)).toEqual([oauth, openid].map((path) => `https://a.example${path}`))
  })

  it.each(['acme', 'https://a.example?x', 'https://a.example/#x', 'ftp://a.example', 'https://'])(
    'has none for %s',
    (issuer) => expect(metadataUrls(issuer)).toEqual([]),
  )
})

const ISSUER = 'https://a.example/t'
const [OAUTH = '', OPENID = ''] = metadataUrls(ISSUER)
const GOOD = { issuer: ISSUER, jwks_uri: 'https://keys.example/jwks' }

const run = async (documents: Record<string, JsonObject | DocumentFault>) => {
  const asked: string[] = []
  const result = await discover(ISSUER, async (url) => {
    asked.push(url)
    const document = documents[url] ?? 'status 404'
    if (typeof document === 'string') return fail(document)
    return ok({ kind: 'document', document })
  })
  return { asked, result }
}

describe('discover', () => {
  it('prefers RFC 8414 metadata', async () => {
    const { asked, result } = await run({ [OAUTH]: GOOD, [OPENID]: { ...GOOD, jwks_uri: 'x' } })
    expect(result).toStrictEqual(ok({ uri: GOOD.jwks_uri, url: OAUTH }))
    expect(asked).toEqual([OAUTH])
  })

  it('goes on to OpenID discovery', async () => {
    const { asked, result } = await run({ [OPENID]: GOOD })
    expect(result).toStrictEqual(ok({ uri: GOOD.jwks_uri, url: OPENID }))
    expect(asked).toEqual([OAUTH, OPENID])
  })

  it.each([
    ['is of another issuer', { ...GOOD, issuer: 'https://evil.example' }],
    ['names no keys', { issuer: ISSUER }],
    ['is no document', 'not served as JSON'],
    ['is broken off', 'truncated'],
    ['fails', 'status 503'],
  ] as const)('goes on where the first %s', async (_, first) => {
    const { asked, result } = await run({ [OAUTH]: first, [OPENID]: GOOD })
    expect(result).toStrictEqual(ok({ uri: GOOD.jwks_uri, url: OPENID }))
    expect(asked).toEqual([OAUTH, OPENID])
  })

  it.each([
    `${ISSUER}/`,
    'https://A.example/t',
    'https://a.example:443/t',
    'https://evil.example',
    [ISSUER],
    null,
    undefined,
  ])('does not believe metadata whose issuer is %j', async (issuer) => {
    const foreign = { ...GOOD, issuer }
    const { result } = await run({ [OAUTH]: foreign, [OPENID]: foreign })
    expect(result).toEqual(fail('metadata of another issuer'))
  })

  it.each([undefined, 5, ['https://keys.example'], '', '/jwks', 'keys.example/jwks', 'https://'])(
    'finds no address in %j',
    async (jwks_uri) => {
      const { result } = await run({ [OPENID]: { ...GOOD, jwks_uri } })
      expect(result).toEqual(fail('no jwks_uri'))
    },
  )

  it.each(['address not allowed', 'timeout', 'unreachable'] as const)(
    'asks no more after %s',
    async (fault) => {
      const { asked, result } = await run({ [OAUTH]: fault, [OPENID]: GOOD })
      expect(result).toEqual(fail(fault))
      expect(asked).toEqual([OAUTH])
    },
  )
})
