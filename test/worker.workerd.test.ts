import { exports } from 'cloudflare:workers'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

/** The Worker as wrangler.toml deploys it, with its own policy: only what is outside is ours. */
const { default: worker } = exports as unknown as {
  readonly default: Pick<Fetcher, 'fetch'> & {
    scheduled(controller: { readonly cron: string }): Promise<void>
  }
}
const ISSUER = 'https://auth.acme.example'
const RESOURCE = 'https://api.example.com'

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'ES256' }] }

/** What answers outside of the Worker. */
const OUTSIDE: Readonly<Record<string, unknown>> = {
  [`${ISSUER}/.well-known/oauth-authorization-server`]: {
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/jwks`,
  },
  [`${ISSUER}/jwks`]: jwks,
  'https://origin.example.com/v1/documents/7': { document: 7 },
}

const minted = (jti: string) => {
  const now = Math.floor(Date.now() / 1000)
  const claims = { client_id: 'agent-1', scope: 'documents:read', iat: now, exp: now + 300 }
  return new SignJWT({ iss: ISSUER, aud: RESOURCE, sub: 'agent-1', jti, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'key-1' })
    .sign(privateKey)
}

const watched = () => vi.spyOn(crypto.subtle, 'verify')
let verify: ReturnType<typeof watched>
beforeEach(() => {
  verify = watched()
  vi.spyOn(console, 'log').mockReturnValue()
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input) => {
    const { url } = new Request(input)
    const answer = OUTSIDE[url]
    return answer ? Response.json(answer) : new Response(url, { status: 599 })
  })
})
afterEach(() => void vi.restoreAllMocks())

/** Statuses of so many requests with one token, and how many signatures were verified for them. */
const asked = async (token: string, times: number) => {
  verify.mockClear()
  const statuses: number[] = []
  for (let i = 0; i < times; i++) {
    const response = await worker.fetch(`${RESOURCE}/v1/documents/7`, {
      headers: { authorization: `Bearer ${token}` },
    })
    await response.text()
    statuses.push(response.status)
  }
  return { statuses, verified: verify.mock.calls.length }
}

it('asks for keys when the cron trigger runs, so that the first request finds them', async () => {
  await worker.scheduled({ cron: '*/5 * * * *' })
  const fetched = () => vi.mocked(fetch).mock.calls.map(([input]) => new Request(input).url)
  const keys = [`${ISSUER}/.well-known/oauth-authorization-server`, `${ISSUER}/jwks`]
  expect(fetched()).toEqual(keys)
  expect((await asked(await minted('first'), 1)).statuses).toEqual([200])
  expect(fetched()).toEqual([...keys, 'https://origin.example.com/v1/documents/7'])
})

it('verifies a token once, whatever comes between, and another one once more', async () => {
  const [one, other] = await Promise.all([minted('one'), minted('other')])
  const allowed = Array(5).fill(200)
  expect(await asked(one, 5)).toEqual({ statuses: allowed, verified: 1 })
  expect(await asked(other, 5)).toEqual({ statuses: allowed, verified: 1 })
  expect(await asked(one, 5)).toEqual({ statuses: allowed, verified: 0 })
})

it('verifies a forged token each time, also beside the one it was made of', async () => {
  const genuine = await minted('genuine')
  const elsewhere = await minted('elsewhere')
  const forged =
    genuine.slice(0, genuine.lastIndexOf('.')) + elsewhere.slice(elsewhere.lastIndexOf('.'))
  const denied = Array(5).fill(401)
  expect(await asked(forged, 5)).toEqual({ statuses: denied, verified: 5 })
  expect(await asked(genuine, 2)).toEqual({ statuses: [200, 200], verified: 1 })
  expect(await asked(forged, 5)).toEqual({ statuses: denied, verified: 5 })
  expect(await asked(genuine, 1)).toEqual({ statuses: [200], verified: 0 })
})
