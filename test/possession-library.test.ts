import { Hono } from 'hono'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import { createGuard, parsePolicy } from '../src/index.ts'
import { createProofKey, proofOf } from './kit/dpop.ts'
import { createIssuer, type Issuer } from './kit/issuer.ts'

const RESOURCE = 'https://api.example.com'
const URL_OF_IT = `${RESOURCE}/v1/x`
const KEY = await createProofKey()

let issuer: Issuer
beforeAll(async () => {
  issuer = await createIssuer()
})
afterAll(() => issuer.close())

it('the library takes a proof once, and tells the next nonce on an answer that no cache keeps', async () => {
  const read = parsePolicy({
    GATE: { resource: RESOURCE, origin: 'https://origin.example', dpop_nonce: true },
    ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true } },
    ROUTES: [{ match: 'GET /v1/x', scopes: [] }],
  })
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  const nonces = {
    issue: async () => 'first',
    check: async (nonce: string) => ({ isGood: nonce === 'first', next: 'second' }),
  }
  const guard = createGuard(read.value.policy, { nonces })
  const app = new Hono<{ Variables: AgentVariables }>().all('*', agentGuard(guard), (c) => {
    c.header('Cache-Control', 'public, max-age=60')
    return c.text(c.get('agent')?.id ?? '')
  })
  const token = await issuer.mint({ cnf: { jkt: KEY.jkt } })
  const ask = async (dpop: string) => {
    const headers = { authorization: `DPoP ${token}`, dpop }
    const { status, headers: told } = await app.request(URL_OF_IT, { headers })
    return [status, told.get('dpop-nonce'), told.get('cache-control')]
  }
  const proof = (nonce?: string) => proofOf(KEY, { url: URL_OF_IT, token, claims: { nonce } })
  expect(await ask(await proof())).toEqual([401, 'first', 'no-store'])
  const good = await proof('first')
  expect(await ask(good)).toEqual([200, 'second', 'no-store'])
  expect(await ask(good)).toEqual([401, null, 'no-store'])
})
