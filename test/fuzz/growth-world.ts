import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { importJWK, type JWK } from 'jose'
import type { Opened, PlatformFacts } from '../../src/gate/app/platform/ports.ts'
import { createNonces, createSessions } from '../../src/gate/app/platform/sessions.ts'
import { SentHeaders } from '../../src/gate/base/request.ts'
import { ok } from '../../src/gate/base/result.ts'
import { ASKING_NOBODY } from '../../src/gate/model/approval.ts'
import type { VerificationKey } from '../../src/gate/model/token.ts'
import { newTokenIn } from '../../src/gate/relay/streams/stream-renewal.ts'
import {
  createGuard,
  createMemoryLimits,
  createMemoryRevocations,
  createSigningKeys,
  createTokenMemory,
  type PolicyInput,
  parsePolicy,
} from '../../src/index.ts'
import { anyRooms, clock, ISSUER, NOW, noReplays, RESOURCE, requestTo } from '../kit/facts.ts'

/** What a stranger sends, what the platform says of the connection, and what the origin answers. */
export interface Sent {
  readonly url?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Of an open WebSocket: the handshake is decided with the token in it. */
  readonly message?: string
  readonly cf?: PlatformFacts
  readonly answer?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
}

export const CONSOLE = 'https://ops.example.com'

/** Every way in which a rule reads what a stranger sends. */
export const ROUTES: PolicyInput['ROUTES'] = [
  { match: 'GET /docs/{id}', scopes: ['docs:read'], inject: { 'X-Key': `\${KEY}` } },
  { match: 'GET,POST /teams/{team}/*', scopes: ['team:{team}'], encoded_slash: true },
  {
    match: 'GET /when/{id}',
    scopes: [],
    workflow: 'query:run',
    when: {
      condition:
        'request.params.id != "no" && request.headers["x-a"] != "no" && request.query.q != "no" && token.sub != request.query.q',
      headers: ['x-a'],
      query: ['q', 'user_id'],
    },
  },
  {
    match: 'GET /many',
    scopes: [],
    when: {
      condition: Array.from({ length: 20 }, (_, i) => `request.query.n${i} != "no"`).join(' && '),
      query: Array.from({ length: 20 }, (_, i) => `n${i}`),
    },
  },
  { match: 'GET /tools/{id}', scopes: [], authorization_details: [{ type: 'tool' }] },
  { match: 'GET /keyed', scopes: [], credential: { headers: ['authorization', 'x-api-key'] } },
  { match: 'GET /socket', scopes: [], token_subprotocols: ['agent-token.'] },
  { match: 'POST /asked', scopes: [], approval: { headers: ['x-a'] } },
  { match: 'GET /open', access: 'public', cors: { origins: ['https://app.example.com'] } },
  {
    match: 'GET,POST,DELETE /mcp',
    scopes: [],
    mcp: {
      tools: {
        echo: [],
        'files_*': ['files:{arguments.path}'],
        pay: { scopes: [], when: 'arguments.amount < 9.0' },
        ask: { scopes: [], approval: { shows: ['arguments.path'] } },
      },
      prompts: { '*': [] },
      resources: { 'docs://*': [], 'file:///srv/*': [] },
      origins: ['https://app.example.com'],
    },
  },
]

/** The issuer of the people who can approve. */
export const PEOPLE = {
  issuer: 'https://people.example.com',
  agent_prefix: 'people/',
  admin: 'all',
  rules: false,
  person: { client_id: 'gate' },
} as const

const IDP = 'https://idp.example.com'
/** The Authorization header of the transmitter of security events. */
export const OF_IDP = 'Bearer of-the-identity-provider'

const POLICY: PolicyInput = {
  GATE: {
    resource: RESOURCE,
    origin: 'https://origin.example.net',
    assertion: 'body',
    client_ip: 'x-real-ip',
    address_limit: { limit: 1_000_000, period: '1m' },
    console: { host: 'ops.example.com' },
  },
  ISSUERS: {
    acme: {
      issuer: ISSUER,
      admin: 'all',
      agent_id: ['agent_id', 'client_id'],
      delegation: { max_depth: 3 },
      claims: { tenant: { pattern: '^[a-z]+-?[a-z]+(?:-x)*$' } },
      events: [{ issuer: IDP, audience: RESOURCE, authorization: 'IDP', jwks_uri: `${IDP}/keys` }],
    },
    people: PEOPLE,
  },
  ROUTES,
}

const CLAIMS = {
  iss: ISSUER,
  aud: RESOURCE,
  sub: 'alice',
  client_id: 'app',
  workflow_id: '2',
  tenant: 'a-b',
  jti: 'token-1',
  scope: 'docs:read team:red files:a',
  iat: NOW - 60,
  exp: NOW + 600,
}
const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'key-1' }
const text64 = (text: string) => Buffer.from(text).toString('base64url')
const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const issuerKey = pair()
const proofKey = pair()

