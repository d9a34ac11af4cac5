import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import {
  type AgentKey,
  type AgentTerms,
  FURTHER,
  keyText,
  type Sighting,
  useText,
} from '../../gate/model/agents.ts'
import type { WatchRule } from '../../gate/model/watch.ts'
import { dropOldest } from '../../gate/platform/buckets.ts'
import { timeOf, toolsOf } from '../records/terms.ts'

/**
 * The most agents that are gathered, entries of a list, uses, latest requests, approvals that are recognised when they
 * come again, and characters of a text. A batch has 50 uses at most.
 */
export const SIGHTINGS = {
  agents: 1_000,
  list: 32,
  uses: 64,
  requests: 5,
  approvals: 1_000,
  characters: 256,
} as const

/** The lists of a sighting, and what stands in some of them for entries that the list has no room for. */
const LISTS = {
  types: undefined,
  clients: undefined,
  granted: undefined,
  used: FURTHER,
  uses: useText(FURTHER),
  parents: undefined,
  countries: FURTHER,
  networks: FURTHER,
  tokens: undefined,
  keys: undefined,
  checksums: undefined,
  registrations: undefined,
} as const
type ListName = keyof typeof LISTS
const LIST_NAMES = Object.keys(LISTS) as readonly ListName[]

/** A country as records have it. */
const COUNTRY = /^[A-Z][A-Z0-9]$/

/** A sighting that grows with each record. `texts`: by list, without duplicates. */
interface Growing
  extends Pick<Sighting, 'issuer' | 'agent'>,
    Writable<Pick<Sighting, 'name' | 'first' | 'last' | 'allowed' | 'probes'>> {
  readonly watch: string | undefined
  asks: number
  readonly texts: Readonly<Record<ListName, Set<string>>>
  readonly requests: string[]
}
type Writable<Value> = { -readonly [Name in keyof Value]: Value[Name] }

/** Gathers sightings of agents from stored records, until they are taken. */
export function createSightings() {
  /** By issuer. */
  let gathered = new Map<string, Map<string, Growing>>()
  let size = 0
  const approvals = new Set<string>()

  /**
   * If too many sightings wait, the oldest of the issuer with the most sightings are dropped. So an issuer that invents
   * ids hides no agent of another.
   */
  const hasRoom = (own: Map<string, Growing>): boolean => {
    if (size < SIGHTINGS.agents) return true
    const [most = own] = [...gathered.values()].sort((one, other) => other.size - one.size)
    const [oldest] = most.size > own.size + 1 ? most.keys() : []
    if (oldest === undefined) return false
    most.delete(oldest)
    size--
    return true
  }

  /** What is gathered for an agent and a table of WATCH; `undefined` if there is no room for it. */
  const growing = (issuer: string, agent: string, watch: string | undefined) => {
    const key = JSON.stringify([agent, watch])
    const own = gathered.get(issuer) ?? new Map<string, Growing>()
    const before = own.get(key)
    if (before || !hasRoom(own)) return before
    const texts = Object.fromEntries(
      LIST_NAMES.map((name) => [name, new Set<string>()]),
    ) as unknown as Growing['texts']
    const times = { first: Number.POSITIVE_INFINITY, last: Number.NEGATIVE_INFINITY }
    const made = {
      issuer,
      agent,
      watch,
      ...times,
      allowed: 0,
      probes: 0,
      asks: 0,
      texts,
      requests: [],
    }
    size++
    gathered.set(issuer, own.set(key, made))
    return made
  }

  /** Whether an approval comes for the first time: requests that ask again for it are no further ask. */
  const isFirstOf = (approval: string | undefined): boolean => {
    if (approval === undefined || approvals.has(approval)) return false
    dropOldest(approvals, SIGHTINGS.approvals)
    approvals.add(approval)
    return true
  }

  return {
    /**
     * Gathers from a record of a caller that has proved its token. Records without agent, and those of the gate's own
     * endpoints, show nothing.
     */
    add(record: JsonObject, { prefix, watch }: Pick<AgentTerms, 'prefix' | 'watch'>): void {
      const [issuer, agent] = [ownText(record, 'issuer'), ownText(record, 'agent')]
      const rule = ownText(record, 'route') ?? ''
      const isOwn = rule.includes(` ${prefix}/`) || own(record, 'kind') !== undefined
      if (issuer === undefined || agent === undefined || isOwn) return
      const table = watch?.rules.find((one) => isWatched(one, record))
      const one = growing(issuer, agent, table?.name)
      if (!one) return
      see(one, record, rule)
      if (isFirstOf(approvalIn(record))) one.asks++
    },

    isEmpty: (): boolean => size === 0,

    /** Returns what was gathered, and forgets it. */
    take(): readonly Sighting[] {
      const all = [...gathered.values()].flatMap((own) => [...own.values()].map(sightingOf))
      gathered = new Map()
      size = 0
      return all
    },
  }
}

