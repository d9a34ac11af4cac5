import { readRecord, timeOf, toolOf } from '../audit/terms.ts'
import { isObject, type JsonObject, listOf, own, ownText } from '../core/json.ts'
import {
  type AgentKey,
  type AgentTerms,
  keyText,
  type Sighting,
  useText,
} from '../core/model/agents.ts'
import type { WatchRule } from '../core/model/watch.ts'

/** The bounds of what is gathered: agents, members of each list, latest requests, and characters of each text. */
export const SIGHTINGS = { agents: 2_000, list: 32, requests: 5, characters: 512 } as const

type Writable<T> = { -readonly [Name in keyof T]: Lists<T[Name]> }
type Lists<T> =
  T extends ReadonlyMap<string, infer V>
    ? Map<string, V>
    : T extends readonly string[]
      ? string[]
      : T

const none = (
  { issuer, agent }: AgentKey,
  watch: string | undefined,
  at: number,
): Writable<Sighting> => ({
  issuer,
  agent,
  ...(watch !== undefined && { watch }),
  first: at,
  last: at,
  allowed: 0,
  refused: 0,
  probes: 0,
  bytes: 0,
  uses: new Map(),
  types: [],
  clients: [],
  granted: [],
  used: [],
  parents: [],
  countries: [],
  networks: [],
  tokens: new Map(),
  keys: [],
  requests: [],
})

/** Gathers sightings of agents from stored records, until they are told. */
export function createSightings() {
  let gathered = new Map<string, Writable<Sighting>>()

  /** Of an agent that is new where too many wait, nothing is gathered. */
  const find = (
    agent: AgentKey,
    watch: string | undefined,
    at: number,
  ): Writable<Sighting> | undefined => {
    const key = keyText(agent) + (watch ?? '')
    const known = gathered.get(key)
    if (known || gathered.size >= SIGHTINGS.agents) return known
    const made = none(agent, watch, at)
    gathered.set(key, made)
    return made
  }

  const add = (
    record: JsonObject,
    { prefix, watch }: Pick<AgentTerms, 'prefix' | 'watch'>,
  ): void => {
    const [issuer, agent, rule = ''] = ['issuer', 'agent', 'route'].map((name) =>
      ownText(record, name),
    )
    const isOwn = rule.includes(` ${prefix}/`)
    if (issuer === undefined || agent === undefined || isOwn || own(record, 'kind')) return
    if (agent.length > SIGHTINGS.characters) return
    const at = timeOf(record)
    const fits = watch?.rules.find((table) => isWatched(table, record))
    const one = find({ issuer, agent }, fits?.name, at)
    if (!one) return
    const [name, country, network, colo] = ['agent_name', 'country', 'network', 'colo'].map(
      (member) => ownText(record, member),
    )
    if (name !== undefined) one.name = name.slice(0, SIGHTINGS.characters)
    one.first = Math.min(one.first, at)
    one.last = Math.max(one.last, at)
    if (own(record, 'decision') === 'allowed') {
      one.allowed++
      count(one.uses, useText(rule, toolOf(record)))
      note(one.used, own(record, 'grant'))
      note(one.countries, country)
      note(one.networks, network)
      notePlace(
        one,
        record,
        [country, network].filter((part) => part !== undefined).join(' ') || colo,
      )
    } else {
      one.refused++
      if (isProbe(record)) one.probes++
    }
    one.bytes += Number(own(record, 'request_bytes') ?? 0)
    note(one.types, own(record, 'agent_types'))
    note(one.clients, own(record, 'client'))
    note(one.granted, own(record, 'token_scopes'))
    note(one.keys, own(record, 'key_thumbprint'))
    note(one.parents, parentsIn(record, issuer, agent))
    one.requests = [...one.requests, String(own(record, 'request_id'))].slice(-SIGHTINGS.requests)
  }

  return {
    /** Takes note of records of those whose token was verified. */
    add(records: readonly string[], terms: Pick<AgentTerms, 'prefix' | 'watch'>): void {
      for (const record of records) add(readRecord(record), terms)
    },

    isEmpty: (): boolean => gathered.size === 0,

    /** What was gathered; the next begins from nothing. */
    take(): readonly Sighting[] {
      const all = [...gathered.values()]
      gathered = new Map()
      return all
    },

    /** Puts back what could not be told, before what was gathered since. */
    restore(sightings: readonly Sighting[]): void {
      for (const { issuer, agent, ...old } of sightings) {
        const one = find({ issuer, agent }, old.watch, old.first)
        if (!one) continue
        one.first = Math.min(one.first, old.first)
        one.last = Math.max(one.last, old.last)
        if (one.name === undefined && old.name !== undefined) one.name = old.name
        for (const name of ['allowed', 'refused', 'probes', 'bytes'] as const)
          one[name] += old[name]
        for (const [use, times] of old.uses) count(one.uses, use, times)
        for (const name of LISTS) note(one[name], old[name])
        one.requests = [...old.requests, ...one.requests].slice(-SIGHTINGS.requests)
        for (const [jti, places] of old.tokens) {
          if (one.tokens.has(jti) || one.tokens.size < SIGHTINGS.list) {
            one.tokens.set(jti, note([...places], one.tokens.get(jti)))
          }
        }
      }
    },
  }
}

