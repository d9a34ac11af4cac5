import { admissionOf } from '../../src/gate/base/admission.ts'
import { decodeJwsPart } from '../../src/gate/base/jws.ts'
import { readAddress } from '../../src/gate/base/request.ts'
import { ok } from '../../src/gate/base/result.ts'
import type { Room, Rooms } from '../../src/gate/base/room.ts'
import type { Issuer } from '../../src/gate/model/issuer.ts'
import type { Sessions } from '../../src/gate/model/mcp.ts'
import type { Gate, Policy } from '../../src/gate/model/policy.ts'
import type {
  Limits,
  PassedToken,
  ReplayStore,
  SigningKeys,
  TokenMemory,
} from '../../src/gate/model/ports.ts'
import type { Route, Target } from '../../src/gate/model/route.ts'
import type { ScopeRule } from '../../src/gate/model/scope.ts'
import {
  type AccessToken,
  type AgentIdentity,
  type Credential,
  seal,
  type VerifiedToken,
} from '../../src/gate/model/token.ts'
import { DEFAULT_KEY_TIMES } from '../../src/gate/policy/keys/keys.ts'
import { placementOf, STRICT } from '../../src/gate/policy/keys/revocation.ts'
import { UNREAD_BODY } from '../../src/gate/policy/keys/unread-body.ts'
import { compileRouter, parseMatch } from '../../src/gate/policy/reading/router.ts'

/** Facts as the stages hand them on, written as literals: no token is minted for them. */

export const RESOURCE = 'https://api.example.com'
export const ISSUER = 'https://auth.example.com'

/** 2026-01-01T00:00:00Z, in seconds. */
export const NOW = 1_767_225_600

/** A clock that stands still, as the stages read it. */
export const clock = { now: () => NOW * 1000 }

export const gateOf = (changes: Partial<Gate> = {}): Gate => ({
  resource: RESOURCE,
  hosts: new Set(['api.example.com']),
  insecureHttp: false,
  clockTolerance: 5,
  proofMaxAge: 60,
  proofMaxAhead: 5,
  dpopNonce: false,
  prefix: '/.edgewarden',
  identityPrefix: 'x-agent-',
  stripHeaders: new Set(),
  ownHeaders: new Set(),
  identityHeaders: [],
  clientIp: { from: 'header', name: 'cf-connecting-ip' },
  inFlight: 256,
  unreadBody: UNREAD_BODY,
  journal: { allowed: 1 },
  requestId: 'own',
  denialDocs: 'https://edgewarden.dev/denials',
  revocation: STRICT,
  placement: placementOf(),
  lift: new Set(),
  ...changes,
})

export const issuerOf = (changes: Partial<Issuer> = {}): Issuer => ({
  name: 'acme',
  profile: 'rfc9068',
  issuer: ISSUER,
  keys: { kind: 'discovery', never: [] },
  keyTimes: DEFAULT_KEY_TIMES,
  allowInsecureHttp: false,
  algorithms: ['ES256', 'RS256', 'PS256', 'Ed25519'],
  types: new Set(['at+jwt']),
  audienceClaim: 'aud',
  maxLifetime: 900,
  requiredClaims: ['jti'],
  claims: [],
  clientId: [['client_id'], ['azp']],
  clientRequired: false,
  agentId: [['agent_id'], ['client_id']],
  agentPrefix: '',
  agentType: ['agent_type'],
  sessionId: ['sid'],
  workflowId: [['workflow_id']],
  scope: [['scope']],
  scopeElse: [],
  admin: false,
  delegation: { maxDepth: 3, requireActor: false, issuers: new Set() },
  ...changes,
})

/** A scope rule as the policy would read it; `{name}` is a path parameter. */
export const scopesOf = (mode: 'all' | 'any', ...sources: string[]): ScopeRule => ({
  mode,
  scopes: sources.map((source) => ({ source, parts: source.split(/\{(\w+)\}/) })),
})

/** An admission that nothing was made of yet. */
export const admissionFor = () => admissionOf([])

/** A memory that keeps nothing, so that every token is verified. */
export const noTokens: TokenMemory = { find: () => undefined, keep: () => {} }

/** No key, for a gate whose origins get no assertion. */
/** Limits that nobody comes near. */
export const noLimits: Limits = { take: () => ok({}), takeAddress: () => ok({}) }

/** A store that knows no use of any token. */
export const noReplays: ReplayStore = { claim: () => true, isClaimed: () => false }

