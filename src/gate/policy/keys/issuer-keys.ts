import { isObject, type JsonObject, own } from '../../base/json.ts'
import { FORBIDDEN_TYPES } from '../../base/jws.ts'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok } from '../../base/result.ts'
import { type AdminReach, ALGORITHMS, type Algorithm, algorithmOf } from '../../model/issuer.ts'
import { secretMember } from '../../model/jwk.ts'
import { isTrustDomain } from '../../model/spiffe.ts'
import {
  agentsField,
  claimPathField,
  claimPaths,
  flag,
  nameList,
  possessionField,
  readUrl,
  seconds,
  text,
  urlField,
  type WrittenUrl,
  word,
} from '../reading/fields.ts'
import { quote, unknownName } from '../reading/issues.ts'
import {
  type Form,
  field,
  type KeyDocs,
  list,
  type Readable,
  reads,
  required,
} from '../reading/table.ts'
import { AGENTIC_DOCS, AGENTIC_KEYS } from './agentic.ts'
import { claimRules } from './claim-rules.ts'
import { decryptField } from './decrypt.ts'
import { issuerDelegationField } from './delegation.ts'
import { keyTimesField } from './keys.ts'
import { PROFILE_NAMES } from './profiles.ts'

export const DEFAULT_ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256', 'PS256', 'Ed25519']

const algorithm = text<Algorithm>((value) => {
  const found = algorithmOf(value)
  if (found) return ok(found)
  if (/^none$/i.test(value))
    return fail('`none` is never accepted: a token without a signature proves nothing')
  if (/^hs\d/i.test(value)) {
    return fail(
      `${quote(value)} is never accepted: who can verify with a shared key can also sign; have the issuer sign with a key pair, as for ES256`,
    )
  }
  return fail(unknownName('algorithm', value, [...ALGORITHMS, 'EdDSA']))
})

