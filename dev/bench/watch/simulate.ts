import { slotOf, volumeOf } from '../../../src/control/agents/watch-baseline.ts'
import {
  type Found,
  learn,
  observe,
  type Sample,
} from '../../../src/control/agents/watch-signals.ts'
import { type WatchState, watchState } from '../../../src/control/agents/watch-state.ts'
import { SIGNALS, type Signal } from '../../../src/gate/model/watch.ts'
import {
  type Agent,
  agentOf,
  DAY,
  KINDS,
  type Kind,
  poisson,
  type Random,
  randomOf,
  timeOf,
  WEEK,
  WINDOW_MS,
} from './fleet.ts'

/** What a thief does with a stolen token, in the agent's own network but for `two places`. */
export const THEFTS = ['volume', 'night', 'tool', 'places'] as const
export type Theft = (typeof THEFTS)[number]

/** The rules that are compared: alert above a score, for the same agent once in a day. */
export const Z_SCORES = [2, 3, 4, 6, 8, 12, 16, 24, 32] as const
export const LIMITS = [25, 50, 100, 200, 400, 800, 1_600, 3_200] as const

interface Tally {
  tried: number
  found: number
}

interface Thefts extends Tally {
  readonly byKind: Record<Kind, Tally>
}

export interface Run {
  readonly agents: number
  readonly weeks: number
  readonly requests: number
  /** Alerts in each fleet, though nothing was wrong. */
  readonly fleets: number[]
  /** The same in all fleets. */
  readonly alerts: Record<Signal, number>
  readonly byKind: Record<Kind, number>
  /** Alerts about a tool that an agent really had just taken up. */
  readonly news: number
  readonly thefts: Record<Theft, Thefts>
  /** By each threshold: false alerts, and thefts by volume that were found. */
  readonly bound: { alerts: number[]; found: number[] }
  readonly z: { alerts: number[]; found: number[] }
  readonly limits: { alerts: number[]; found: number[] }
}

const NOTHING: Sample = {
  requests: 0,
  refusals: 0,
  asks: 0,
  uses: [],
  scopes: [],
  countries: [],
  networks: [],
  tokens: [],
}

/** What the agent itself does in a window, or in a part of it. */
const sampleOf = (random: Random, agent: Agent, window: number, requests: number): Sample => {
  const { refused, retries, tools, networks, country, later } = agent
  const uses = new Set<string>()
  for (let i = 0; i < Math.min(requests, 20); i++) {
    uses.add(tools[Math.floor(random() * random() * tools.length)] as string)
  }
  for (const [first, tool] of later) {
    if (window >= first && (window - first) % 97 < 20) uses.add(tool)
  }
  const storm = retries && random() < 1 / (5 * DAY) ? 1 + Math.floor(random() * 8) : 0
  const refusals = poisson(random, refused * requests) + storm
  return {
    requests,
    refusals,
    asks: 0,
    uses: [...uses],
    scopes: ['files:read'],
    countries: [country],
    networks: [networks[Math.floor(random() * networks.length)] as string],
    tokens: [[`token-${Math.floor(window / 12)}`, country]],
  }
}

/** Parts of a window in which a theft is fed: half a minute each. */
const PARTS = 10
/** Whether two windows are over the bound of the hour: the rule that the watch begins with. */
const isOverBound = (state: WatchState, now: number): boolean => {
  const { requests, bound } = volumeOf(state, slotOf(now))
  return requests > bound
}

/** Windows in which it must be found. */
const WITHIN = 3

const copyOf = (state: WatchState): WatchState => watchState(state.bytes.slice(0))

