import { isObject, type JsonObject, listOf, own, ownText } from '../../gate/base/json.ts'
import {
  type AgentTerms,
  FURTHER,
  keyText,
  type Sighting,
  useText,
} from '../../gate/model/agents.ts'
import type { WatchRule } from '../../gate/model/watch.ts'
import { readRecord, timeOf, toolsOf } from '../records/terms.ts'

/**
 * The most agents that are gathered, entries of a list, uses, latest requests, and characters of a text. A batch has 50
 * uses at most.
 */
export const SIGHTINGS = {
  agents: 1_000,
  list: 32,
  uses: 64,
  requests: 5,
  characters: 256,
} as const

const LISTS = [
  ...(['types', 'clients', 'granted', 'used', 'uses', 'parents', 'countries', 'networks'] as const),
  ...(['tokens', 'keys', 'checksums', 'registrations'] as const),
] as const

/** Lists of which the watch learns what is usual, and what stands in each for entries that it has no room for. */
const FURTHER_IN: Readonly<Partial<Record<(typeof LISTS)[number], string>>> = {
  used: FURTHER,
  uses: useText(FURTHER),
  countries: FURTHER,
  networks: FURTHER,
}

/** A country as records have it. */
const COUNTRY = /^[A-Z][A-Z0-9]$/

/** Gathers sightings of agents from stored records, until they are taken. */
export function createSightings() {
  /** By issuer. */
  let gathered = new Map<string, Map<string, Sighting>>()
  let size = 0

  /**
   * If too many sightings wait, the oldest of the issuer with the most sightings are dropped. So an issuer that invents
   * ids hides no agent of another.
   */
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
    /** Gathers from records of callers that have proved their token. */
    add(records: readonly string[], terms: Pick<AgentTerms, 'prefix' | 'watch'>): void {
      for (const record of records) {
        const sighting = sightingOf(readRecord(record), terms)
        if (sighting) put(sighting)
      }
    },

    isEmpty: (): boolean => size === 0,

    /** Returns what was gathered, and forgets it. */
    take(): readonly Sighting[] {
      const all = [...gathered.values()].flatMap((own) => [...own.values()])
      gathered = new Map()
      size = 0
      return all
    },
  }
}

/** What a record says of its agent; `undefined` for a record without agent, and for the gate's own endpoints. */
const sightingOf = (
  record: JsonObject,
  { prefix, watch }: Pick<AgentTerms, 'prefix' | 'watch'>,
): Sighting | undefined => {
  const text = (name: string) => ownText(record, name)
  const [issuer, agent, rule = ''] = ['issuer', 'agent', 'route'].map(text)
  const isOwn = rule.includes(` ${prefix}/`) || own(record, 'kind') !== undefined
  if (issuer === undefined || agent === undefined || isOwn) return undefined
  const [name, country = '', jti] = ['agent_name', 'country', 'jti'].map(text)
  const at = timeOf(record)
  const isAllowed = own(record, 'decision') === 'allowed'
  const tools = toolsOf(record)
  const isCut = listOf(own(record, 'cut')).includes('grant')
  const table = watch?.rules.find((one) => isWatched(one, record))
  return {
    issuer,
    agent,
    ...(name !== undefined && { name }),
    ...(table && { watch: table.name }),
    first: at,
    last: at,
    allowed: isAllowed ? [...tools.values()].reduce((sum, times) => sum + times) : 0,
    probes: !isAllowed && isProbe(record) ? 1 : 0,
    types: textsIn(own(record, 'agent_types')),
    clients: textsIn(own(record, 'client')),
    granted: textsIn(own(record, 'token_scopes')),
    used: textsIn(isAllowed && [own(record, 'grant'), isCut ? FURTHER : undefined], 'used'),
    uses: textsIn(isAllowed && [...tools.keys()].map((tool) => useOf(rule, tool)), 'uses'),
    parents: textsIn(parentsIn(record, issuer, agent)),
    countries: textsIn(isAllowed && own(record, 'country')),
    networks: textsIn(isAllowed && own(record, 'network')),
    tokens: textsIn(isAllowed && jti && COUNTRY.test(country) && `${country} ${jti}`),
    keys: textsIn(own(record, 'key_thumbprint')),
    checksums: textsIn(own(record, 'agent_checksum')),
    registrations: textsIn(own(record, 'registration_id')),
    requests: textsIn(text('request_id')),
  }
}

const useOf = (rule: string, tool: string | undefined): string =>
  tool === FURTHER ? useText(FURTHER) : useText(rule, tool)

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

/** Whether a refused request was refused for what it asks: its token was accepted, and its agent is not stopped. */
const isProbe = (record: JsonObject): boolean =>
  ![401, 429, 500, 502, 503, 504].includes(Number(own(record, 'status'))) &&
  !String(own(record, 'code')).startsWith('agent_')

const joined = (one: Sighting, other: Sighting): Sighting => ({
  ...one,
  ...(other.name !== undefined && { name: other.name }),
  first: Math.min(one.first, other.first),
  last: Math.max(one.last, other.last),
  allowed: one.allowed + other.allowed,
  probes: one.probes + other.probes,
  ...Object.fromEntries(LISTS.map((name) => [name, textsIn([one[name], other[name]], name)])),
  requests: [...one.requests, ...other.requests].slice(-SIGHTINGS.requests),
})

/**
 * The texts in a value and in its lists, without duplicates and long texts, and as many as there is room for. If some
 * are left out, lists of {@link FURTHER_IN} say so.
 */
const textsIn = (value: unknown, list?: (typeof LISTS)[number]): readonly string[] => {
  const further = list && FURTHER_IN[list]
  const texts = [...new Set([value].flat(2).filter((one) => typeof one === 'string'))]
  const listed = texts
    .filter((one) => one.length <= SIGHTINGS.characters && one !== further)
    .slice(0, list === 'uses' ? SIGHTINGS.uses : SIGHTINGS.list)
  return further !== undefined && listed.length < texts.length ? [...listed, further] : listed
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