/** Room for whatever is held, and no count of it. */
export const anyRoom: Room = { take: () => true, leave: () => {} }
export const anyRooms: Rooms = { open: () => anyRoom }

/** Sessions of no server. */
export const noSessions: Sessions = {
  seal: () => Promise.reject(new Error('there is no key to sign with')),
  open: () => Promise.resolve(undefined),
}

export const noSigning: SigningKeys = { signing: () => undefined, published: () => [] }

export const targetOf = (changes: Partial<Target> = {}): Target => ({
  url: new URL('https://origin.example.net'),
  audience: 'https://origin.example.net',
  stripPrefix: '',
  timeout: 60_000,
  ...changes,
})

/** A rule for a `match`; an error where the match is none. */
export const routeOf = (match: string, changes: Partial<Route> = {}): Route => {
  const reading = parseMatch(match)
  if (!reading.ok) throw new Error(`${match}: ${reading.reason}`)
  const { methods, path } = reading.value
  return {
    name: match,
    methods,
    path,
    resource: RESOURCE,
    access: 'required',
    scopes: scopesOf('all'),
    claims: [],
    mode: 'enforce',
    revocation: STRICT,
    onRevocation: 'end-streams',
    finishWithin: 0,
    target: targetOf(),
    inject: [],
    forwardClaims: [],
    removedFromAnswers: [],
    secrets: [],
    forwardToken: false,
    encodedSlash: false,
    ...changes,
  }
}

export const policyOf = (
  routes: readonly Route[] = [],
  { gate = gateOf(), issuers = [issuerOf()] }: { gate?: Gate; issuers?: readonly Issuer[] } = {},
): Policy => ({
  gate,
  issuers: new Map(issuers.map((one) => [one.issuer, one])),
  routes: routes.filter(({ endpoint }) => !endpoint),
  router: compileRouter(routes),
  scopes: new Map(),
  includedBy: (scope) => [scope],
  resources: new Map(),
  watch: [],
  transmit: [],
})

const A_ROUTE = routeOf('GET /x')

/** A token that passed, as the line hands it over with what was decided of it once; nobody has signed it. */
export const passedOf = (token: string, changes: Partial<PassedToken> = {}): PassedToken => ({
  credential: credentialOf({ token }),
  token: { claims: { jti: token }, issuer: issuerOf(), key: {} } as unknown as VerifiedToken,
  route: A_ROUTE,
  values: '',
  admission: admissionFor(),
  ...changes,
})

/** A credential as it is read from a token: what the payload says, where it can, is laid aside. */
export const credentialOf = (changes: Partial<Credential> = {}): Credential => {
  const credential: Credential = {
    token: 'e30.e30.AA',
    authorization: `Bearer ${changes.token ?? 'e30.e30.AA'}`,
    scheme: 'Bearer',
    algorithm: 'ES256',
    type: 'at+jwt',
    claimedIssuer: ISSUER,
    ...changes,
  }
  const claims = decodeJwsPart(credential.token.split('.')[1] ?? '')
  return claims ? seal(credential, claims) : credential
}

export const accessOf = (changes: Partial<AccessToken> = {}): AccessToken => ({
  claims: { iss: ISSUER, agent_id: 'planner' },
  issuer: ISSUER,
  entry: issuerOf(),
  subject: 'alice',
  clientId: 'app',
  id: 'token-1',
  kid: 'key-1',
  issuedAt: NOW - 60,
  expires: NOW + 600,
  scopes: ['docs:read'],
  ...changes,
})

export const agentOf = (changes: Partial<AgentIdentity> = {}): AgentIdentity => ({
  id: 'planner',
  name: 'planner',
  issuer: ISSUER,
  subject: 'alice',
  clientId: 'app',
  actors: [],
  ...changes,
})

/** A request whose `url` is exactly this text, as plain workerd gives it; nothing is resolved. */
export const requestTo = (url: string, init: RequestInit = {}): Request =>
  Object.defineProperty(new Request(RESOURCE, init), 'url', { value: url })

/** The gate's reading of an address that has one. */
export const addressOf = (url: string) => {
  const reading = readAddress(requestTo(url))
  if (!reading.ok) throw new Error(`${url}: ${reading.reason}`)
  return reading.value
}

/** A fact's value, or the code it was denied with. */
export const codeOf = (outcome: {
  readonly ok: boolean
  readonly reason?: { readonly code: string }
}): string => (outcome.ok ? ('end' in outcome ? 'end' : 'ok') : (outcome.reason?.code ?? ''))
