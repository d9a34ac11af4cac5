/** Reads a table of ISSUERS (docs/configuration/issuers.md). */
import { type DelegationLimits, readDelegation } from './delegationLimits.ts'
import { PROFILES, type Profile } from './profiles.ts'
import type { Jwk } from './types.ts'
import { list, seconds } from './values.ts'

const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'Ed25519']

/** An issuer whose tokens the gate accepts. Times are in seconds. */
export interface Issuer {
  name: string
  /** The `iss` of its tokens; with profile `spiffe` the trust domain. */
  issuer: string
  profileName: string
  profile: Profile
  /** Keys in the policy itself; otherwise they are in the world. */
  jwks: Jwk[] | undefined
  audiences: string[] | undefined
  algorithms: string[]
  typ: string[]
  maxLifetime: number
  agenticForms: string[]
  /** Whether changed code of an agent is refused. */
  holdsChanged: boolean
  required: string[]
  claims: Record<string, unknown>
  agentId: string[]
  agentPrefix: string
  agentType: string
  entityProfiles: boolean
  workflowId: string[]
  scope: string[]
  scopeOtherwise: string[]
  scopesFrom: 'token' | 'grants' | 'both'
  admin: false | 'own' | 'all'
  rules: boolean
  possession: 'if-bound' | 'required'
  agents: 'any' | 'approved'
  decrypt: { secret: string; keyManagement: string[]; contentEncryption: string[] } | undefined
  delegation: DelegationLimits
}

type Table = Record<string, unknown>

/** Reads the table of an issuer. */
export function readIssuer(name: string, table: Table): Issuer {
  const profileName = (table.profile as string | undefined) ?? 'rfc9068'
  const profile = PROFILES[profileName]
  if (profile === undefined) throw new Error(`unknown profile: ${profileName}`)
  const scope = list(table.scope)
  return {
    name,
    issuer: table.issuer as string,
    profileName,
    profile,
    jwks: (table.jwks as { keys: Jwk[] } | undefined)?.keys,
    audiences: table.audiences as string[] | undefined,
    algorithms: (table.algorithms as string[]) ?? profile.algorithms ?? ALGORITHMS,
    typ: ((table.typ as string[]) ?? profile.typ).map(plainType),
    maxLifetime: seconds(table.max_lifetime) ?? profile.lifetime,
    agenticForms: (table.agentic_forms as string[] | undefined) ?? [],
    holdsChanged: table.changed !== 'alert',
    required: (table.required_claims as string[] | undefined) ?? profile.required,
    claims: (table.claims as Table | undefined) ?? {},
    agentId: list(table.agent_id) ?? profile.agentId,
    agentPrefix: (table.agent_prefix as string | undefined) ?? '',
    agentType: (table.agent_type as string | undefined) ?? 'agent_type',
    entityProfiles:
      (table.entity_profiles as boolean | undefined) ??
      (profile.entityProfiles && table.agent_type === undefined),
    workflowId: list(table.workflow_id) ?? profile.workflow,
    scope: scope ?? profile.scope,
    scopeOtherwise: scope === undefined ? profile.scopeOtherwise : [],
    scopesFrom: (table.scopes_from as Issuer['scopesFrom'] | undefined) ?? 'token',
    admin: (table.admin as Issuer['admin'] | undefined) ?? false,
    rules: table.rules !== false,
    possession: (table.possession as Issuer['possession'] | undefined) ?? 'if-bound',
    agents: (table.agents as Issuer['agents'] | undefined) ?? 'any',
    decrypt: readDecrypt(table.decrypt as Table | undefined),
    delegation: readDelegation((table.delegation as Table | undefined) ?? {}),
  }
}

/** A header type without case and a leading `application/`. */
export function plainType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '')
}

function readDecrypt(table: Table | undefined): Issuer['decrypt'] {
  if (table === undefined) return undefined
  return {
    secret: table.secret as string,
    keyManagement: (table.key_management as string[] | undefined) ?? [
      'RSA-OAEP-256',
      'ECDH-ES',
      'ECDH-ES+A256KW',
    ],
    contentEncryption: (table.content_encryption as string[] | undefined) ?? ['A128GCM', 'A256GCM'],
  }
}
