import { askGate } from '../../e2e/setting.ts'
import type { Gate } from '../../kit/gate.ts'
import { createIssuer, type Issuer } from '../../kit/issuer.ts'
import { startOrigin } from '../../kit/origin.ts'
import type { Members } from '../../kit/signing.ts'
import { ACT, CONSOLE, cookieIn, PAGE } from './console-setting.ts'

const CLIENT = 'edgewarden-console'

/** An issuer at whose sign-in a test is whoever it wants to be. */
export interface People {
  readonly issuer: Issuer
  /** The issuer's table in the policy. */
  readonly table: Members
  /** Signs a person in at the console of a gate, and returns the cookie of the session. */
  signIn(gate: Gate, subject: string, scopes?: string): Promise<string>
  close(): Promise<void>
}

let callers = 0
/** A network of its own for each sign-in, as the gate bounds those of each. Gates read it from `x-caller`. */
const nextCaller = () => `10.${callers >> 8}.${callers++ & 255}.1`

/** Starts the issuer. `name`: of its table. */
export async function startPeople(name: string, more: Members = {}): Promise<People> {
  const [issuer, endpoint] = await Promise.all([createIssuer(), startOrigin()])
  issuer.setMetadata({
    openid: {
      ...{ issuer: issuer.issuer, jwks_uri: issuer.jwksUri },
      authorization_endpoint: 'https://login.example.com/authorize',
      token_endpoint: `${endpoint.url}/token`,
      id_token_signing_alg_values_supported: ['ES256'],
    },
  })
  const asked = (gate: Gate, path: string, init: RequestInit) =>
    askGate(gate, path, {
      ...{ redirect: 'manual' as const, ...init },
      headers: { 'x-caller': nextCaller(), host: CONSOLE, ...(init.headers as object) },
    })
  return {
    issuer,
    table: {
      ...{ issuer: issuer.issuer, jwks_uri: issuer.jwksUri, allow_insecure_http: true },
      ...{ admin: 'all', rules: false, person: { client_id: CLIENT }, ...more },
    },
    async signIn(gate, subject, scopes = '') {
      const begun = await asked(gate, `/person/start?issuer=${name}`, {
        ...{ method: 'POST', headers: ACT },
      })
      const { searchParams } = new URL(((await begun.json()) as { url: string }).url)
      const now = Math.floor(Date.now() / 1000)
      const idToken = await issuer.mintRaw(
        { alg: 'ES256', kid: issuer.kid },
        {
          ...{ iss: issuer.issuer, aud: CLIENT, sub: subject, iat: now, exp: now + 60 },
          ...{ nonce: searchParams.get('nonce'), auth_time: now },
        },
      )
      const token = await issuer.mint({ sub: subject, client_id: CLIENT, scope: scopes })
      endpoint.on('/token', (_req, res) => {
        const tokens = { access_token: token, token_type: 'Bearer', id_token: idToken }
        res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(tokens))
      })
      const query = new URLSearchParams({ code: 'a', state: searchParams.get('state') ?? '' })
      const answer = await asked(gate, `/person/callback/${name}?${query}`, {
        headers: { cookie: cookieIn(begun) ?? '' },
      })
      if (answer.status !== 303) throw new Error(`not signed in: ${await answer.text()}`)
      return cookieIn(answer) ?? ''
    },
    async close() {
      await Promise.all([issuer.close(), endpoint.close()])
    },
  }
}

/** Asks the gate's API as the console's page does; with a body it is an act. */
export const askPage = (
  gate: Gate,
  cookie: string,
  path: string,
  body?: unknown,
  method = 'POST',
) =>
  askGate(gate, `/api/${path}`, {
    ...(body !== undefined && { method, body: JSON.stringify(body) }),
    headers: {
      ...{ ...(body === undefined ? PAGE : ACT), cookie, host: CONSOLE },
      'content-type': 'application/json',
    },
  })
