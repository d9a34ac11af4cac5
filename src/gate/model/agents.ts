import { type JsonObject, listOf } from '../base/json.ts'
import type { Person } from './approval.ts'
import type { Act, ActTerms } from './audit.ts'
import type { AgentPins, ShardStatus } from './revocation.ts'
import type { Alert, AlertPage, AlertQuery, Judgement, Watched, WatchRule } from './watch.ts'

/** The states of an agent in the registry; it is discovered by itself, and an administrator changes it. */
export const AGENT_STATUSES = ['discovered', 'approved', 'suspended', 'retired'] as const
export type AgentStatus = (typeof AGENT_STATUSES)[number]

/** Whether the gate refuses an agent for its status in the registry. Does not look for revocations. */
export function isStopped(status: unknown): boolean {
  return status === 'suspended' || status === 'retired'
}

/**
 * What the gate does with an agent now, in words, from what the registry answers. An agent that was stopped twice needs two
 * acts to go on.
 * @example standingText({ status: 'suspended', revoked: [{}] }) // 'suspended, revoked'
 */
export function standingText({ status = 'changed', revoked, needs }: JsonObject): string {
  if (revoked !== undefined) return isStopped(status) ? `${status}, revoked` : 'revoked'
  const isOver = status === 'approved' && listOf(needs).includes('approval')
  return isOver ? 'approval ended' : String(status)
}

/** {@link standingText} of an agent that the gate does not serve as usual; empty for others. */
export function stoppedText(agent: JsonObject): string {
  const text = standingText(agent)
  return ['discovered', 'approved', 'changed'].includes(text) ? '' : text
}

/** An agent: its id is unique only within its issuer. */
export interface AgentKey {
  readonly issuer: string
  readonly agent: string
}

/** What requests show of an agent. Lists have no duplicates. */
interface Shown {
  /** Milliseconds since the epoch of the first and the last request. */
  readonly first: number
  readonly last: number
  /** The agent as origins see it, if that differs from its id. */
  readonly name?: string
  readonly types: readonly string[]
  readonly clients: readonly string[]
  /** Thumbprints of the keys that its tokens are bound to (RFC 7638). */
  readonly keys: readonly string[]
  /** Checksums of its code, and its registrations (Agentic JWT). */
  readonly checksums?: readonly string[]
  readonly registrations?: readonly string[]
  /** Its other actors in `act`, as {@link keyText}. */
  readonly parents: readonly string[]
}

/** What one shard of the audit saw of one agent since its last report to the registry. `SIGHTING` bounds it. */
export interface Sighting extends AgentKey, Shown {
  /** The table of WATCH that counts these requests. */
  readonly watch?: string
  readonly allowed: number
  /** Requests that were refused for what the agent asked, not for its token or status. */
  readonly probes: number
  /** Approvals that it asked for. */
  readonly asks?: number
  /** What allowed requests used: see {@link useText}. */
  readonly uses: readonly string[]
  /** Scopes that its tokens have, and those of them that a decision needed. */
  readonly granted: readonly string[]
  readonly used: readonly string[]
  /** Where allowed requests came from. */
  readonly countries: readonly string[]
  readonly networks: readonly string[]
  /** Countries by token: two letters, a space, and the `jti`. */
  readonly tokens: readonly string[]
  readonly checksums: readonly string[]
  readonly registrations: readonly string[]
  /** Ids of its latest requests. */
  readonly requests: readonly string[]
}

