import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createIssuer, type Issuer } from './issuer.ts'

describe('issuer', () => {
  let issuer: Issuer
  beforeAll(async () => {
    issuer = await createIssuer()
  })
  afterAll(() => issuer.close())

  it.each(['ES256', 'RS256', 'PS256', 'Ed25519'] as const)(
    'mints %s tokens that jose verifies, in both ways',
    async (alg) => {
      const other = await createIssuer({ alg, kid: 'k1', issuer: 'https://auth.acme.example' })
      const keys = createLocalJWKSet({ keys: [other.jwk] })
      const claims = other.claims({ scope: undefined, aud: ['a', 'b'] })
      const good = { typ: 'at+jwt', audience: 'b', issuer: 'https://auth.acme.example' }
      const raw = await other.mintRaw({ alg, kid: 'k1', typ: 'at+jwt' }, claims)
      for (const token of [await other.mint(claims), raw]) {
        const { payload, protectedHeader } = await jwtVerify(token, keys, good)
        expect(protectedHeader).toEqual({ alg, kid: 'k1', typ: 'at+jwt' })
        expect(payload).toEqual(JSON.parse(JSON.stringify(claims)))
        expect(payload).not.toHaveProperty('scope')
      }
      await other.close()
    },
  )

  it('writes raw parts as they are', async () => {
    const token = await issuer.mintRaw('{"alg":"ES256","alg":"none"}', 'no json')
    const [header = '', payload = '', signature = ''] = token.split('.')
    expect(atob(header)).toBe('{"alg":"ES256","alg":"none"}')
    expect(atob(payload)).toBe('no json')
    expect(signature).toHaveLength(86)
    expect(issuer.unsigned({ alg: 'none' }, { sub: 'x' })).toBe(
      'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.',
    )
    const secret = new TextEncoder().encode('secret'.repeat(6))
    const hmac = await issuer.mintRaw({ alg: 'HS256' }, { sub: 'x' }, secret)
    expect((await jwtVerify(hmac, secret)).payload.sub).toBe('x')
  })

  it('is discovered at both well-known places, with a path too', async () => {
    const other = await createIssuer({ issuer: 'https://auth.acme.example/tenant' })
    const base = other.jwksUri.replace('/jwks', '')
    const oauth = await fetch(`${base}/.well-known/oauth-authorization-server/tenant`)
    expect(await oauth.json()).toMatchObject({ issuer: other.issuer, jwks_uri: other.jwksUri })
    const openid = () => fetch(`${base}/tenant/.well-known/openid-configuration`)
    expect((await openid()).status).toBe(404)
    other.setMetadata({ oauth: 500, openid: { issuer: 'https://evil.example' } })
    expect(await (await openid()).json()).toEqual({ issuer: 'https://evil.example' })
    expect(other.discoveries).toHaveLength(3)
    await other.close()
  })

  it('rotates, withholds and revalidates its keys, and counts the fetches', async () => {
    const old = issuer.key
    const before = await issuer.mint()
    const next = await issuer.rotate()
    expect(decodeProtectedHeader(await issuer.mint()).kid).toBe(next.kid)
    const keys = createRemoteJWKSet(new URL(issuer.jwksUri))
    for (const token of [before, await issuer.mint(), await issuer.mint({}, {}, { key: old })]) {
      await jwtVerify(token, keys)
    }
    expect(issuer.requests).toHaveLength(1)
    issuer.setHeaders({ etag: '"1"', 'cache-control': 'max-age=60' })
    const get = (headers = {}) => fetch(issuer.jwksUri, { headers })
    expect((await get({ 'if-none-match': '"1"' })).status).toBe(304)
    expect((await get()).headers.get('cache-control')).toBe('max-age=60')
    issuer.fail(503)
    expect((await get()).status).toBe(503)
    issuer.fail('destroy')
    await expect(get()).rejects.toThrow('fetch failed')
    issuer.fail('hang')
    const hanging = fetch(issuer.jwksUri, { signal: AbortSignal.timeout(50) })
    await expect(hanging).rejects.toThrow('timeout')
    issuer.fail()
    issuer.setKeys([null, next.jwk])
    expect(await (await get()).json()).toEqual({ keys: [null, next.jwk] })
    issuer.setDocument('{')
    expect(await (await get()).text()).toBe('{')
    expect(issuer.requests[1]?.header('if-none-match')).toBe('"1"')
  })
})
