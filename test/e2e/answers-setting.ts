import { type Origin, startOrigin } from '../kit/origin.ts'
import { shared } from '../kit/shared.ts'
import type { Members } from '../kit/signing.ts'
import { askGate, HOST, type Setting, sharedSetting } from './setting.ts'

export const APP = 'https://app.example.com'
/** An address that only a binding leads to. */
export const PRIVATE = 'https://models.internal.example'
/** The origin's own credentials, injected by rules of the file that tests them. */
export const INJECTED = {
  API_KEY: 'origin-credential-93b1f07d',
  TENANT_KEY: 'tenant-credential-55aa',
}
export const REPEATED = {
  KEY: 'sk-live-93b1f07d/8+Q=&Zz',
  BASIC: Buffer.from('gate-user:pass:word/44aa').toString('base64'),
  SHORT: 'abc',
  RAW: 'k+y/_sk-live=93b1"f07d',
  /** Without signs, of which each may be long when it is escaped. */
  LETTERS: 'Ab3dEf6hIj9lMn2pQr5tUv8x',
}

/** The rules of each file, which are for a host of its own, so that no two files share a path. */
const RULES = {
  claims: () => [
    { match: 'GET /v1/told', scopes: [], forward_claims: { 'X-Tenant': '/tenant' } },
    {
      match: '* /v1/less',
      scopes: [],
      remove_response_headers: ['Server', 'x-powered-by', 'set-cookie'],
    },
    { match: '* /via/*', scopes: [], origin: PRIVATE, origin_via: 'MTLS', strip_prefix: '/via' },
    { match: 'GET /shadow', scopes: ['a:read'], mode: 'shadow' },
    { match: 'GET /optional', scopes: [], access: 'optional' },
    { match: 'GET /public', access: 'public' },
    { match: 'GET /v1/*', scopes: [] },
  ],
  clients: () => [
    { match: 'POST /v1/chat/completions', scopes: ['chat:write'] },
    { match: 'POST /v1/messages', scopes: ['chat:write'] },
    { match: 'GET /v1/models/{model}', scopes: [], encoded_slash: true },
    { match: 'POST /v1/files', scopes: ['files:write'] },
    { match: 'GET /v1/realtime', scopes: ['chat:write'] },
    { match: 'GET /v1/browser', scopes: [], cors: { origins: [APP] } },
  ],
  cors: () => [
    { match: 'GET /v1/thing', scopes: [], cors: { origins: [APP], max_age: '10m' } },
    { match: 'POST /v1/thing', scopes: ['chat:write'] },
    {
      match: 'PUT,DELETE /v1/thing',
      scopes: [],
      cors: { origins: [APP], credentials: true, headers: ['x-special'], expose: ['X-Total'] },
    },
    { match: 'OPTIONS /v1/thing', scopes: [] },
    { match: 'GET /v1/any', scopes: [], cors: { origins: ['*'] } },
    { match: 'GET /v1/bare', scopes: [], cors: { origins: [APP], headers: [] } },
    { match: 'GET /v1/plain', scopes: [] },
    { match: 'GET /v1/run', scopes: [], workflow: 'header:x-run', cors: { origins: [APP] } },
  ],
  forwarding: () => [
    // Nobody listens there.
    { match: 'GET /v1/down', scopes: [], origin: 'http://127.0.0.1:9' },
    { match: 'GET /v1/bound', scopes: [], origin: 'service:MODELS' },
    { match: '* /v1/*', scopes: [] },
    { match: '* /public/*', access: 'public' },
  ],
  inject: () => [
    {
      match: 'GET,POST /v1/*',
      scopes: [],
      inject: { Authorization: `Bearer \${API_KEY}`, 'x-api-key': `\${TENANT_KEY}:\${API_KEY}` },
    },
    {
      match: 'GET /browser/*',
      scopes: [],
      strip_prefix: '/browser',
      inject: { authorization: `Bearer \${API_KEY}` },
      cors: { origins: [APP] },
    },
  ],
  journal: () => [
    { match: 'GET /v1/watched', scopes: ['a:read'], mode: 'shadow' },
    { match: 'GET,POST /v1/{id}', scopes: ['chat:write'] },
    { match: 'GET /public', access: 'public' },
  ],
  origin: (second) => [
    { match: '* /v1/*', scopes: [] },
    { match: '* /public/*', access: 'public' },
    { match: '* /tools/*', scopes: [], strip_prefix: '/tools' },
    { match: 'GET /token/x', scopes: [], forward_token: true },
    { match: 'GET /public-token', access: 'public', forward_token: true },
    { match: 'GET /based/*', scopes: [], origin: `${second.url}/base` },
    { match: 'GET /moved/*', scopes: [], origin: `${second.url}/base/`, strip_prefix: '/moved' },
  ],
  reflection: () => [
    { match: 'GET /v1/plain/*', scopes: [] },
    { match: 'GET /v1/letters', scopes: [], inject: { 'x-letters': `\${LETTERS}` } },
    {
      match: '* /v1/*',
      scopes: [],
      inject: {
        Authorization: `Basic \${BASIC}`,
        'x-api-key': `key \${KEY}`,
        'x-team': `\${SHORT}`,
        'x-raw': `\${RAW}`,
      },
    },
  ],
  shadow: () => SHADOW_RULES,
  'step-up': () => [
    { match: 'POST /v1/payments', scopes: [], acr_values: ['urn:x:mfa', 'phr'], max_age: '5m' },
    { match: 'GET /v1/payments', scopes: [], max_age: '1h' },
  ],
} satisfies Readonly<Record<string, (second: Origin) => readonly Members[]>>

