import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import { decodeJwsPart } from '../../gate/base/jws.ts'
import { PROFILE_NAMES, PROFILES, type ProfileName } from '../../gate/policy/keys/profiles.ts'
import { explainOffline } from '../base/explain-offline.ts'
import { textOf } from './faults.ts'
import type { Target } from './target.ts'

/** The result of a sample token, without the token and its claim values. */
export interface TokenFact {
  readonly typ: string | null
  readonly alg: string | null
  readonly kid: string | null
  /** The profile it was checked with. */
  readonly profile: ProfileName
  /** The profiles that accept it. Empty for an issuer of a file. */
  readonly fits: readonly ProfileName[]
  /** The denial with that profile, if any. */
  readonly denial: {
    readonly code: string
    readonly title: string
    readonly hint: string
    readonly claims: readonly string[]
  } | null
}

/**
 * Runs a sample token through the gate's guard with the fetched keys, at its time of issue. Its
 * audience and revocation are not checked. An unknown profile is replaced by one that accepts the
 * token.
 */
export async function judgeToken(
  token: string,
  target: Target,
  keys: readonly JsonObject[],
  known: ProfileName | undefined,
): Promise<TokenFact> {
  const [head = {}, payload = {}] = token.split('.').map(decodeJwsPart)
  const iat = own(payload, 'iat')
  const at = typeof iat === 'number' && Math.abs(iat) < LATEST ? iat : Date.now() / 1000
  const denialBy = async (profile: ProfileName) => {
    const audiences = audiencesOf(payload, profile)
    const policy =
      target.policyWith({ profile, ...(audiences && { audiences }) }) ??
      target.policyWith({ profile }, audiences?.[0]) ??
      target.policyWith({ profile })
    if (!policy) return UNJUDGED
    const [host = ''] = policy.gate.hosts
    const url = `${new URL(policy.gate.resource).protocol}//${host}/`
    const asked = { method: 'GET', url, token, headers: new Headers() }
    return denialOf((await explainOffline(policy, asked, { keys, at })).explanation)
  }
  const fits: ProfileName[] = []
  for (const profile of target.table === null ? PROFILE_NAMES : []) {
    if (!(await denialBy(profile))) fits.push(profile)
  }
  const profile = known ?? LIKELY.find((one) => fits.includes(one)) ?? fits[0] ?? 'rfc9068'
  const denial = await denialBy(profile)
  const text = (name: string) => textOf(ownText(head, name))
  return {
    typ: text('typ'),
    alg: text('alg'),
    kid: text('kid'),
    profile,
    fits,
    denial,
  }
}

/** Profiles of no particular product, the strictest first. */
const LIKELY: readonly ProfileName[] = ['agentic-jwt', 'rfc9068', 'generic']

/** The latest valid `iat`, in seconds since 1970. */
const LATEST = 1e11

const UNJUDGED = {
  code: 'not_judged',
  title: 'The token could not be judged by this entry',
  hint: 'Ask a running gate: npx edgewarden explain --gate URL',
  claims: [],
}

const audiencesOf = (payload: JsonObject, profile: ProfileName): readonly string[] | undefined => {
  const value = own(payload, PROFILES[profile].audienceClaim)
  const audiences = [value].flat().filter((one) => typeof one === 'string')
  return audiences.length > 0 ? audiences : undefined
}

const denialOf = (explanation: JsonObject): TokenFact['denial'] => {
  const denial = own(explanation, 'denial')
  // If the token is bound to a key, this machine does not have that key, so the proof cannot be checked.
  if (!isObject(denial) || own(denial, 'code') === 'token_bound') return null
  const last = objectOf(listOf(own(explanation, 'steps')).at(-1))
  const claims = listOf(own(objectOf(own(last, 'detail')), 'claims'))
  return {
    code: String(own(denial, 'code')),
    title: String(own(denial, 'title') ?? ''),
    hint: String(own(denial, 'hint') ?? ''),
    claims: claims.map(String),
  }
}