/** Feeds what follows with a theft; answers what was found. */
const steal = (
  random: Random,
  agent: Agent,
  {
    state,
    window,
    theft,
  }: { readonly state: WatchState; readonly window: number; readonly theft: Theft },
) => {
  const own = copyOf(state)
  let isOver = false
  const { requests } = agent
  const level = ((requests[window - 1] ?? 0) + (requests[window - 2] ?? 0)) / 2
  // It begins anywhere in a window.
  const first = Math.floor(random() * PARTS)
  for (let part = first; part < first + WITHIN * PARTS; part++) {
    const at = window + Math.floor(part / PARTS)
    const honest = poisson(random, (requests[at] ?? 0) / PARTS)
    const base = honest > 0 ? sampleOf(random, agent, at, honest) : NOTHING
    const token = `token-${Math.floor(at / 12)}`
    const used = agent.tools[0] as string
    const more: Partial<Sample> = {
      volume: { requests: base.requests + poisson(random, (4 * level) / PARTS), uses: [used] },
      night: { requests: base.requests + poisson(random, 2), uses: [used] },
      tool: {
        requests: base.requests + Number(part % 5 === 0),
        uses: [...base.uses, 'POST /mcp delete_all'],
      },
      places: {
        requests: base.requests + 1,
        uses: [used],
        tokens: [...base.tokens, [token, 'BR'] as const],
      },
    }[theft]
    const sample = { ...base, ...more }
    const now = timeOf(window) + ((part + 0.9) * WINDOW_MS) / PARTS
    const found = observe(own, sample, now)
    isOver ||= isOverBound(own, now)
    if (found.length > 0) return { isOver, isFound: true }
  }
  return { isOver, isFound: false }
}

/** Whether such a theft can begin now, as the promise says. */
const canSteal = (agent: Agent, window: number, theft: Theft): boolean => {
  const { requests, works } = agent
  const [before, last] = [requests[window - 2] ?? 0, requests[window - 1] ?? 0]
  if (theft === 'volume') return before + last >= 20 && before > 0 && last > 0
  if (theft === 'night') return !works(window) && !works(window + 3)
  return last > 0 && (theft !== 'places' || (requests[window] ?? 0) > 0)
}

/** Runs a fleet of each seed through the code that watches, and through the two rules that it is compared with. */
export function simulate({
  seeds,
  agents,
  weeks,
  changes = false,
  thefts = 4,
}: {
  readonly seeds: readonly number[]
  readonly agents: number
  readonly weeks: number
  readonly changes?: boolean
  /** Thefts of each kind that are tried for each agent. */
  readonly thefts?: number
}): Run {
  const run: Mutable<Run> = {
    agents,
    weeks,
    requests: 0,
    news: 0,
    fleets: [],
    alerts: each(SIGNALS, () => 0),
    byKind: each(KINDS, () => 0),
    thefts: each(THEFTS, () => ({
      tried: 0,
      found: 0,
      byKind: each(KINDS, () => ({ tried: 0, found: 0 })),
    })),
    bound: { alerts: [0], found: [0] },
    z: { alerts: Z_SCORES.map(() => 0), found: Z_SCORES.map(() => 0) },
    limits: { alerts: LIMITS.map(() => 0), found: LIMITS.map(() => 0) },
  }
  for (const seed of seeds) {
    const before = sum(run.alerts)
    for (let number = 0; number < agents; number++) {
      const agent = agentOf(seed, number, weeks, { changes })
      simulateOne(run, agent, randomOf(seed * 7 + number), thefts)
    }
    run.fleets.push(sum(run.alerts) - before)
  }
  return run
}

/** All counts together. */
export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0)
}

/** Hours until a person says of a false alert that it is in order. */
const DISMISSED_MS = 3_600_000

interface Trial {
  readonly theft: Theft
  readonly from: number
}

