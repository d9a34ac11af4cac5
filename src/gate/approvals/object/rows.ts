import type {
  Approval,
  ApprovalDecision,
  ApprovalState,
  Caller,
  Decided,
  WaitingRooms,
} from '../../model/approval.ts'

/** The table and its indexes. */
export const TABLE = `CREATE TABLE IF NOT EXISTS approvals (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    policy TEXT NOT NULL,
    issuer TEXT NOT NULL,
    agent TEXT NOT NULL,
    subjects TEXT NOT NULL,
    shown TEXT NOT NULL,
    state TEXT NOT NULL,
    asked INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    within INTEGER NOT NULL,
    decision TEXT,
    taken_by TEXT,
    alike TEXT NOT NULL,
    used TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS approvals_by_digest ON approvals (digest, asked);
  CREATE INDEX IF NOT EXISTS approvals_by_agent ON approvals (issuer, agent, asked);
  CREATE INDEX IF NOT EXISTS approvals_by_time ON approvals (asked);
  CREATE INDEX IF NOT EXISTS approvals_open ON approvals (expires) WHERE state IN ('waiting', 'granted');
  CREATE INDEX IF NOT EXISTS approvals_standing ON approvals (alike) WHERE used IS NOT NULL`

/** The condition of the index of approvals that nobody has used up, refused or ended. */
export const UNUSED = "state IN ('waiting', 'granted')"
/** That an approval is not over, at a time. */
export const OPEN = `${UNUSED} AND expires > ?1`
/** That an approval waits, at a time. */
export const WAITING = `${OPEN} AND state = 'waiting'`
/** That an approval stands for calls like its own, at a time. */
export const STANDING = `${OPEN} AND used IS NOT NULL`

const OLDEST = '(?4 IS NULL OR (asked, id) > (?4, ?5)) ORDER BY asked, id'
const LATEST = '(?4 IS NULL OR (asked, id) < (?4, ?5)) ORDER BY asked DESC, id DESC'
/** Conditions and orders of lists: `?4` and `?5` are the place of a cursor. */
export const LISTS = {
  waiting: `${WAITING} AND ${OLDEST}`,
  decided: `NOT (${WAITING}) AND ${LATEST}`,
  standing: `${STANDING} AND ${LATEST}`,
}
/** That an approval is of issuer `?2`, and that owners or the operators of issuer `?3` decide on it. `NULL` is any. */
export const SEEN =
  "(?2 IS NULL OR issuer = ?2) AND (?3 IS NULL OR issuer = ?3 OR shown ->> 'by' = 'owners')"

/** A value of SQLite. */
export type Value = string | number | null

/** SQLite, as an object's storage has it. */
export interface Sql {
  exec<One extends Record<string, Value>>(
    query: string,
    ...bound: Value[]
  ): Iterable<One> & { toArray(): One[]; one(): One }
}

/** An approval as it is stored. */
export interface Row extends Record<string, Value> {
  id: string
  issuer: string
  agent: string
  subjects: string
  shown: string
  state: string
  asked: number
  expires: number
  within: number
  decision: string | null
  taken_by: string | null
  /** JSON of the `by` of each request that a standing approval has let through; `null` for others. */
  used: string | null
}

/** Whether two decisions are the same one, sent twice. */
export function isSame(one: ApprovalDecision, other: ApprovalDecision): boolean {
  return (
    one.state === other.state &&
    one.by.issuer === other.by.issuer &&
    one.by.subject === other.by.subject &&
    one.digest === other.digest &&
    one.standing?.uses === other.standing?.uses &&
    one.standing?.ms === other.standing?.ms &&
    one.reason === other.reason
  )
}

/** The approval of a row, in its state at a time. */
export function read(row: Row, now: number): Approval {
  const { id, issuer, agent, subjects, shown, asked, expires, decision } = row
  const isOver = now >= expires && (row.state === 'waiting' || row.state === 'granted')
  const state = isOver ? 'expired' : (row.state as ApprovalState)
  return {
    ...{ id, state, issuer, agent, subjects: JSON.parse(subjects), shown, asked, expires },
    ...(decision !== null && { decision: JSON.parse(decision) as Decided }),
    ...(row.used !== null && { used: (JSON.parse(row.used) as readonly string[]).length }),
  }
}

/** Where the page after an approval begins: see {@link ApprovalQuery}. */
export function cursorOf({ asked, id }: Pick<Approval, 'asked' | 'id'>): string {
  return `${asked}-${id}`
}

/** The place that {@link cursorOf} names. */
export function placeOf(cursor: string): readonly [asked: number, id: string] {
  const at = cursor.indexOf('-')
  return [Number(cursor.slice(0, at)), cursor.slice(at + 1)]
}

/** Which room has no place for one more; `undefined` where all have. */
export function fullRoom(
  taken: readonly Pick<Caller, 'issuer' | 'agent'>[],
  { issuer, agent }: Pick<Caller, 'issuer' | 'agent'>,
  most: WaitingRooms,
): `${keyof WaitingRooms}_full` | undefined {
  const ofIssuer = taken.filter((one) => one.issuer === issuer)
  if (ofIssuer.filter((one) => one.agent === agent).length >= most.agent) return 'agent_full'
  if (ofIssuer.length >= most.issuer) return 'issuer_full'
  return taken.length >= most.all ? 'all_full' : undefined
}
