import type { JsonObject } from '../base/json.ts'

/** What is unusual about an agent, in the order in which an agent's state stores it. */
export const SIGNALS = [
  'volume',
  'odd_hour',
  'refusals',
  'new_use',
  'new_place',
  'new_scope',
  'two_places',
  'changed',
  'asks',
] as const
export type Signal = (typeof SIGNALS)[number]

/** What an alert does without a person. */
export const WATCH_ACTIONS = ['alert', 'throttle', 'quarantine'] as const
type WatchAction = (typeof WATCH_ACTIONS)[number]

/** Which requests are watched, and what an alert does. The first table that matches a request counts it. */
export interface WatchRule {
  /** The name of its table. */
  readonly name: string
  /** An absent member matches all. `agents`: as origins see them. `rules`: by their `match`. */
  readonly issuer?: string
  readonly agents?: readonly string[]
  readonly agentTypes?: readonly string[]
  readonly rules?: readonly string[]
  readonly signals: readonly Signal[]
  readonly action: WatchAction
  /** Seconds of a quarantine or throttle. */
  readonly duration: number
  /** Requests a minute of an agent that is throttled. */
  readonly throttle: number
  /** Agents that may be stopped in an hour, counted over all tables. */
  readonly atMost: number
}

/** What a table of WATCH has learned of an agent so far. */
export interface Watched {
  readonly watch: string
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly requests: number
  readonly requests_an_hour: number
  /** How many are known. */
  readonly rules_and_tools: number
  readonly scopes: number
  readonly countries: number
  readonly networks: number
  /** Signals that need more requests before they can report. */
  readonly learning: readonly Signal[]
}

/** What the present tables have learned, about the signals that they report. State of another version is left out. */
export function learnedBy(rules: readonly WatchRule[], watched: readonly Watched[]) {
  return rules.flatMap(({ name, signals }) =>
    watched
      .filter(({ watch, since }) => watch === name && since > 0)
      .map(({ since, learning, ...rest }) => ({
        ...rest,
        since: new Date(since).toISOString(),
        learning: learning.filter((signal) => signals.includes(signal)),
      })),
  )
}

/** An alert. Times are milliseconds since the epoch. */
export interface Alert {
  readonly issuer: string
  readonly agent: string
  readonly id: number
  readonly at: number
  /** The agent as origins see it, if that differs from its id. */
  readonly name?: string
  /** The table of WATCH. */
  readonly watch: string
  readonly signal: Signal
  readonly usual: JsonObject
  readonly seen: JsonObject
  /** Ids of the latest requests behind it. */
  readonly requests: readonly string[]
  /** The revocation that it made. */
  readonly quarantine?: Quarantine
  /** Why the alert made no quarantine: the limit of agents quarantined in an hour was reached. */
  readonly not_stopped?: true
  /** What a person decided on it, and who. */
  readonly verdict?: { readonly is: Verdict; readonly at: number; readonly by: string }
}

/** The revocation of an agent for a while, or its `throttle` to so many requests a minute: `lifted` by a person, or `failed`. */
export interface Quarantine {
  readonly id: string
  readonly throttle?: number
  readonly until: number
  readonly lifted?: true
  readonly failed?: true
}

/** What a person decides on an alert. `release` only ends its quarantine. */
export const VERDICTS = ['dismiss', 'release', 'suspend'] as const
export type Verdict = (typeof VERDICTS)[number]

/** Which alerts to list, the latest first. */
export interface AlertQuery {
  readonly issuer?: string
  readonly open?: boolean
  readonly limit: number
  /** The `cursor` of the previous page. */
  readonly cursor?: number
}

/** A page of alerts; `cursor` is present where more may follow. */
export interface AlertPage {
  readonly alerts: readonly Alert[]
  readonly cursor?: number
}

/** What a person decides on an alert of these issuers, or of all. */
export interface Judgement {
  readonly id: number
  readonly verdict: Verdict
  readonly by: string
  /** Set if the administrator is of this issuer only. */
  readonly issuer?: string
}
