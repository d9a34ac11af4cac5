import { isObject, type JsonObject, own } from '../../base/json.ts'
import { FORBIDDEN_TYPES } from '../../base/jws.ts'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { isIdentityText } from '../../base/text.ts'
import { claimPathText } from '../../model/claims.ts'
import {
  type AdminReach,
  ALGORITHMS,
  type Algorithm,
  algorithmOf,
  type Issuer,
} from '../../model/issuer.ts'
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
import { kept } from '../reading/kept.ts'
import { type Form, field, list, type Readable, reads, required } from '../reading/table.ts'
import { AGENTIC_KEYS } from './agentic.ts'
import { claimRules } from './claim-rules.ts'
import { decryptField } from './decrypt.ts'
import { issuerDelegationField } from './delegation.ts'
import { eventsField, showTransmitter } from './events.ts'
import { KEY_TIMES_KEYS, keyTimesField } from './keys.ts'
import { PERSON_KEYS, personField } from './person.ts'
import { PROFILE_NAMES } from './profiles.ts'
import {
  REDACTED,
  secondsText,
  showClaims,
  showDelegation,
  showing,
  showPath,
  showPaths,
  showTable,
} from './show-parts.ts'

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

/** One of a few values, not all of them texts; `what` names them in the message. */
const oneOf = <const Value extends boolean | string>(options: readonly Value[], what: string) =>
  reads(
    (value) => {
      const found = options.find((one) => one === value)
      return found === undefined ? fail(`must be ${what}`) : ok(found)
    },
    { type: 'picklist', options } as Form<Value>,
  )

const admin = oneOf<AdminReach>([false, 'own', 'all'], 'false, `own` or `all`')

const plainText = text((value) =>
  /^\P{Cc}*$/u.test(value) && value.isWellFormed()
    ? ok(value)
    : fail('must be text without control characters'),
)

/** The name of a person, as `operator` takes it; the reason of a failure is the end of a sentence. */
export function readPerson(value: string): Result<string, string> {
  const isName =
    value.trim() === value && isIdentityText(value) && value.length <= LIMITS.claimedLength
  return isName
    ? ok(value)
    : fail(
        `must be a name of 1 to ${LIMITS.claimedLength} characters, without control characters, and without spaces around it`,
      )
}

/** A SPIFFE trust domain counts as a URL. */
const issuerUrl = text<WrittenUrl>((value) => {
  const url = isTrustDomain(value) ? ok(new URL(value)) : readUrl(value, { http: 'any' })
  return url.ok ? ok({ text: value, url: url.value }) : url
})

/** Shown to whom the issuer `within` belongs, or to all. */
const shown = showing<Issuer, string | undefined>()

export const ISSUER_KEYS = {
  issuer: shown(required(issuerUrl), ({ issuer }) => issuer),
  jwks_uri: shown(urlField({ http: 'any', query: true }), ({ keys }) =>
    keys.kind === 'uri' ? keys.uri.replace(/\?.*$/s, `?${REDACTED}`) : undefined,
  ),
  jwks: shown(inlineKeys, ({ keys }) =>
    keys.kind === 'inline'
      ? { keys: keys.keys.map((key) => ({ kid: own(key, 'kid') })) }
      : undefined,
  ),
  jwks_cache: shown(keyTimesField, ({ keys, keyTimes }) =>
    keys.kind === 'inline' ? undefined : showTable(KEY_TIMES_KEYS, keyTimes, undefined),
  ),
  audiences: kept(nameList),
  algorithms: list(algorithm),
  typ: shown(list(type), ({ types }) => [...types]),
  max_lifetime: shown(seconds(), ({ maxLifetime }) => secondsText(maxLifetime)),
  profile: shown(word(PROFILE_NAMES), ({ profile }) => profile),
  agentic_forms: shown(AGENTIC_KEYS.agentic_forms, ({ agentic }) => agentic && [...agentic]),
  changed: AGENTIC_KEYS.changed,
  required_claims: list(
    text((value) => (value === '' ? fail('must be a claim name') : ok(value))),
    { empty: true },
  ),
  claims: shown(claimRules, ({ claims }) => showClaims(claims)),
  agent_id: shown(claimPaths, ({ agentId }) => showPaths(agentId)),
  agent_prefix: shown(kept(plainText, ''), ({ agentPrefix }) => agentPrefix),
  agent_type: shown(claimPathField, ({ entityProfiles, agentType }) =>
    entityProfiles ? undefined : claimPathText(agentType),
  ),
  entity_profiles: flag,
  workflow_id: shown(claimPaths, ({ workflowId }) => showPath(workflowId)),
  session_id: shown(claimPathField, ({ sessionId }) => claimPathText(sessionId)),
  scope: shown(claimPaths, ({ scope }) => showPaths(scope)),
  scopes_from: shown(word(['token', 'grants', 'both']), ({ scopesFrom = 'token' }) => scopesFrom),
  admin: kept(admin, false),
  rules: oneOf([true, false, 'named'], 'true, false or `named`'),
  operator: shown(kept(text(readPerson)), ({ operator }) => operator),
  person: shown(personField, ({ person }) => person && showTable(PERSON_KEYS, person, undefined)),
  events: shown(eventsField, ({ events }) => events?.map(showTransmitter)),
  possession: possessionField,
  agents: agentsField,
  decrypt: shown(
    decryptField,
    ({ decrypt }) =>
      decrypt && {
        secret: decrypt.secret,
        key_management: decrypt.keyManagement,
        content_encryption: decrypt.contentEncryption,
        keys: (decrypt.keys ?? []).map(({ kid }) => ({ kid })),
      },
  ),
  delegation: shown(issuerDelegationField, ({ delegation, parentScope }, within) => ({
    ...showDelegation(delegation, within),
    ...(parentScope && { parent_scope: claimPathText(parentScope) }),
  })),
  allow_insecure_http: kept(flag, false),
}

/** One table of ISSUERS as configured, without what could not be read. */
export type IssuerEntry = Readable<typeof ISSUER_KEYS>
