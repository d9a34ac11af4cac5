import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { base64url, CompactSign, exportJWK, generateKeyPair } from 'jose'
import { expect, it } from 'vitest'
import { createAgentVerifier, verifyAgent } from '../../packages/origin/src/index.ts'
import { ASSERTION_TYP } from '../../src/gate/model/assertion.ts'
import { KEY_HOST } from '../kit/key-host.ts'

const { REVOCATIONS } = env as unknown as { readonly REVOCATIONS: DurableObjectNamespace }

const AUDIENCE = 'service:DOCS'
const URL_ = `${KEY_HOST}/v1/documents/7`
const TEXT = 'a note: Zoë'
const { publicKey, privateKey } = await generateKeyPair('ES256')
const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(TEXT)))
const want = (wanted: string, body?: string) =>
  fetch(`${KEY_HOST}/.edgewarden/jwks.json`, {
    method: 'POST',
    headers: { 'x-ask': wanted },
    body: body ?? null,
  })
await want('put', JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'a' }] }))

const posted = async (body = TEXT): Promise<Request> => {
  const iat = Math.floor(Date.now() / 1000)
  const claims = {
    iss: KEY_HOST,
    aud: AUDIENCE,
    iat,
    exp: iat + 60,
    jti: crypto.randomUUID(),
    sub: 'Zoë',
    agent_iss: 'https://auth.example.com',
    route: 'POST /v1/documents/{id}',
    possession: 'bearer',
    htm: 'POST',
    htu: URL_,
    bdh: base64url.encode(digest),
  }
  const assertion = await new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ typ: ASSERTION_TYP, alg: 'ES256', kid: 'a' })
    .sign(privateKey)
  const headers = { 'x-agent-assertion': assertion }
  return new Request(URL_, { method: 'POST', headers, body })
}

it('an agent is known, and its body can be read after', async () => {
  const request = await posted()
  const agent = await verifyAgent(request, { gate: KEY_HOST, audience: AUDIENCE })
  expect([agent.id, agent.binding, await request.text()]).toEqual(['Zoë', 'body', TEXT])
  const other = verifyAgent(await posted('other'), { gate: KEY_HOST, audience: AUDIENCE })
  await expect(other).rejects.toMatchObject({ code: 'body_mismatch' })
})

it('keys that one request has fetched serve the others', async () => {
  const before = Number(await (await want('count')).text())
  const verify = createAgentVerifier({ gate: KEY_HOST, audience: AUDIENCE })
  for (const name of ['one', 'two']) {
    const stub = REVOCATIONS.get(REVOCATIONS.idFromName(name))
    await runInDurableObject(stub, async () => {
      const agents = await Promise.all([verify(await posted()), verify(await posted())])
      expect(agents.map(({ id }) => id)).toEqual(['Zoë', 'Zoë'])
    })
  }
  expect(Number(await (await want('count')).text()) - before).toBe(1)
})