const type = text((value) => {
  const name = value.toLowerCase().replace(/^application\//, '')
  if (!/^[a-z0-9!#$&^_.+-]{1,127}$/.test(name)) return fail('must be a media type, or `absent`')
  return FORBIDDEN_TYPES.has(name)
    ? fail(`${quote(name)} is the type of JWTs that are never access tokens (RFC 8725 §3.12)`)
    : ok(name)
})

/** Members that the gate does not read are not mistakes. */
const JWK_SET: Form<{ readonly keys: readonly JsonObject[] }> = { type: 'record' }

/** An inline JWK set (RFC 7517 §5) of public keys. Does not import them. */
const inlineKeys = field((value, report): readonly JsonObject[] => {
  const keys = isObject(value) ? own(value, 'keys') : undefined
  if (!Array.isArray(keys) || keys.length === 0) {
    report([], 'must be a JWK set: { keys = [...] }, with a key in it')
    return []
  }
  if (keys.length > LIMITS.keys) report(['keys'], `must contain at most ${LIMITS.keys} keys`)
  for (const [i, key] of keys.slice(0, LIMITS.keys).entries()) {
    const path = ['keys', i]
    if (!isObject(key)) report(path, 'must be a JWK')
    else {
      const secret = secretMember(key)
      if (secret !== undefined) {
        report(
          path,
          `contains the private member ${quote(secret)}: write the public key only, and replace this key`,
        )
      }
    }
  }
  return keys.filter(isObject).map((key) => Object.freeze(key))
}, JWK_SET)

const ADMIN: readonly AdminReach[] = [false, 'own', 'all']

const admin = reads(
  (value) => {
    const found = ADMIN.find((one) => one === value)
    return found === undefined ? fail('must be false, `own` or `all`') : ok(found)
  },
  { type: 'picklist', options: ADMIN } as Form<AdminReach>,
)

const plainText = text((value) =>
  /^\P{Cc}*$/u.test(value) && value.isWellFormed()
    ? ok(value)
    : fail('must be text without control characters'),
)

/** A SPIFFE trust domain counts as a URL. */
const issuerUrl = text<WrittenUrl>((value) => {
  const url = isTrustDomain(value) ? ok(new URL(value)) : readUrl(value, { http: 'any' })
  return url.ok ? ok({ text: value, url: url.value }) : url
})

export const ISSUER_KEYS = {
  issuer: required(issuerUrl),
  jwks_uri: urlField({ http: 'any', query: true }),
  jwks: inlineKeys,
  jwks_cache: keyTimesField,
  audiences: nameList,
  algorithms: list(algorithm),
  typ: list(type),
  max_lifetime: seconds(),
  profile: word(PROFILE_NAMES),
  ...AGENTIC_KEYS,
  required_claims: list(
    text((value) => (value === '' ? fail('must be a claim name') : ok(value))),
    { empty: true },
  ),
  claims: claimRules,
  agent_id: claimPaths,
  agent_prefix: plainText,
  agent_type: claimPathField,
  entity_profiles: flag,
  workflow_id: claimPaths,
  scope: claimPaths,
  scopes_from: word(['token', 'grants', 'both']),
  admin,
  rules: flag,
  possession: possessionField,
  agents: agentsField,
  decrypt: decryptField,
  delegation: issuerDelegationField,
  allow_insecure_http: flag,
}

export const ISSUER_DOCS: KeyDocs<typeof ISSUER_KEYS> = {
  issuer: {
    description:
      "The `iss` of this issuer's tokens, compared exactly. With profile `spiffe` the [trust domain](issuers.md#spiffe), `spiffe://NAME`.",
    example: 'https://auth.acme.example',
  },
  jwks_uri: {
    description:
      "Address of the issuer's keys. Without it the gate reads the RFC 8414 metadata, then OpenID discovery; the document's `issuer` must equal this one.",
    unset: 'discovered',
    example: 'https://auth.acme.example/jwks',
  },
  jwks: {
    description:
      'The public keys themselves, as a JWK set. Nothing is fetched then; beside `jwks_uri` it is a mistake.',
    example: {
      keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
    },
  },
  jwks_cache: {
    description:
      'How long fetched keys are used: [its keys](configuration/issuers.md#keys-of-jwks_cache).',
    default: { max_fresh: '1h', stale_if_error: '24h', cooldown: '30s' },
    example: { max_fresh: '10m' },
  },
  audiences: {
    description:
      'Accepted values of `aud`; a token needs one of them. With profile `cognito` they are required, and compared with `client_id`. With a profile of [workloads](issuers.md#workloads) other than `spiffe` they are a mistake. For a rule with `mcp` they must [include its resource](mcp.md#the-resource).',
    unset: "the rule's `resource`",
    example: ['https://api.example.com'],
  },
  algorithms: {
    description:
      'Accepted algorithms: ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, Ed25519 (also written `EdDSA`), ML-DSA-44, ML-DSA-65, ML-DSA-87. `none` and HMAC are mistakes.',
    unset:
      '`["ES256", "RS256", "PS256", "Ed25519"]`; with `aws` and `spiffe` those of their platforms',
    example: ['ES256'],
  },
  typ: {
    description:
      'Accepted header types. Case and a leading `application/` do not matter. `"absent"` means a token without a type.',
    unset: 'by profile',
    example: ['at+jwt'],
  },
  max_lifetime: {
    description:
      'Longest accepted lifetime of a token, `exp` - `iat`. The [profiles](issuers.md#profiles) have 15m to 24h.',
    unset: 'by profile',
    example: '15m',
  },
  profile: {
    description:
      'What this issuer\'s tokens look like: one of [these](issuers.md#profiles). It sets the defaults that are marked "by profile".',
    default: 'rfc9068',
    example: 'okta',
  },
  ...AGENTIC_DOCS,
  required_claims: {
    description:
      "Names of claims that a token must have. The list replaces the profile's; `exp` must be there with every profile, and `iat` with all but `spiffe`.",
    unset: 'by profile',
    example: ['sub', 'jti'],
  },
  claims: {
    description:
      "Claim path → what the claim must be: a value, a list of values, or a table with [its keys](configuration/issuers.md#keys-of-claims). They apply in addition to the profile's.",
    example: { tenant: 'acme' },
  },
  agent_id: {
    description:
      "Claim path of the agent's id, or a list of claim paths: the first present one is used.",
    unset: 'by profile',
    example: ['act.sub', 'azp'],
  },
  agent_prefix: {
    description:
      'Text before this issuer\'s agent ids. With several issuers no prefix may begin another. `""` begins all prefixes, so write `"acme/"` and `"beta/"`, or set [`GATE.shared_ids`](configuration/gate.md#keys-of-gate).',
    default: '',
    example: 'acme/',
  },
  agent_type: {
    description:
      "Claim path of the agent's [type](configuration/delegation.md#agent-types). Beside `entity_profiles` it is a mistake.",
    default: 'agent_type',
    example: 'agent.kind',
  },
  entity_profiles: {
    description:
      "Reads the agent's [types](configuration/delegation.md#agent-types) from its entity profiles (`sub_profile`), in place of `agent_type`.",
    unset: '`false`; `true` with `actor` and `auth0` unless `agent_type` is written',
    example: true,
  },
  workflow_id: {
    description:
      "Claim path of the [workflow's](configuration/delegation.md#workflows) id, or a list of claim paths: the first present one is used. All present ones must be equal.",
    unset: '`"workflow_id"`; `"run_id"` with `github-actions`, `"pipeline_id"` with `gitlab`',
    example: ['workflow_id', 'intent.workflow_id'],
  },
  scope: {
    description:
      "Claim path of the token's scopes, or a list: the scopes of all present claims together. A claim is a string of scopes, or an array with one scope in each member.",
    unset: 'by profile',
    example: ['scope', 'permissions'],
  },
  scopes_from: {
    description:
      'Where the scopes of its tokens come from: `"token"`, what the token says; `"grants"`, the [grants](grants.md) of the policy, whatever the token says; `"both"`.',
    default: 'token',
    example: 'grants',
  },
  admin: {
    description:
      'Whether this issuer\'s `edgewarden:` scopes are accepted: `"own"`, for what belongs to this issuer; `"all"`, for every issuer. Otherwise they are ignored.',
    default: false,
    example: 'own',
  },
  rules: {
    description:
      "Whether rules accept this issuer's tokens. With `false` only the gate's own endpoints accept them, and need `admin`. This is for [an operator's key](revocation.md#an-operator-key). Origins then never see its agents, so `agent_prefix` may be left out.",
    default: true,
    example: false,
  },
  possession: {
    description:
      'Which tokens of this issuer are accepted. `"if-bound"`: a token with `cnf` needs its [proof](possession.md), a token without `cnf` needs none; `"required"`: only tokens with `cnf`.',
    default: 'if-bound',
    example: 'required',
  },
  agents: {
    description:
      "Which of this issuer's agents are accepted: as in [GATE](configuration/gate.md#keys-of-gate), which it can only narrow.",
    default: 'any',
    example: 'approved',
  },
  decrypt: {
    description:
      "How the gate opens this issuer's encrypted tokens: [its keys](configuration/issuers.md#keys-of-decrypt). Without it they are refused.",
    example: { secret: 'ACME_DECRYPT' },
  },
  delegation: {
    description:
      'Limits on the `act` claim: [its keys](configuration/delegation.md#keys-of-delegation).',
    default: { max_depth: 3 },
    example: { require_actor: true },
  },
  allow_insecure_http: {
    description:
      'Allows http URLs for this issuer. It is a mistake unless the issuer is on a loopback host.',
    default: false,
    example: true,
  },
}

/** One table of ISSUERS as configured, without what could not be read. */
export type IssuerEntry = Readable<typeof ISSUER_KEYS>