/** What the audit sends to the registry with sightings. */
export interface AgentTerms {
  /** The jurisdiction of the registry and of the revocation set. */
  readonly jurisdiction?: string
  /** The prefix of the gate's own endpoints: calls to them are not recorded as sightings. */
  readonly prefix: string
  /** Rows that the registry may write for sightings on a UTC day; may be infinite. */
  readonly maxRows: number
  /** The issuers of the policy, which share the rows; 1 if absent. */
  readonly issuers?: number
  /** Present where agents are watched. `acts`: on what terms the audit keeps alerts. */
  readonly watch?: { readonly rules: readonly WatchRule[]; readonly acts: ActTerms }
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

/** Stands in a list for all that the list has no room for. */
export const FURTHER = '…'

/**
 * What a request used, as a text: a rule, and the tool of an MCP server.
 * @example useText('POST /mcp', 'search') // '["POST /mcp","search"]'
 */
export function useText(rule: string, tool?: string): string {
  return JSON.stringify(tool === undefined ? [rule] : [rule, tool])
}

/** What was seen of an agent. `last` is up to ten minutes late. Checksums are those since the last were approved. */
export interface Seen extends Shown {
  /** By scope, and by {@link useText}: the last day, in days since the epoch. Kept for 90 days. */
  readonly granted: Readonly<Record<string, number>>
  readonly used: Readonly<Record<string, number>>
  readonly uses: Readonly<Record<string, number>>
  /** The agents that acted for it, as {@link keyText}. */
  readonly children: readonly string[]
}

/** What administrators say of an agent; each member may be absent. {@link AgentPins} are what they have approved. */
export interface AgentFields extends AgentPins {
  readonly name?: string
  readonly owners?: readonly string[]
  readonly purpose?: string
  readonly types?: readonly string[]
  /** An id, or a URL of its metadata. */
  readonly client?: string
  /** RFC 3339, in UTC. An approval ends with `expires`. */
  readonly review_by?: string
  readonly expires?: string
}

/** The latest change of an agent's status. */
interface StatusChange {
  /** Seconds since the epoch. */
  readonly at: number
  readonly by: string
  readonly reason?: string
  /** Set if the administrator is of this issuer only. */
  readonly own?: true
  /** The status that a suspended or retired agent gets back once it is resumed. */
  readonly resumes?: AgentStatus
}

/** An agent of the registry. */
export interface AgentEntry extends AgentKey {
  readonly status: AgentStatus
  /** Each change of an administrator raises it. */
  readonly version: number
  readonly fields: AgentFields
  readonly change?: StatusChange
  /** Absent where it was never seen. */
  readonly seen?: Seen
  /** Only if a single agent is requested: one member for each table of WATCH that applies to it. */
  readonly watched?: readonly Watched[]
}

/** What an administrator changes. `put` replaces all fields, `patch` only the given ones; `null` removes a field. */
export interface AgentChange extends AgentKey, Omit<StatusChange, 'resumes'> {
  readonly act: 'put' | 'patch' | 'suspend' | 'resume' | 'retire'
  readonly fields?: { readonly [Name in keyof AgentFields]?: AgentFields[Name] | null }
  /** For `put` and `patch`. Without it the status stays; a new agent becomes `approved`. */
  readonly status?: AgentStatus
  /** The versions that the caller may have meant, or any. Needed by `put` of a known agent, and by `patch`. */
  readonly match?: readonly number[] | '*'
}

/** Why a change is refused: codes of denials. */
export const CHANGE_REFUSALS = [
  'agent_unknown',
  'agent_changed',
  'agent_version_missing',
  'agent_stopped_by_all',
  'agents_full',
] as const
export type ChangeRefusal = (typeof CHANGE_REFUSALS)[number]

/** A changed agent. `shards`: how far it is in the revocation set; absent where that cannot be reached. */
export type AgentChanged =
  | { readonly entry: AgentEntry; readonly shards?: ShardStatus }
  | { readonly refused: ChangeRefusal }

/** An alert that a person has judged; `entry` and `shards` as in {@link AgentChanged} where that suspended the agent. */
export type AlertJudged =
  | { readonly alert: Alert; readonly entry?: AgentEntry; readonly shards?: ShardStatus }
  | { readonly refused: ChangeRefusal }

/** What an agent may need from an administrator. */
export const AGENT_NEEDS = [
  'owner',
  'changed',
  'review',
  'approval',
  'unused-scopes',
  'unseen',
] as const
type AgentNeed = (typeof AGENT_NEEDS)[number]

/** A person as owner of an agent. Other texts in a list of owners name nobody who may decide on its calls. */
export function ownerText({ issuer, subject }: Person): string {
  return `${issuer} ${subject}`
}

/** Which agents to list. */
export interface AgentQuery {
  readonly issuer?: string
  readonly status?: AgentStatus
  readonly needs?: AgentNeed | 'any'
  /** What their ids begin with: one of these texts, of any issuer or of one. */
  readonly begins?: readonly { readonly text: string; readonly issuer?: string }[]
  readonly limit: number
  /** The `cursor` of the previous page. */
  readonly cursor?: string
}

/** A page may be short; `cursor` is present where more may follow. */
export interface AgentPage {
  readonly agents: readonly AgentEntry[]
  readonly cursor?: string
}

/** The registry, as the gate's endpoints ask it. Every method rejects where it cannot be reached. */
export interface AgentStore {
  list(query: AgentQuery): Promise<AgentPage>
  get(key: AgentKey): Promise<AgentEntry | undefined>
  /** Those of some agents, as {@link keyText}, that the registry has. */
  several(agents: readonly string[]): Promise<readonly AgentEntry[]>
  /**
   * The act is stored with the change. Resolves once the change is in effect in the revocation set, or cannot take
   * effect now.
   */
  change(change: AgentChange, act?: Act): Promise<AgentChanged>
  alerts(query: AlertQuery): Promise<AlertPage>
  alert(id: number): Promise<Alert | undefined>
  /** Records what a person decides on an alert; `undefined` if there is no such alert. */
  judge(judgement: Judgement, act?: Act): Promise<AlertJudged | undefined>
}

const DAY_MS = 86_400_000
/**
 * Days without a request after which an agent is unseen, and after which it has probably used all scopes that it needs.
 */
const UNSEEN_DAYS = 30
const SETTLED_DAYS = 7

/** Scopes that an agent's tokens had and that it did not use. */
export function unusedScopes({ granted, used }: Pick<Seen, 'granted' | 'used'>): readonly string[] {
  return Object.keys(granted).filter((scope) => !Object.hasOwn(used, scope))
}

/** Whether an agent was seen with a checksum that is not approved, while others are. */
export function isChanged({ fields, seen }: Pick<AgentEntry, 'fields' | 'seen'>): boolean {
  const { checksums } = fields
  return checksums !== undefined && !!seen?.checksums?.some((one) => !checksums.includes(one))
}

/** What an agent needs from an administrator at `now`, in milliseconds. A retired one needs nothing. */
export function needsOf(entry: AgentEntry, now: number): readonly AgentNeed[] {
  const { status, seen, change, fields } = entry
  const { owners = [], review_by, expires } = fields
  const isPast = (time: string | undefined) => time !== undefined && Date.parse(time) <= now
  const daysSince = (time: number) => (now - time) / DAY_MS
  const last = Math.max(seen?.last ?? 0, (change?.at ?? 0) * 1000)
  const needs: Readonly<Record<AgentNeed, boolean>> = {
    owner: owners.length === 0,
    changed: isChanged(entry),
    review: isPast(review_by),
    approval: status === 'discovered' || (status === 'approved' && isPast(expires)),
    'unused-scopes':
      seen !== undefined && daysSince(seen.first) >= SETTLED_DAYS && unusedScopes(seen).length > 0,
    unseen: daysSince(last) >= UNSEEN_DAYS,
  }
  return status === 'retired' ? [] : AGENT_NEEDS.filter((need) => needs[need])
}