const LISTS = [
  'types',
  'clients',
  'granted',
  'used',
  'parents',
  'countries',
  'networks',
  'keys',
] as const

const count = (counts: Map<string, number>, name: string, times = 1): void => {
  if (name.length > 2 * SIGHTINGS.characters) return
  const before = counts.get(name)
  if (before !== undefined || counts.size < SIGHTINGS.list) counts.set(name, (before ?? 0) + times)
}

/** Adds texts that are not in a list, as far as there is room. */
const note = (list: string[], values: unknown): string[] => {
  for (const value of [values].flat()) {
    if (typeof value !== 'string' || value.length > 2 * SIGHTINGS.characters) continue
    if (list.length < SIGHTINGS.list && !list.includes(value)) list.push(value)
  }
  return list
}

const notePlace = (
  { tokens }: Writable<Sighting>,
  record: JsonObject,
  place: string | undefined,
) => {
  const jti = ownText(record, 'jti')
  if (jti === undefined || place === undefined) return
  if (tokens.has(jti) || tokens.size < SIGHTINGS.list) {
    tokens.set(jti, note([...(tokens.get(jti) ?? [])], place))
  }
}

/** Whether a table of WATCH counts a request. */
const isWatched = (
  { issuer, agents, agentTypes, rules }: WatchRule,
  record: JsonObject,
): boolean => {
  const fits = (wanted: readonly string[] | undefined, ...members: readonly string[]) =>
    !wanted ||
    members.some((member) =>
      [own(record, member)].flat().some((text) => wanted.includes(String(text))),
    )
  return (
    fits(issuer === undefined ? undefined : [issuer], 'issuer') &&
    fits(agents, 'agent_name', 'agent') &&
    fits(agentTypes, 'agent_types') &&
    fits(rules, 'route')
  )
}

/** Whether a request was refused for what it asks. Its token was accepted, and its agent is not stopped. */
const isProbe = (record: JsonObject): boolean =>
  ![401, 429, 500, 502, 503, 504].includes(Number(own(record, 'status'))) &&
  !String(own(record, 'code')).startsWith('agent_')

const parentsIn = (record: JsonObject, issuer: string, agent: string): readonly string[] =>
  listOf(own(record, 'actors'))
    .filter(isObject)
    .map((actor) => ({
      issuer: ownText(actor, 'issuer') ?? issuer,
      agent: ownText(actor, 'sub') ?? agent,
    }))
    .filter((actor) => actor.issuer !== issuer || actor.agent !== agent)
    .map(keyText)