/** Adds what a record shows. */
const see = (one: Growing, record: JsonObject, rule: string): void => {
  const at = timeOf(record)
  one.first = Math.min(one.first, at)
  one.last = Math.max(one.last, at)
  const name = ownText(record, 'agent_name')
  if (name !== undefined) one.name = name
  const request = ownText(record, 'request_id')
  if (request !== undefined && request.length <= SIGHTINGS.characters) one.requests.push(request)
  if (one.requests.length > SIGHTINGS.requests) one.requests.shift()
  note(one, 'types', own(record, 'agent_types'))
  note(one, 'clients', own(record, 'client'))
  note(one, 'granted', own(record, 'token_scopes'))
  note(one, 'parents', parentsIn(record, one))
  note(one, 'keys', own(record, 'key_thumbprint'))
  note(one, 'checksums', own(record, 'agent_checksum'))
  note(one, 'registrations', own(record, 'registration_id'))
  if (own(record, 'decision') === 'allowed') seeUse(one, record, rule)
  else if (isProbe(record)) one.probes++
}

/** Adds what only an allowed request shows. */
const seeUse = (one: Growing, record: JsonObject, rule: string): void => {
  const country = own(record, 'country')
  const jti = ownText(record, 'jti')
  for (const [tool, times] of toolsOf(record)) {
    one.allowed += times
    note(one, 'uses', tool === FURTHER ? useText(FURTHER) : useText(rule, tool))
  }
  note(one, 'used', own(record, 'grant'))
  if (listOf(own(record, 'cut')).includes('grant')) note(one, 'used', FURTHER)
  note(one, 'countries', country)
  note(one, 'networks', own(record, 'network'))
  if (jti && typeof country === 'string' && COUNTRY.test(country)) {
    note(one, 'tokens', `${country} ${jti}`)
  }
}

/**
 * Adds a text, or the texts of a list. If a text is too long or the list is full, lists of which the watch learns what
 * is usual say so.
 */
const note = ({ texts }: Growing, name: ListName, value: unknown): void => {
  const [list, further] = [texts[name], LISTS[name]]
  for (const text of Array.isArray(value) ? value : [value]) {
    if (typeof text !== 'string' || list.has(text)) continue
    const room = name === 'uses' ? SIGHTINGS.uses : SIGHTINGS.list
    const isFull = list.size - (further !== undefined && list.has(further) ? 1 : 0) >= room
    if (text.length <= SIGHTINGS.characters && !isFull) list.add(text)
    else if (further !== undefined) list.add(further)
  }
}

const sightingOf = ({ name, watch, texts, ...rest }: Growing): Sighting => {
  const lists = LIST_NAMES.map((list): readonly [ListName, readonly string[]] => {
    const [all, further] = [[...texts[list]], LISTS[list]]
    const isWhole = further === undefined || !texts[list].has(further)
    // What stands for further entries comes last.
    return [list, isWhole ? all : [...all.filter((text) => text !== further), further]]
  })
  return {
    ...rest,
    ...(name !== undefined && { name }),
    ...(watch !== undefined && { watch }),
    ...(Object.fromEntries(lists) as Record<ListName, readonly string[]>),
  }
}

/** Whether a table of WATCH counts a request. */
const isWatched = (
  { issuer, agents, agentTypes, rules }: WatchRule,
  record: JsonObject,
): boolean => {
  const fits = (wanted: readonly string[] | undefined, member: string) =>
    !wanted || [own(record, member)].flat().some((one) => wanted.some((text) => text === one))
  return (
    fits(issuer === undefined ? undefined : [issuer], 'issuer') &&
    fits(agents, own(record, 'agent_name') === undefined ? 'agent' : 'agent_name') &&
    fits(agentTypes, 'agent_types') &&
    fits(rules, 'route')
  )
}

/** The approval that a request asked for, or that let it through. */
const approvalIn = (record: JsonObject): string | undefined =>
  ownText(record, 'approval') ?? ownText(objectOf(own(record, 'detail')), 'approval')

/**
 * Whether a refused request was refused for what it asks: its token was accepted, its agent is not stopped, and it does
 * not wait for a person.
 */
const isProbe = (record: JsonObject): boolean =>
  ![401, 429, 500, 502, 503, 504].includes(Number(own(record, 'status'))) &&
  !/^agent_|^approval_required$/.test(String(own(record, 'code')))

/** Agents that act for the one that was seen, other than itself. */
const parentsIn = (record: JsonObject, { issuer, agent }: AgentKey): readonly string[] =>
  listOf(own(record, 'actors'))
    .filter(isObject)
    .map((actor) => ({
      issuer: ownText(actor, 'issuer') ?? issuer,
      agent: ownText(actor, 'sub') ?? agent,
    }))
    .filter((actor) => actor.issuer !== issuer || actor.agent !== agent)
    .map(keyText)
