import type { JsonObject } from '../json.ts'

/** The states of an agent in the registry; it is discovered by itself, and an administrator changes it. */
export const AGENT_STATUSES = ['discovered', 'approved', 'suspended', 'retired'] as const
export type AgentStatus = (typeof AGENT_STATUSES)[number]

/** An agent: its id is unique only within its issuer. */
export interface AgentKey {
  readonly issuer: string
  readonly agent: string
}

/**
 * What one shard of the audit saw of one agent since it told the registry last. Lists have no duplicates, and all is
 * bounded by `SIGHTING`.
 */
export interface Sighting extends AgentKey {
  /** The agent as origins see it, if that differs from its id. */
  readonly name?: string
  /** Milliseconds since the epoch. */
  readonly first: number
  readonly last: number
  readonly allowed: number
  readonly refused: number
  /** Of request bodies, as far as their length was declared. */
  readonly bytes: number
  /** Allowed requests by what they used: see {@link useText}. */
  readonly uses: ReadonlyMap<string, number>
  readonly types: readonly string[]
  readonly clients: readonly string[]
  /** Scopes that its tokens have, and those of them that a decision needed. */
  readonly granted: readonly string[]
  readonly used: readonly string[]
  /** Its other actors in `act`, as {@link keyText}. */
  readonly parents: readonly string[]
  readonly countries: readonly string[]
  readonly networks: readonly string[]
  /** By `jti`: where it was sent from. A place is country and network, or a data centre. */
  readonly tokens: ReadonlyMap<string, readonly string[]>
  /** Thumbprints of the keys that its tokens are bound to (RFC 7638). */
  readonly keys: readonly string[]
  /** Ids of its latest requests. */
  readonly requests: readonly string[]
}

/** What the audit tells the registry with sightings. */
export interface AgentTerms {
  /** Of the registry and of the revocation set. */
  readonly jurisdiction?: string
  /** The prefix of the gate's own endpoints: calls of those are no sightings. */
  readonly prefix: string
  /** Rows that the registry may write for sightings on a UTC day; may be infinite. */
  readonly maxRows: number
}

/** An agent as a text. */
export function keyText({ issuer, agent }: AgentKey): string {
  return JSON.stringify([issuer, agent])
}

/** The agent of {@link keyText}. */
export function keyOf(text: string): AgentKey {
  const [issuer, agent] = JSON.parse(text) as [string, string]
  return { issuer, agent }
}

/** What a request used, as a text: a rule, and the tool of an MCP server. */
export function useText(rule: string, tool?: string): string {
  return JSON.stringify(tool === undefined ? [rule] : [rule, tool])
}

/** What the gate has seen of an agent. Days are counted since the epoch. */
export interface Seen {
  /** Milliseconds since the epoch; `last` is up to ten minutes late. */
  readonly first: number
  readonly last: number
  readonly name?: string
  readonly types: readonly string[]
  readonly clients: readonly string[]
  readonly keys: readonly string[]
  /** By scope, and by {@link useText}: the last day, of 90. */
  readonly granted: Readonly<Record<string, number>>
  readonly used: Readonly<Record<string, number>>
  readonly uses: Readonly<Record<string, number>>
  /** Other agents that acted with it, as {@link keyText}: those that it acted for, and those that acted for it. */
  readonly parents: readonly string[]
  readonly children: readonly string[]
}

/** What administrators say of an agent. */
export type AgentFields = JsonObject
