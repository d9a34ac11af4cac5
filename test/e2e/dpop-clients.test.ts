import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as dpop from 'dpop'
import * as oauth from 'oauth4webapi'
import OpenAI from 'openai'
import * as openid from 'openid-client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { ROOT } from '../kit/repository.ts'
import { sse } from '../kit/sse.ts'
import { outcome, RESOURCE, type Setting, startSetting } from './setting.ts'

const AGENT = { clientId: 'agent-1', clientSecret: 'a secret of this test' }
const SCOPE = 'chat:write'

let server: AuthorizationServer
let setting: Setting
beforeAll(async () => {
  const clients = [{ ...AGENT, scopes: [SCOPE] }]
  server = await startAuthorizationServer({ resource: RESOURCE, clients })
  const same = {
    issuer: { issuer: server.issuer, jwks_uri: server.jwksUri },
    routes: [{ match: 'GET,POST /v1/*', scopes: [SCOPE], possession: 'required' }],
  }
  setting = await startSetting({ ...same, beside: [{ ...same, gate: { dpop_nonce: true } }] })
})
beforeEach(() => setting.origin.clear())
afterAll(() => Promise.all([setting.close(), server.close()]))

/** A client with a key and a token that is bound to it. */
interface Client {
  send(url: string, method?: 'GET' | 'POST', body?: string): Promise<Response>
  /** The same token with another key. */
  stolen(url: string): Promise<Response>
}

const INSECURE = { [oauth.allowInsecureRequests]: true }

const oauth4webapi = async (): Promise<Client> => {
  const issuer = new URL(server.issuer)
  const discovered = await oauth.discoveryRequest(issuer, INSECURE)
  const as = await oauth.processDiscoveryResponse(issuer, discovered)
  const client: oauth.Client = { client_id: AGENT.clientId }
  const handle = async () => oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const DPoP = await handle()
  const auth = oauth.ClientSecretBasic(AGENT.clientSecret)
  const about = { scope: SCOPE, resource: RESOURCE }
  const options = { ...INSECURE, DPoP }
  const granted = await oauth.clientCredentialsGrantRequest(as, client, auth, about, options)
  const token = await oauth.processClientCredentialsResponse(as, client, granted)
  expect(token.token_type).toBe('dpop')
  const ask = async (
    by: oauth.DPoPHandle,
    url: string,
    method = 'GET',
    body: string | null = null,
  ): Promise<Response> => {
    const request = () =>
      oauth.protectedResourceRequest(token.access_token, method, new URL(url), undefined, body, {
        ...INSECURE,
        DPoP: by,
      })
    const again = (error: unknown) => {
      if (oauth.isDPoPNonceError(error)) return request()
      throw error
    }
    try {
      return await request().catch(again)
    } catch (error) {
      if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error
      expect(error.cause[0]).toMatchObject({
        scheme: 'dpop',
        parameters: { error: 'invalid_dpop_proof', algs: expect.stringContaining('ES256') },
      })
      return error.response
    }
  }
  return {
    send: (url, method, body) => ask(DPoP, url, method, body),
    stolen: async (url) => ask(await handle(), url),
  }
}

const openidClient = async (): Promise<Client> => {
  const { clientId, clientSecret } = AGENT
  const config = await openid.discovery(
    new URL(server.issuer),
    clientId,
    clientSecret,
    openid.ClientSecretBasic(clientSecret),
    { execute: [openid.allowInsecureRequests] },
  )
  const handle = async () => openid.getDPoPHandle(config, await openid.randomDPoPKeyPair())
  const DPoP = await handle()
  const about = { scope: SCOPE, resource: RESOURCE }
  const token = await openid.clientCredentialsGrant(config, about, { DPoP })
  const ask = (by: openid.DPoPHandle, url: string, method = 'GET', body?: string) =>
    openid.fetchProtectedResource(
      config,
      token.access_token,
      new URL(url),
      method,
      body,
      undefined,
      {
        DPoP: by,
      },
    )
  return {
    send: (url, method, body) => ask(DPoP, url, method, body),
    async stolen(url) {
      const refused = ask(await handle(), url)
      const error = await refused.then(undefined, (reason: unknown) => reason)
      if (error instanceof openid.WWWAuthenticateChallengeError) return error.response
      throw error
    },
  }
}

type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>