const signed = (header: string, payload: string, key: KeyObject): string => {
  const input = `${text64(header)}.${text64(payload)}`
  const bytes = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${bytes.toString('base64url')}`
}

/** A token with these texts laid over it: members of its header and of its claims, as JSON. */
export const tokenWith = (claims = '', header = ''): string =>
  signed(over(HEADER, header), over(CLAIMS, claims), issuerKey.privateKey)

/** JSON of an object with members laid over it, which are JSON themselves or not. */
const over = (object: object, members: string): string => {
  const rest = Object.entries(object).filter(([name]) => !members.startsWith(`"${name}":`))
  const text = JSON.stringify(Object.fromEntries(rest))
  return members === '' ? text : `{${members},${text.slice(1)}`
}

const EVENT = {
  ...{ iss: IDP, aud: RESOURCE, iat: NOW, jti: 'set-1' },
  sub_id: { format: 'iss_sub', iss: ISSUER, sub: 'bob' },
  events: { 'https://schemas.openid.net/secevent/risc/event-type/account-disabled': {} },
}
/** A security event with these texts laid over it, as {@link tokenWith}. */
export const eventWith = (claims = '', header = ''): string =>
  signed(
    over({ ...HEADER, typ: 'secevent+jwt' }, header),
    over(EVENT, claims),
    issuerKey.privateKey,
  )

const { kty, crv, x, y } = proofKey.publicKey.export({ format: 'jwk' })
const jkt = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
/** A token that is bound to the key of {@link proofWith}. */
export const boundToken = tokenWith(`"cnf":{"jkt":"${jkt}"}`)
/** A token that is bound to a client certificate. */
export const certifiedToken = tokenWith(
  '"cnf":{"x5t#S256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
)
export const operatorToken = tokenWith(
  '"scope":"edgewarden:read edgewarden:revoke edgewarden:metrics edgewarden:audit:read edgewarden:agents"',
)
let proofs = 0
export const proofWith = (claims = '', header = ''): string =>
  signed(
    over({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } }, header),
    over(
      {
        jti: `proof-${proofs++}`,
        htm: 'GET',
        htu: `${RESOURCE}/docs/7`,
        iat: NOW,
        ath: createHash('sha256').update(boundToken).digest('base64url'),
      },
      claims,
    ),
    proofKey.privateKey,
  )

/** The gate with its console, as `src/control/console/app.ts` exports it, on ports in memory. */
export const startWorld = async (
  consoleGateway: (request: Request, opened: Opened) => Promise<Response>,
) => {
  const parsed = parsePolicy(POLICY, { secrets: { KEY: 'a/secret+that=is"long', IDP: OF_IDP } })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  const { policy } = parsed.value
  const jwk = issuerKey.publicKey.export({ format: 'jwk' }) as JWK
  const key = (await importJWK(jwk, 'ES256')) as VerificationKey['key']
  const signingKeys = createSigningKeys(policy, { clock })
  const revocations = createMemoryRevocations({ clock })
  const errors: unknown[] = []
  let answer: NonNullable<Sent['answer']> = {}
  const guardPorts = {
    clock,
    keys: { find: () => ok({ key, kid: 'key-1' }) },
    tokens: createTokenMemory({ clock }),
    revocations,
    limits: createMemoryLimits({ clock }),
    replays: noReplays,
    signingKeys,
    sessions: createSessions({ keys: signingKeys, clock }),
    nonces: createNonces({ keys: signingKeys, clock }),
    approvals: ASKING_NOBODY,
    bodies: anyRooms,
    onError: (...error: unknown[]) => void errors.push(error),
  }
  const opened = {
    prefix: policy.gate.prefix,
    policy,
    guard: createGuard(policy, guardPorts),
    version: undefined,
    colo: undefined,
    ports: {
      ...guardPorts,
      store: revocations,
      dropped: { known: anyRooms, strangers: anyRooms },
      journal: { record: (line: string) => void line.length },
      explaining: guardPorts,
      readiness: async () => ({ keys: true, revocations: true, issuers: [] }),
      send: async (_target: unknown, _url: string, { body }: RequestInit) => {
        if (body) await new Response(body).arrayBuffer()
        const { headers = {}, body: text = '{}' } = answer
        return new Response(text, { headers: { 'content-type': 'application/json', ...headers } })
      },
    },
  }
  const asked = {
    errors,
    /** Sends one request, and reads its answer to the end. */
    async ask(sent: Sent): Promise<string> {
      const { url = `${RESOURCE}/docs/7`, method = 'GET', headers, body, message } = sent
      const renewed = message === undefined ? undefined : newTokenIn(message)
      answer = sent.answer ?? {}
      const host = new URL(RESOURCE).host
      const request = requestTo(url, {
        method,
        headers: {
          host: url.startsWith(CONSOLE) ? 'ops.example.com' : host,
          ...headers,
          ...(renewed && { authorization: `DPoP ${renewed.token}`, dpop: renewed.proof ?? '' }),
        },
        ...(body !== undefined && { body }),
      })
      const given = { ...opened, cf: () => sent.cf } as unknown as Opened
      const response = await consoleGateway(request, given)
      const text = await response.text().catch((error: unknown) => String(error))
      return `${response.status} ${text}`
    },
    /** The names of headers that are read while the gate answers a request. */
    async namesRead(sent: Sent): Promise<readonly string[]> {
      const names = new Set<string>()
      const readers: { get: Headers['get'] }[] = [Headers.prototype, SentHeaders.prototype]
      const undo = readers.map((owner) => {
        const { get } = owner
        owner.get = function (this: Headers, name: string) {
          names.add(name.toLowerCase())
          return get.call(this, name)
        }
        return () => {
          owner.get = get
        }
      })
      await asked.ask(sent)
      for (const one of undo) one()
      return [...names]
    },
  }
  return asked
}
