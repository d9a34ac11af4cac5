import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/gate/base/json.ts'
import { fail, ok } from '../../src/gate/base/result.ts'
import type { DocumentFault, Fetched } from '../../src/gate/keys/document.ts'
import { discover, metadataUrls } from '../../src/gate/keys/published.ts'

describe('metadataUrls', () => {
  it.each([
    [
      'https://a.example',
      'https://a.example/.well-known/oauth-authorization-server',
      'https://a.example/.well-known/openid-configuration',
    ],
    [
      'https://a.example/',
      'https://a.example/.well-known/oauth-authorization-server',
      'https://a.example/.well-known/openid-configuration',
    ],
    [
      'https://a.example:8443/realms/x',
      'https://a.example:8443/.well-known/oauth-authorization-server/realms/x',
      'https://a.example:8443/realms/x/.well-known/openid-configuration',
    ],
    [
      'https://a.example/x/',
      'https://a.example/.well-known/oauth-authorization-server/x',
      'https://a.example/x/.well-known/openid-configuration',
    ],
  ])('inserts and appends for %s', (issuer, oauth, openid) => {
    expect(metadataUrls(issuer)).toEqual([oauth, openid])
  })

  it.each(['acme', 'https://a.example?x', 'https://a.example/#x', 'ftp://a.example', 'https://'])(
    'has none for %s',
    (issuer) => expect(metadataUrls(issuer)).toEqual([]),
  )
})

const ISSUER = 'https://a.example/t'
const [OAUTH = '', OPENID = ''] = metadataUrls(ISSUER)
const GOOD = { issuer: ISSUER, jwks_uri: 'https://keys.example/jwks' }

const run = async (documents: Record<string, JsonObject | DocumentFault>, maxAge?: number) => {
  const asked: string[] = []
  const result = await discover(ISSUER, async (url) => {
    asked.push(url)
    const document = documents[url] ?? 'status 404'
    if (typeof document === 'string') return fail(document)
    return ok({ kind: 'document', document, ...(maxAge !== undefined && { maxAge }) })
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

  it.each([0, 3600])('says how long the document holds: %i s', async (maxAge) => {
    const { result } = await run({ [OAUTH]: GOOD }, maxAge)
    expect(result).toStrictEqual(ok({ uri: GOOD.jwks_uri, url: OAUTH, maxAge }))
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

  it('cannot do with a document that is unchanged', async () => {
    const unchanged: Fetched = { kind: 'unchanged', etag: '"a"' }
    expect(await discover(ISSUER, async () => ok(unchanged))).toEqual(fail('status 304'))
  })

  it('asks nobody about an issuer that is no URL', async () => {
    const asked: string[] = []
    const result = await discover('acme', async (url) => {
      asked.push(url)
      return fail('unreachable')
    })
    expect(result).toEqual(fail('address not allowed'))
    expect(asked).toEqual([])
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

  it('does not believe an issuer that is inherited', async () => {
    const { result } = await run({ [OPENID]: Object.create(GOOD) as JsonObject })
    expect(result).toEqual(fail('metadata of another issuer'))
  })

  it.each([
    undefined,
    null,
    5,
    ['https://keys.example'],
    '',
    '/jwks',
    'keys.example/jwks',
    'https://',
  ])('finds no address in %j', async (jwks_uri) => {
    const { result } = await run({ [OPENID]: { ...GOOD, jwks_uri } })
    expect(result).toEqual(fail('no jwks_uri'))
  })

  it.each(['https://10.0.0.1/jwks', 'http://keys.example/jwks'])(
    'leaves it to others whether %s may be asked',
    async (jwks_uri) => {
      const { result } = await run({ [OAUTH]: { ...GOOD, jwks_uri } })
      expect(result).toEqual(ok({ uri: jwks_uri, url: OAUTH }))
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