const PAGE = readFileSync(join(ROOT, 'docs/possession.md'), 'utf8')
const EXAMPLE = /^function withProofs[\s\S]*?^\}$/m.exec(PAGE)?.[0]

/** The `fetch` of the page: it adds a proof, and repeats a request with the nonce that it is asked for. */
const withProofs: (keys: dpop.KeyPair, token: string) => Fetch = new Function(
  'generateProof',
  `${EXAMPLE}; return withProofs`,
)(dpop.generateProof)

/** A key of the package `dpop`, and the token for it. */
const dpopToken = async () => {
  const keys = await dpop.generateKeyPair('Ed25519')
  const proof = await dpop.generateProof(keys, server.tokenEndpoint, 'POST')
  return { keys, token: await server.token({ ...AGENT, scope: SCOPE, proof }) }
}

const dpopPackage = async (): Promise<Client> => {
  const { keys, token } = await dpopToken()
  const send = withProofs(keys, token)
  return {
    send: (url, method, body) => send(url, { ...(method && { method }), ...(body && { body }) }),
    stolen: async (url) => withProofs(await dpop.generateKeyPair('ES256'), token)(url),
  }
}

const CLIENTS = { oauth4webapi, 'openid-client': openidClient, dpop: dpopPackage }
const GATES = [
  ['without nonces', () => setting.gate],
  ['with nonces', () => setting.gate.beside[0] as Gate],
] as const

describe.each(GATES)('at a gate %s', (_name, gateOf) => {
  it.each(Object.entries(CLIENTS))('%s sends requests that pass', async (_, start) => {
    const { url } = gateOf()
    const client = await start()
    for (const path of ['/v1/x?q=%41&r', '/v1/x', '/v1/a%20b/%C3%BC']) {
      expect(await outcome(await client.send(url + path))).toMatchObject({ status: 200 })
    }
    const many = Array.from({ length: 10 }, () => client.send(`${url}/v1/x`, 'POST', '{"a":1}'))
    expect((await Promise.all(many)).map(({ status }) => status)).toEqual(Array(10).fill(200))
    const seen = setting.origin.requests
    expect(seen).toHaveLength(13)
    for (const request of seen) {
      expect(request.header('x-agent-possession')).toBe('dpop')
      expect(request.header('x-agent-id')).toBe(AGENT.clientId)
      expect(request.header('dpop')).toBeUndefined()
    }
    expect(seen.at(-1)?.body).toBe('{"a":1}')
  })

  it.each(Object.entries(CLIENTS))(
    '%s understands why another key is refused',
    async (_, start) => {
      const client = await start()
      const answer = await client.stolen(`${gateOf().url}/v1/x`)
      expect(await outcome(answer)).toEqual({ status: 401, code: 'proof_key_mismatch' })
      expect(setting.origin.requests).toHaveLength(0)
    },
  )

  it('the openai client passes with a fetch that adds proofs, streams too', async () => {
    const { keys, token } = await dpopToken()
    const baseURL = `${gateOf().url}/v1`
    const client = new OpenAI({ apiKey: token, baseURL, fetch: withProofs(keys, token) })
    const question = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] }
    const message = { role: 'assistant', content: 'Hi' }
    const json = { 'content-type': 'application/json' }
    const completion = JSON.stringify({ id: 'c1', choices: [{ index: 0, message }] })
    setting.origin.on('/v1/chat/completions', reply(200, json, completion))
    const answer = await client.chat.completions.create(question)
    expect(answer.choices[0]?.message.content).toBe('Hi')
    const event = JSON.stringify({ id: 'c1', choices: [{ index: 0, delta: { content: 'Hi' } }] })
    setting.origin.on('/v1/chat/completions', (_, res) => sse(res, [event, event, '[DONE]']))
    const words: unknown[] = []
    for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) {
      words.push(chunk.choices[0]?.delta.content)
    }
    expect(words).toEqual(['Hi', 'Hi'])
    expect(setting.origin.requests.map(({ method }) => method)).toEqual(['POST', 'POST'])
  })

  it('the openai client without proofs is told to send them', async () => {
    const { token } = await dpopToken()
    const client = new OpenAI({ apiKey: token, baseURL: `${gateOf().url}/v1`, maxRetries: 0 })
    await expect(client.models.list()).rejects.toMatchObject({
      status: 401,
      code: 'token_bound',
      message: expect.stringContaining('DPoP'),
    })
  })
})
