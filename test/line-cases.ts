import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type CryptoKey, importJWK, type JWK } from 'jose'
import { fail, ok } from '../src/gate/base/result.ts'
import type { KeySource } from '../src/gate/model/ports.ts'
import { policy } from './gate/policy/support.ts'
import { ISSUER, NOW, noLimits, noReplays, RESOURCE } from './kit/facts.ts'
import type { Asked } from './kit/line.ts'

/** A policy, a token that it lets pass, and every way in which the line may come to another end. */

export const PAIR = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const FOREIGN = generateKeyPairSync('ec', { namedCurve: 'P-256' })
/** A source of just this key, imported anew. */
export const keysOf = async ({ publicKey }: typeof PAIR): Promise<KeySource> => {
  const jwk = publicKey.export({ format: 'jwk' }) as JWK
  const key = { key: (await importJWK(jwk, 'ES256')) as CryptoKey, kid: 'key-1' }
  return { find: async () => ok(key) }
}
export const keys = await keysOf(PAIR)

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** A token with these claims laid over good ones, signed by the issuer's key unless told. */
export const minted = (
  claims: object = {},
  by: KeyObject = PAIR.privateKey,
  header: object = {},
) => {
  const full = {
    iss: ISSUER,
    aud: RESOURCE,
    sub: 'alice',
    client_id: 'planner',
    agent_type: 'planner',
    workflow_id: 'run-1',
    tenant: 'blue',
    jti: 'token-1',
    scope: 'docs:read',
    iat: NOW - 60,
    exp: NOW + 600,
    ...claims,
  }
  const input = `${part({ alg: 'ES256', typ: 'at+jwt', kid: 'key-1', ...header })}.${part(full)}`
  const bytes = sign('sha256', Buffer.from(input), { key: by, dsaEncoding: 'ieee-p1363' })
  return `${input}.${bytes.toString('base64url')}`
}
export const TOKEN = minted()

const any = { scopes: [] }
const BETA = 'https://auth.beta.example'
const ROUTES = [
  { match: 'GET /docs/{id}', scopes: ['docs:read'], cors: { origins: ['https://app.example'] } },
  { match: 'GET /admin', scopes: ['admin:all'] },
  { match: 'GET /crawl', ...any, agent_types: ['crawler'] },
  { match: 'GET /other', ...any, audiences: ['urn:other'] },
  { match: 'GET /moved', ...any, resource: 'https://api.example.com/moved' },
  { match: 'GET /beta', ...any, issuers: ['beta'] },
  { match: 'GET /short', ...any, max_lifetime: '1m' },
  { match: 'GET /tenant', ...any, claims: { tenant: 'red' } },
  { match: 'GET /when', ...any, when: 'token.tenant == "red"' },
  { match: 'GET /unknown', ...any, when: 'request.country == "DE"' },
  { match: 'GET /runs/{run}', ...any, workflow: 'path:run' },
  { match: 'GET /delegated', ...any, delegation: { require_actor: true, may_act: 'required' } },
  {
    match: 'GET /tools/{id}',
    ...any,
    authorization_details: [{ type: 'tool', identifier: '{id}' }],
  },
  { match: 'GET /lately', ...any, max_age: '1m' },
  { match: 'GET /limited', ...any, rate_limit: { daily: 9 } },
  { match: 'GET /once', ...any, single_use: true },
  { match: 'GET /shadow', scopes: ['admin:all'], mode: 'shadow' },
  { match: 'GET /open', access: 'public' },
  { match: 'GET /optional', ...any, access: 'optional' },
]
export const POLICY = policy({
  ISSUERS: {
    acme: {
      issuer: ISSUER,
      agent_prefix: 'acme/',
      agent_id: ['act.sub', 'client_id'],
      delegation: { issuers: ['beta'], parent_scope: 'parent' },
    },
    beta: { issuer: BETA, agent_prefix: 'beta/' },
  },
  ROUTES,
})

const down = { lookup: () => Promise.reject(new Error('down')) }

/** One request that does not pass. */
export interface Failing {
  readonly code: string
  readonly path: string
  /** Absent where none is sent. */
  readonly token?: string
  readonly asked?: Asked
}

const failing = (code: string, path: string, token?: string, asked?: Asked): Failing => ({
  code,
  path,
  ...(token !== undefined && { token }),
  ...(asked && { asked }),
})

