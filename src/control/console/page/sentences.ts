import { listed } from '../../../compare/words.ts'
import { isObject, type JsonObject, listOf, objectOf, ownText } from '../../../gate/base/json.ts'

const words = (value: unknown, last = 'or') => listed(listOf(value).map(String), last)

/** What a key of a rule asks, in words. `undefined`: nothing. */
type Phrase = (value: unknown) => string | undefined

const PHRASES: Readonly<Record<string, Phrase>> = {
  agents: (value) => (value === 'approved' ? 'an approved agent' : undefined),
  agent_types: (value) => `an agent of type ${words(value)}`,
  possession: (value) => (value === 'required' ? 'proof of possession' : undefined),
  single_use: (value) => (value ? 'a token that was not used before' : undefined),
  claims: (value) =>
    Object.entries(objectOf(value))
      .map(([name, is]) => `claim ${name} = ${said(is)}`)
      .join(', '),
  audiences: (value) => `a token for ${words(value)}`,
  max_lifetime: (value) => `a lifetime of at most ${value}`,
  max_age: (value) => `a sign-in in the last ${value}`,
  acr_values: (value) => `a sign-in of level ${words(value)}`,
  workflow: (value) => `the workflow that ${String(value).replace(':', ' ')} names`,
  steps: (value) => `step ${words(value)}`,
  delegation_chains: () => 'a delegation chain of its list',
  step_sequences: () => 'a sequence of steps of its list',
  authorization_details: () => 'authorization details',
  delegation: (value) => {
    const { max_depth: depth, require_actor, actors } = objectOf(value)
    const most = `at most ${depth} ${depth === 1 ? 'actor' : 'actors'}`
    if (actors) return `an actor of its list and ${most}`
    return require_actor ? `an actor and ${most}` : most
  },
}

/** Further sentences. */
const MORE: Readonly<Record<string, Phrase>> = {
  approval: (value) => {
    const { by, unless } = objectOf(value)
    const who = by === 'owners' ? 'an owner of the agent' : 'an operator'
    return `Each call needs the approval of ${who}${unless ? `, unless ${said(unless)}` : ''}.`
  },
  when: (value) => `Only if ${said(objectOf(value).condition ?? value)}.`,
  rate_limit: (value) => {
    const { limit, period, daily, per } = objectOf(value)
    const parts = [limit && `${limit} requests in ${period}`, daily && `${daily} a day`]
    const most = parts.filter(Boolean).join(' and ')
    return most && `At most ${most} for each ${per}.`
  },
}

const phrasesOf = (phrases: Readonly<Record<string, Phrase>>, rule: JsonObject) =>
  Object.entries(phrases).flatMap(([key, phrase]) => {
    const value = Object.hasOwn(rule, key) ? rule[key] : undefined
    return (value !== undefined && phrase(value)) || []
  })

const said = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const scopesText = (value: unknown): string => {
  const { any } = objectOf(value)
  if (any) return listOf(any).length > 1 ? `one of ${listOf(any).join(', ')}` : words(any)
  return words(value, 'and') || 'any valid token'
}

/**
 * What a rule needs, as one sentence or some. `rule` is a rule as `PREFIX/policy` shows it. Names every key that asks something of an
 * agent, and not what the gate or the issuer asks.
 * @example needsSentence({ access: 'required', scopes: ['a'], possession: 'required' }) // 'Needs a and proof of possession.'
 */
export function needsSentence(rule: JsonObject): string {
  const access = ownText(rule, 'access')
  if (access === 'public') return 'Anyone, without a token.'
  const token = listed([scopesText(rule.scopes), ...phrasesOf(PHRASES, rule)], 'and')
  const first = access === 'optional' ? `No token, or else: ${token}.` : `Needs ${token}.`
  return [first, ...phrasesOf(MORE, rule)].join(' ')
}

/**
 * What a rule needs beside scopes and access, as one sentence or some; empty if nothing.
 * @example alsoSentence({ possession: 'required' }) // 'It also needs proof of possession.'
 */
export function alsoSentence(asks: JsonObject): string {
  const also = listed(phrasesOf(PHRASES, asks), 'and')
  return [...(also ? [`It also needs ${also}.`] : []), ...phrasesOf(MORE, asks)].join(' ')
}

/**
 * What stopping something would hit: calls of the last hour, and agents that act for it. `calls` may be unknown.
 * @example hitText('1 agent', '1 call', ['helper']) // 'Stops 1 agent: 1 call allowed in the last hour, and 1 that acts for it (helper).'
 */
export function hitText(what: string, calls: string | undefined, others: readonly string[]) {
  const acts = `${others.length} that ${others.length === 1 ? 'acts' : 'act'}`
  const whom = what.startsWith('1 ') ? 'it' : 'them'
  const more = others.length > 0 ? `, and ${acts} for ${whom} (${others.join(', ')})` : ''
  return `Stops ${what}${calls === undefined ? '' : `: ${calls} allowed in the last hour`}${more}.`
}

/** What acts did; whom they hit follows. */
const DID: Readonly<Record<string, string>> = {
  revoke: 'revoked',
  lift: 'lifted the revocation of',
  event: 'sent a security event',
  register: 'changed the entry of',
  suspend: 'suspended',
  resume: 'resumed',
  retire: 'retired',
  rotate: 'rotated the keys of assertions',
  alert: 'raised an alert about',
  dismiss: 'dismissed an alert about',
  release: 'released from quarantine',
  policy: 'put a policy into force',
  erase: 'erased values of a person',
  ask: 'asked a person to approve a call',
  approve: 'approved a call of',
  refuse: 'refused a call of',
  expire: 'let an approval expire for',
  withdraw: 'ended an approval of',
}

/**
 * What an act did, in words; an act without words is its name.
 * @example didText('lift') // 'lifted the revocation of'
 */
export function didText(act: string): string {
  return ownText(DID, act) ?? act
}

/** Members of records that are named by abbreviations. */
const NAMES: Readonly<Record<string, string>> = {
  jti: 'token id',
  aud: 'audience',
  iat: 'issued',
  exp: 'expires',
  kid: 'key id',
  claimed_kid: 'claimed key id',
}

/**
 * The name of a member in words.
 * @example memberText('token_scopes') // 'token scopes'
 */
export function memberText(name: string): string {
  return ownText(NAMES, name) ?? name.replaceAll('_', ' ')
}

/** A list that is stored as JSON, or the value itself. */
const unpacked = (value: unknown): unknown => {
  if (typeof value !== 'string' || !value.startsWith('[')) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

/**
 * The value of a member in words: a list with commas, and of an object the names and values of its members.
 * @example valueText({ method: 'tools/call' }) // 'method: tools/call'
 */
export function valueText(value: unknown): string {
  const found = unpacked(value)
  if (Array.isArray(found)) return found.map((one) => valueText(one)).join(', ') || 'none'
  if (isObject(found)) {
    const members = Object.entries(found)
    return members.map(([one, of]) => `${memberText(one)}: ${valueText(of)}`).join('; ')
  }
  return typeof found === 'string' ? found : String(JSON.stringify(found))
}