const simulateOne = (run: Mutable<Run>, agent: Agent, random: Random, thefts: number): void => {
  const { requests, born } = agent
  const state = watchState()
  const plain = createPlain()
  const first = born + 4 * WEEK
  const span = requests.length - first - 2 * DAY
  // A theft begins at the first time after a random one at which it can: within a day, or not at all.
  const trials = THEFTS.flatMap((theft) =>
    Array.from(
      { length: thefts },
      (): Trial => ({ theft, from: first + Math.floor(random() * span) }),
    ),
  )
  let waiting: readonly Trial[] = span > 0 ? trials : []
  let open: { readonly found: Found; readonly since: number }[] = []
  for (let window = born; window < requests.length; window++) {
    const tried = waiting.filter(
      ({ from, theft }) => from <= window && canSteal(agent, window, theft),
    )
    for (const { theft } of tried) tryTheft(run, agent, { state, window, theft, plain }, random)
    waiting = waiting.filter((one) => !tried.includes(one) && one.from > window - DAY)
    const count = requests[window] ?? 0
    plain.note(run, count, window, window > born + WEEK)
    if (count === 0) continue
    run.requests += count
    const now = timeOf(window) + random() * (WINDOW_MS - 1_000)
    for (const { found } of open.filter(({ since }) => since <= now - DISMISSED_MS)) {
      learn(state, found, now)
    }
    open = open.filter(({ since }) => since > now - DISMISSED_MS)
    for (const found of observe(state, sampleOf(random, agent, window, count), now)) {
      open.push({ found, since: now })
      if (JSON.stringify(found.seen).includes('later_')) run.news++
      else {
        run.alerts[found.signal]++
        run.byKind[agent.kind]++
      }
    }
    plain.noteBound(run, window, window > born + WEEK && isOverBound(state, now))
  }
}

const each = <Name extends string, Value>(names: readonly Name[], make: () => Value) =>
  Object.fromEntries(names.map((name) => [name, make()])) as Record<Name, Value>

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

const tryTheft = (
  run: Run,
  agent: Agent,
  {
    state,
    window,
    theft,
    plain,
  }: {
    readonly state: WatchState
    readonly window: number
    readonly theft: Theft
    readonly plain: ReturnType<typeof createPlain>
  },
  random: Random,
): void => {
  const counts = run.thefts[theft]
  const ofKind = counts.byKind[agent.kind]
  counts.tried++
  ofKind.tried++
  const told = steal(random, agent, { state, window, theft })
  if (told.isFound) {
    counts.found++
    ofKind.found++
  }
  if (theft !== 'volume') return
  if (told.isOver) add(run.bound.found, 0)
  const { requests } = agent
  const level = ((requests[window - 1] ?? 0) + (requests[window - 2] ?? 0)) / 2
  // Two whole windows at least are within fifteen minutes.
  const most =
    Math.max(requests[window + 1] ?? 0, requests[window] ?? 0) + poisson(random, 4 * level)
  for (const [i, least] of Z_SCORES.entries()) if (plain.score(most) > least) add(run.z.found, i)
  for (const [i, limit] of LIMITS.entries()) if (most > limit) add(run.limits.found, i)
}

const add = (counts: number[], place: number): void => {
  counts[place] = (counts[place] ?? 0) + 1
}

/** What is compared with: the mean and deviation of all windows of two weeks, and limits that are one for all agents. */
const createPlain = () => {
  let windows = 0
  let mean = 0
  let variance = 0
  const muted = new Map<string, number>()
  const score = (count: number) => (count - mean) / Math.max(Math.sqrt(variance), 0.5)
  return {
    score,
    /** A window, and whether it is over the bound of the hour. */
    noteBound(run: Run, window: number, isOver: boolean) {
      if (!isOver || window < (muted.get('bound') ?? 0)) return
      muted.set('bound', window + DAY)
      add(run.bound.alerts, 0)
    },
    note(run: Run, count: number, window: number, isKnown: boolean) {
      const tell = (rule: 'z' | 'limits', i: number, is: boolean) => {
        if (!is || window < (muted.get(rule + i) ?? 0)) return
        muted.set(rule + i, window + DAY)
        add(run[rule].alerts, i)
      }
      if (count > 0) {
        const own = score(count)
        for (const [i, least] of Z_SCORES.entries()) tell('z', i, isKnown && own > least)
        for (const [i, limit] of LIMITS.entries()) tell('limits', i, isKnown && count > limit)
      }
      windows++
      const part = Math.max(1 / windows, 1 / (14 * DAY))
      const away = count - mean
      mean += part * away
      variance = (1 - part) * (variance + part * away * away)
    },
  }
}

/** The share of thefts that were found; each kind of theft counts the same. */
export function foundShare({ thefts }: Run): number {
  const shares = THEFTS.map((theft) => thefts[theft].found / Math.max(1, thefts[theft].tried))
  return shares.reduce((sum, share) => sum + share, 0) / shares.length
}