/** What the line says, of which path, to which token. */
export const FAILING: readonly Failing[] = [
  failing('route_unknown', '/none', TOKEN),
  failing('token_malformed', '/docs/1', TOKEN.slice(0, -1)),
  failing('issuer_unknown', '/docs/1', minted({ iss: 'https://x.example' })),
  failing('issuer_not_accepted', '/beta', TOKEN),
  failing('type_not_accepted', '/docs/1', minted({}, PAIR.privateKey, { typ: 'jwt' })),
  failing('key_unknown', '/docs/1', TOKEN, { ports: { keys: { find: () => fail('unknown') } } }),
  failing('keys_unavailable', '/docs/1', TOKEN, {
    ports: { keys: { find: () => fail('unavailable') } },
  }),
  failing('signature_invalid', '/docs/1', minted({}, FOREIGN.privateKey)),
  failing('time_malformed', '/docs/1', minted({ exp: '9' })),
  failing('token_expired', '/docs/1', minted({ exp: NOW - 9 })),
  failing('token_not_yet_valid', '/docs/1', minted({ nbf: NOW + 99 })),
  failing('token_issued_in_future', '/docs/1', minted({ iat: NOW + 99 })),
  failing('token_lifetime', '/docs/1', minted({ exp: NOW + 6_000 })),
  failing('token_lifetime', '/short', TOKEN),
  failing('audience_mismatch', '/docs/1', minted({ aud: 'urn:other' })),
  failing('audience_mismatch', '/other', TOKEN),
  failing('audience_mismatch', '/moved', TOKEN),
  failing('claim_missing', '/docs/1', minted({ jti: undefined })),
  failing('id_token', '/docs/1', minted({ nonce: 'n' })),
  failing('claim_malformed', '/docs/1', minted({ sub: '' })),
  failing('claim_rejected', '/tenant', TOKEN),
  failing('confirmation_unsupported', '/docs/1', minted({ cnf: {} })),
  failing('delegation_malformed', '/docs/1', minted({ act: [] })),
  failing('actor_missing', '/delegated', TOKEN),
  failing('may_act_mismatch', '/delegated', minted({ act: { sub: 'a' } })),
  failing('delegation_scope_exceeded', '/docs/1', minted({ parent: 'docs' })),
  failing('agent_issuer_mismatch', '/docs/1', minted({ act: { sub: 'a', iss: BETA } })),
  failing('workflow_conflict', '/docs/1', minted({ intent: { workflow_id: 'run-2' } })),
  failing('agent_id_malformed', '/docs/1', minted({ workflow_id: 7 })),
  failing('agent_type_not_allowed', '/crawl', TOKEN),
  failing('workflow_mismatch', '/runs/run-2', TOKEN),
  failing('scope_missing', '/admin', TOKEN),
  failing('scope_missing', '/shadow', TOKEN),
  failing('condition_failed', '/when', TOKEN),
  failing('condition_error', '/unknown', TOKEN),
  failing('authorization_details_missing', '/tools/1', TOKEN),
  failing('authorization_details_malformed', '/tools/1', minted({ authorization_details: {} })),
  failing('authorization_details_value_invalid', '/tools/a%20b', TOKEN),
  failing('authentication_insufficient', '/lately', TOKEN),
  failing('authentication_malformed', '/lately', minted({ auth_time: 'now' })),
  failing('user_missing', '/lately', minted({ sub: 'planner' })),
  failing('rate_limited', '/limited', TOKEN, {
    ports: { limits: { ...noLimits, take: async () => fail({ retryAfter: 1 }) } },
  }),
  failing('rate_limit_unavailable', '/limited', TOKEN, {
    ports: { limits: { ...noLimits, take: () => Promise.reject(new Error('down')) } },
  }),
  failing('token_replayed', '/once', TOKEN, {
    ports: { replays: { ...noReplays, claim: async () => false } },
  }),
  failing('single_use_unavailable', '/once', TOKEN, {
    ports: { replays: { ...noReplays, claim: () => Promise.reject(new Error('down')) } },
  }),
  failing('revocations_unavailable', '/docs/1', TOKEN, { ports: { revocations: down } }),
  failing('ended', '/open', TOKEN),
  failing('ended', '/docs/1', TOKEN, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'GET' },
  }),
  failing('ended', '/optional', undefined),
]
