/** Reads a table of ISSUERS (docs/configuration/issuers.md). */
import { readDelegation } from './delegationLimits.ts'
import { PROFILES } from './profiles.ts'
import type { Jwk } from './types.ts'
import { list, seconds, type Table } from './values.ts'

const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'Ed25519']

/** An issuer whose tokens the gate accepts, with the defaults of its profile. Times are in seconds. */
export type Issuer = ReturnType<typeof readIssuer>

/** Reads the table of an issuer. */
export function readIssuer(name: string, table: Table) {
  const given = <T>(key: string) => table[key] as T | undefined
  const profileName = given<string>('profile') ?? 'rfc9068'
  const profile = PROFILES[profileName]
  if (profile === undefined) throw new Error(`unknown profile: ${profileName}`)
  const scope = list(table.scope)
  return {
    name,
    /** The `iss` of its tokens; with profile `spiffe` the trust domain. */
    issuer: table.issuer as string,
    profileName,
    profile,
    /** Keys in the policy itself; otherwise they are in the world. */
    jwks: given<{ keys: Jwk[] }>('jwks')?.keys,
    audiences: given<string[]>('audiences'),
    algorithms: given<string[]>('algorithms') ?? profile.algorithms ?? ALGORITHMS,
    typ: (given<string[]>('typ') ?? profile.typ).map(plainType),
    maxLifetime: seconds(table.max_lifetime) ?? profile.lifetime,
    agenticForms: given<string[]>('agentic_forms') ?? [],
    /** Whether changed code of an agent is refused. */
    holdsChanged: table.changed !== 'alert',
    required: given<string[]>('required_claims') ?? profile.required,
    claims: given<Table>('claims') ?? {},
    agentId: list(table.agent_id) ?? profile.agentId,
    agentPrefix: given<string>('agent_prefix') ?? '',
    agentType: given<string>('agent_type') ?? 'agent_type',
    entityProfiles:
      given<boolean>('entity_profiles') ??
      (profile.entityProfiles && table.agent_type === undefined),
    workflowId: list(table.workflow_id) ?? profile.workflow,
    sessionId: given<string>('session_id') ?? profile.session,
    scope: scope ?? profile.scope,
    scopeOtherwise: scope === undefined ? profile.scopeOtherwise : [],
    scopesFrom: given<'token' | 'grants' | 'both'>('scopes_from') ?? 'token',
    admin: given<false | 'own' | 'all'>('admin') ?? false,
    /** Which rules accept its tokens: all that do not exclude it, none, or those whose `issuers` name it. */
    rules: given<boolean | 'named'>('rules') ?? true,
    possession: given<'if-bound' | 'required'>('possession') ?? 'if-bound',
    agents: given<'any' | 'approved'>('agents') ?? 'any',
    decrypt: readDecrypt(given('decrypt')),
    delegation: readDelegation(given<Table>('delegation') ?? {}),
  }
}

/** A header type without case and a leading `application/`. */
export function plainType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '')
}

function readDecrypt(table: Table | undefined) {
  if (table === undefined) return undefined
  const {
    key_management = ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'],
    content_encryption = ['A128GCM', 'A256GCM'],
  } = table as Record<string, string[]>
  return {
    secret: table.secret as string,
    keyManagement: key_management,
    contentEncryption: content_encryption,
  }
}