export const SHADOW_RULES = [
  { match: 'GET /v1/watched', scopes: ['a:read'], mode: 'shadow' },
  { match: 'GET /v1/enforced', scopes: ['a:read'], mode: 'enforce' },
  { match: 'GET /browser', scopes: [], mode: 'shadow', cors: { origins: [APP] } },
  { match: 'GET /.well-known/*', scopes: [], mode: 'shadow' },
  { match: '* /v1/*', scopes: ['a:read'] },
]

type Name = keyof typeof RULES

/** Some clients cannot say a host: they name the address they connect to. */
const hostOf = (name: Name): string => (name === 'clients' ? '127.0.0.1' : `${name}.example.com`)

/** The one gate that the files about its answers share. */
export interface Answers extends Setting {
  /** The name that `ask` asks by. */
  readonly host: string
  /** Another origin: behind the binding MTLS, and at `/base` of an address. */
  readonly second: Origin
}

/** That gate, by the name of the resource. Another is started before the same issuer and origin. */
export async function answers(): Promise<Answers> {
  const other = await shared('second origin', startOrigin)
  const names = Object.keys(RULES) as Name[]
  const setting = await sharedSetting({
    gate: {
      hosts: [HOST, ...names.map(hostOf)],
      identity_headers: { 'X-Forwarded-User': 'sub', 'X-Org': 'org.name' },
    },
    issuer: { admin: 'all' },
    secrets: { ...INJECTED, ...REPEATED },
    services: { MODELS: 'http://127.0.0.1:1', MTLS: other.url },
    routes: names.flatMap((one) =>
      RULES[one](other).map((rule) => ({ ...rule, host: hostOf(one) })),
    ),
  })
  return { ...setting, host: HOST, second: other }
}

/** That gate, by the name that the rules of one file are for. */
export async function answersOf(name: Name): Promise<Answers> {
  const setting = await answers()
  const host = hostOf(name)
  return {
    ...setting,
    host,
    ask: (path, init = {}) => {
      const headers = Object.fromEntries(new Headers(init.headers))
      return askGate(setting.gate, path, { ...init, headers: { host, ...headers } })
    },
  }
}
