import { describe, expect, it } from 'vitest'
import { discover, metadataUrls } from '../../../src/adapters/keys/discovery.ts'
import type { DocumentFault } from '../../../src/adapters/keys/document.ts'
import type { JsonObject } from '../../../src/base/json.ts'
import { fail, ok } from '../../../src/base/result.ts'

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

const run = async (documents: Record<string, JsonObject | DocumentFault>) => {
  const asked: string[] = []
  const result = await discover(ISSUER, async (url) => {
    asked.push(url)
    const document = documents[url] ?? 'status 404'
    return typeof document === 'string' ? fail(document) : ok(document)
  })
  return { asked, result }
}

describe('discover', () => {
  it('prefers RFC 8414 metadata', async () => {
    const { asked, result } = await run({ [OAUTH]: GOOD, [OPENID]: { ...GOOD, jwks_uri: 'x' } })
    expect(result).toEqual(ok(GOOD.jwks_uri))
    expect(asked).toEqual([OAUTH])
  })

  it('goes on to OpenID discovery', async () => {
    const { asked, result } = await run({ [OPENID]: GOOD })
    expect(result).toEqual(ok(GOOD.jwks_uri))
    expect(asked).toEqual([OAUTH, OPENID])
  })

  it.each([
    `${ISSUER}/`,
    'https://A.example/t',
    'https://a.example:443/t',
    'https://evil.example',
    [ISSUER],
    undefined,
  ])('does not believe metadata whose issuer is %j', async (issuer) => {
    const foreign = { ...GOOD, issuer }
    const { result } = await run({ [OAUTH]: foreign, [OPENID]: foreign })
    expect(result).toEqual(fail('metadata of another issuer'))
  })

  it.each([undefined, null, 5, ['https://keys.example']])(
    'finds no address in %j',
    async (jwks_uri) => {
      const { result } = await run({ [OPENID]: { ...GOOD, jwks_uri } })
      expect(result).toEqual(fail('no jwks_uri'))
    },
  )

  it.each(['timeout', 'unreachable'] as const)('asks no more after %s', async (fault) => {
    const { asked, result } = await run({ [OAUTH]: fault, [OPENID]: GOOD })
    expect(result).toEqual(fail(fault))
    expect(asked).toEqual([OAUTH])
  })
})
