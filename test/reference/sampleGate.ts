/** A gate for examples: one issuer `acme`, and the rules of an example. */
import { createReference, type Reference } from './decide.ts'
import { makeKey, makeRequest, NOW, signToken } from './samples.ts'
import { emptyWorld, type JsonObject, type Request, type World } from './types.ts'

/** The key of `acme`. */
export const KEY = makeKey('2026-11')
/** The `iss` of `acme`. */
export const ISSUER = 'https://auth.acme.example'
/** The resource of the gate. */
export const API = 'https://api.example.com'

/** What every token has, unless an example says otherwise. */
const CLAIMS: JsonObject = {
  iss: ISSUER,
  aud: API,
  sub: 'agent-42',
  client_id: 'agent-42',
  iat: NOW - 60,
  exp: NOW + 240,
  jti: 'j1',
  scope: 'documents:read',
}

/** The rules of the documentation's first example. */
export const DOCUMENTS = [
  { match: 'GET /v1/documents/{id}', scopes: { any: ['documents:read', 'documents:read:{id}'] } },
  { match: 'POST /v1/documents', scopes: ['documents:write'] },
]

/** A token of `acme`; claims that are `undefined` are left out. */
export function tokenOf(claims: Record<string, unknown> = {}, header: JsonObject = {}): string {
  return signToken({ ...CLAIMS, ...claims } as JsonObject, KEY, header)
}

/** A world with the key of `acme`. */
export function worldOf(changed: Partial<World> = {}): World {
  return { ...emptyWorld(), keys: { acme: [KEY.jwk] }, ...changed }
}

/** A gate with these rules. `changed` has keys of GATE and of the issuer `acme`, and SCOPES and GRANTS. */
export function gateOf(routes: object[], changed: Record<string, object> = {}): Reference {
  return createReference({
    GATE: { resource: API, origin: 'https://origin.example.com', ...changed.GATE },
    ISSUERS: { acme: { issuer: ISSUER, agent_prefix: 'acme/', ...changed.acme } },
    ROUTES: routes,
    SCOPES: changed.SCOPES ?? {},
    GRANTS: changed.GRANTS ?? [],
  })
}

/** What the gate with these rules says of a request: a code, or `allowed`. */
export function codeOf(
  routes: object[],
  line: string,
  asked: Partial<Request> & { token?: string } = {},
  changed: Record<string, object> = {},
  world: World = worldOf(),
): string {
  return gateOf(routes, changed).decide(makeRequest(line, asked), world).code ?? 'allowed'
}
