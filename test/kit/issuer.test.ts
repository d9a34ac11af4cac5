import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createIssuer, type Issuer } from './issuer.ts'
import { FAULTS, type FaultName } from './issuer-faults.ts'
import { PATIENCE } from './wait.ts'

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

describe('a fault', () => {
  const document = (issuer: Issuer) => JSON.stringify({ keys: [issuer.jwk] })

  /** What a client gets to see of each. */
  const seen: Readonly<Record<FaultName, (issuer: Issuer) => Promise<unknown>>> = {
    down: () => refused('ECONNREFUSED'),
    destroy: () => refused('UND_ERR_SOCKET'),
    hang: (issuer) => expect(get(issuer, 150)).rejects.toThrow('timeout'),
    slow: (issuer) => expect(get(issuer, 150)).rejects.toThrow('timeout'),
    dribble: async (issuer) => {
      const reader = (await get(issuer)).body?.getReader()
      const { value } = (await reader?.read()) ?? {}
      expect(value?.length).toBeLessThan(document(issuer).length)
      await reader?.cancel()
    },
    error: async (issuer) => expect((await get(issuer)).status).toBe(500),
    flapping: async (issuer) => {
      const first = (await get(issuer)).status
      const statuses = [(await get(issuer)).status, (await get(issuer)).status]
      expect(statuses).toEqual(first === 200 ? [503, 200] : [200, 503])
    },
    elsewhere: async (issuer) => {
      const to = (await get(issuer)).headers.get('location') ?? ''
      expect(new URL(to).origin).not.toBe(new URL(issuer.jwksUri).origin)
      expect(await (await fetch(to)).text()).toBe(document(issuer))
    },
    loop: async (issuer) =>
      expect((await get(issuer)).headers.get('location')).toBe(issuer.jwksUri),
    page: async (issuer) => {
      const response = await get(issuer)
      expect(response.headers.get('content-type')).toMatch('text/html')
      expect(await response.text()).toBe(document(issuer))
    },
    truncated: async (issuer) => expect((await get(issuer)).text()).rejects.toThrow('terminated'),
    huge: async (issuer) => {
      const text = await (await fetch(issuer.jwksUri)).text()
      expect(text.length).toBeGreaterThan(10 * 1024 * 1024)
      expect(JSON.parse(text)).toEqual({ keys: [issuer.jwk] })
    },
    broken: async (issuer) => expect((await get(issuer)).json()).rejects.toThrow('JSON'),
    keyless: async (issuer) => expect(await (await get(issuer)).json()).toEqual({}),
    empty: async (issuer) => expect(await (await get(issuer)).json()).toEqual({ keys: [] }),
    private: async (issuer) => {
      const secret = { ...issuer.privateJwk, kid: 'private' }
      expect(await (await get(issuer)).json()).toEqual({ keys: [secret, issuer.jwk] })
    },
    stranger: async (issuer) =>
      expect(await metadata(issuer)).toEqual({
        issuer: `${issuer.issuer}/`,
        jwks_uri: issuer.jwksUri,
      }),
    nowhere: async (issuer) => {
      const { jwks_uri } = (await metadata(issuer)) as { jwks_uri: string }
      await expect(fetch(jwks_uri)).rejects.toMatchObject({ cause: { syscall: 'getaddrinfo' } })
    },
  }
  let issuer: Issuer
  const get = ({ jwksUri }: Issuer, patience = PATIENCE) =>
    fetch(jwksUri, { signal: AbortSignal.timeout(patience), redirect: 'manual' })
  const metadata = async (issuer: Issuer) =>
    (await fetch(`${issuer.issuer}/.well-known/oauth-authorization-server`)).json()
  const refused = (code: string) => expect(get(issuer)).rejects.toMatchObject({ cause: { code } })

  beforeAll(async () => {
    issuer = await createIssuer()
  })
  afterAll(() => issuer.close())

  it.each(Object.keys(FAULTS) as FaultName[])('%s looks as it should, and ends', async (name) => {
    await issuer.fail(name)
    await seen[name](issuer)
    await issuer.fail()
    expect(await (await get(issuer)).text()).toBe(document(issuer))
    expect(await metadata(issuer)).toMatchObject({ issuer: issuer.issuer })
  })
})
