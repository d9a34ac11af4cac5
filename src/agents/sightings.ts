import { readRecord, timeOf, toolOf } from '../audit/terms.ts'
import { isObject, type JsonObject, listOf, own, ownText } from '../core/json.ts'
import { type AgentTerms, keyText, type Sighting, useText } from '../core/model/agents.ts'
import type { WatchRule } from '../core/model/watch.ts'

/** The bounds of what is gathered: agents, members of each list, latest requests, and characters of each text. */
export const SIGHTINGS = { agents: 1_000, list: 32, requests: 5, characters: 256 } as const

const LISTS = [
  ...(['types', 'clients', 'granted', 'used', 'parents', 'countries', 'networks'] as const),
  ...(['keys', 'checksums', 'registrations'] as const),
] as const
const COUNTS = ['allowed', 'refused', 'probes', 'bytes'] as const

/** Gathers sightings of agents from stored records, until they are told. */
export function createSightings() {
  /** By issuer. */
  let gathered = new Map<string, Map<string, Sighting>>()
  let size = 0

  /** Where too many wait, the issuer with the most of them makes room: one that makes up ids hides none of another. */
  const hasRoom = (own: Map<string, Sighting>): boolean => {
    if (size < SIGHTINGS.agents) return true
    const [most = own] = [...gathered.values()].sort((one, other) => other.size - one.size)
    const [oldest] = most.size > own.size + 1 ? most.keys() : []
    if (oldest === undefined) return false
    most.delete(oldest)
    size--
    return true
  }

  const put = (sighting: Sighting): void => {
    const { issuer, watch = '' } = sighting
    const key = keyText(sighting) + watch
    const own = gathered.get(issuer) ?? new Map<string, Sighting>()
    const before = own.get(key)
    if (!before && !hasRoom(own)) return
    if (!before) size++
    gathered.set(issuer, own.set(key, before ? joined(before, sighting) : sighting))
  }

  return {
    /** Takes note of records of those whose token was verified. */
    add(records: readonly string[], terms: Pick<AgentTerms, 'prefix' | 'watch'>): void {
      for (const record of records) {
        const sighting = sightingOf(readRecord(record), terms)
        if (sighting) put(sighting)
      }
    },

    isEmpty: (): boolean => size === 0,

    /** What was gathered; the next begins from nothing. */
    take(): readonly Sighting[] {
      const all = [...gathered.values()].flatMap((own) => [...own.values()])
      gathered = new Map()
      size = 0
      return all
    },
  }
}

/** What a record says of its agent; `undefined` without one, and for the gate's own endpoints. */
const sightingOf = (
  record: JsonObject,
  { prefix, watch }: Pick<AgentTerms, 'prefix' | 'watch'>,
): Sighting | undefined => {
  const text = (name: string) => ownText(record, name)
  const [issuer, agent, rule = ''] = ['issuer', 'agent', 'route'].map(text)
  const isOwn = rule.includes(` ${prefix}/`) || own(record, 'kind') !== undefined
  if (issuer === undefined || agent === undefined || isOwn) return undefined
  const [name, country, network, colo, jti] = [
    ...['agent_name', 'country', 'network', 'colo', 'jti'],
  ].map(text)
  const at = timeOf(record)
  const isAllowed = own(record, 'decision') === 'allowed'
  const table = watch?.rules.find((one) => isWatched(one, record))
  const place = [country, network].filter((part) => part !== undefined).join(' ') || colo
  return {
    issuer,
    agent,
    ...(name !== undefined && { name }),
    ...(table && { watch: table.name }),
    first: at,
    last: at,
    allowed: isAllowed ? 1 : 0,
    refused: isAllowed ? 0 : 1,
    probes: !isAllowed && isProbe(record) ? 1 : 0,
    bytes: Number(own(record, 'request_bytes') ?? 0),
    uses: new Map(isAllowed ? [[useText(rule, toolOf(record)), 1]] : []),
    tokens: new Map(jti === undefined || !isAllowed ? [] : [[jti, textsIn(place)]]),
    types: textsIn(own(record, 'agent_types')),
    clients: textsIn(own(record, 'client')),
    granted: textsIn(own(record, 'token_scopes')),
    used: textsIn(isAllowed ? own(record, 'grant') : undefined),
    parents: textsIn(parentsIn(record, issuer, agent)),
    countries: textsIn(isAllowed ? country : undefined),
    networks: textsIn(isAllowed ? network : undefined),
    keys: textsIn(own(record, 'key_thumbprint')),
    checksums: textsIn(own(record, 'agent_checksum')),
    registrations: textsIn(own(record, 'registration_id')),
    requests: textsIn(text('request_id')),
  }
}

/** Whether a table of WATCH counts a request. */
const isWatched = (
  { issuer, agents, agentTypes, rules }: WatchRule,
  record: JsonObject,
): boolean => {
  const fits = (wanted: readonly string[] | undefined, member: string) =>
    !wanted || textsIn(own(record, member)).some((text) => wanted.includes(text))
  return (
    fits(issuer === undefined ? undefined : [issuer], 'issuer') &&
    fits(agents, own(record, 'agent_name') === undefined ? 'agent' : 'agent_name') &&
    fits(agentTypes, 'agent_types') &&
    fits(rules, 'route')
  )
}

/** Whether a request was refused for what it asks. Its token was accepted, and its agent is not stopped. */
const isProbe = (record: JsonObject): boolean =>
  ![401, 429, 500, 502, 503, 504].includes(Number(own(record, 'status'))) &&
  !String(own(record, 'code')).startsWith('agent_')

const joined = (one: Sighting, other: Sighting): Sighting => ({
  ...one,
  ...(other.name !== undefined && { name: other.name }),
  first: Math.min(one.first, other.first),
  last: Math.max(one.last, other.last),
  ...Object.fromEntries(COUNTS.map((name) => [name, one[name] + other[name]])),
  ...Object.fromEntries(LISTS.map((name) => [name, textsIn([one[name], other[name]])])),
  uses: maps(one.uses, other.uses, (before = 0, now = 0) => before + now),
  tokens: maps(one.tokens, other.tokens, (...places) => textsIn(places)),
  requests: [...one.requests, ...other.requests].slice(-SIGHTINGS.requests),
})

/** Texts of a value and the lists in it, without duplicates, as far as there is room. */
const textsIn = (value: unknown): readonly string[] => {
  const texts = [value].flat(2).filter((one) => typeof one === 'string')
  const short = texts.filter(({ length }) => length <= SIGHTINGS.characters)
  return [...new Set(short)].slice(0, SIGHTINGS.list)
}

const maps = <Value>(
  one: ReadonlyMap<string, Value>,
  other: ReadonlyMap<string, Value>,
  join: (before: Value | undefined, now: Value | undefined) => Value,
): ReadonlyMap<string, Value> => {
  const names = textsIn([[...one.keys()], [...other.keys()]])
  return new Map(names.map((name) => [name, join(one.get(name), other.get(name))]))
}

const parentsIn = (record: JsonObject, issuer: string, agent: string): readonly string[] =>
  listOf(own(record, 'actors'))
    .filter(isObject)
    .map((actor) => ({
      issuer: ownText(actor, 'issuer') ?? issuer,
      agent: ownText(actor, 'sub') ?? agent,
    }))
    .filter((actor) => actor.issuer !== issuer || actor.agent !== agent)
    .map(keyText)
