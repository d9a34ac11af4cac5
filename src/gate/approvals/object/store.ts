import { fail, ok, type Result } from '../../base/result.ts'
import {
  APPROVAL_ROOMS,
  type Approval,
  type ApprovalAsk,
  type ApprovalCounts,
  type ApprovalDecision,
  type ApprovalPage,
  type ApprovalQuery,
  type ApprovalState,
  type ApprovalTerms,
  type Caller,
  type Decided,
  type NoRoom,
  type WaitingRooms,
} from '../../model/approval.ts'
import type { Clock } from '../../model/ports.ts'

const TABLE = `CREATE TABLE IF NOT EXISTS approvals (
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
    taken_by TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS approvals_by_digest ON approvals (digest, asked);
  CREATE INDEX IF NOT EXISTS approvals_by_agent ON approvals (issuer, agent, asked);
  CREATE INDEX IF NOT EXISTS approvals_by_time ON approvals (asked);
  CREATE INDEX IF NOT EXISTS approvals_open ON approvals (expires) WHERE state IN ('waiting', 'granted')`

/** The condition of the index of approvals that nobody has used or refused, and that of those which are not over, at a time. */
const UNUSED = "state IN ('waiting', 'granted')"
const OPEN = `${UNUSED} AND expires > ?1`
const WAITING = `${OPEN} AND state = 'waiting'`

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Milliseconds for which an approval can be read after it was asked for: at least a UTC day, which asks are counted by. */
const KEPT_MS = 3 * DAY_MS
/** Most rows deleted at once, because calls wait meanwhile. */
const MOST_DROPPED = 1_000
/** Most approvals of a list, and most characters of what they show: an object answers with 32 MB at most. */
const LISTED = { waiting: APPROVAL_ROOMS.waiting.all, decided: 200, characters: 8_000_000 }
/** Conditions and orders of lists; `?3` is the issuer of which also those are listed that operators decide on. */
const LISTS = {
  waiting: `${WAITING} ORDER BY asked, id`,
  decided: `NOT (${WAITING}) ORDER BY asked DESC, id`,
}
const SEEN =
  "(?2 IS NULL OR issuer = ?2) AND (?3 IS NULL OR issuer = ?3 OR shown ->> 'by' = 'owners')"

type Value = string | number | null

/** SQLite, as an object's storage has it. */
export interface Sql {
  exec<One extends Record<string, Value>>(
    query: string,
    ...bound: Value[]
  ): Iterable<One> & { toArray(): One[]; one(): One }
}

interface Row extends Record<string, Value> {
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
}

/**
 * The approvals of a gate, in the storage of one object. Each method is one step without an await, so that no other can
 * interleave. `clock`: that of the object. Does not check who decides.
 */
export function createApprovalStore({ sql }: { readonly sql: Sql }, clock: Clock = Date) {
  sql.exec(TABLE)

  const one = (query: string, ...bound: Value[]): Row | undefined =>
    sql.exec<Row>(query, ...bound).toArray()[0]
  const byId = (id: string) => one('SELECT * FROM approvals WHERE id = ?', id)
  const latest = (digest: string) =>
    one('SELECT * FROM approvals WHERE digest = ? ORDER BY asked DESC, id LIMIT 1', digest)
  const count = (condition: string, ...bound: Value[]): number =>
    sql
      .exec<{ n: number }>(`SELECT COUNT(*) AS n FROM approvals WHERE ${condition}`, ...bound)
      .one().n

  const lacking = ({ issuer, agent }: Caller, terms: ApprovalTerms, now: number) => {
    const ofAgent = 'issuer = ? AND agent = ? AND asked > ?'
    if (count(ofAgent, issuer, agent, now - HOUR_MS) >= terms.anHour) return 'hour_full'
    const today = now - (now % DAY_MS)
    if (count('issuer = ? AND asked >= ?', issuer, today) >= terms.aDay) return 'day_full'
    const waiting = sql
      .exec<{ issuer: string; agent: string }>(
        `SELECT issuer, agent FROM approvals WHERE ${WAITING}`,
        now,
      )
      .toArray()
    return fullRoom(waiting, { issuer, agent }, terms.waiting)
  }

  return {
    /**
     * Attaches a call to the approval that it waits for, that was granted for it, or that was refused within the last
     * `within`; else asks for one, and then calls `stored`.
     */
    ask(
      asking: ApprovalAsk,
      terms: ApprovalTerms,
      stored: (approval: Approval) => void,
    ): Result<Approval, NoRoom> {
      const now = clock.now()
      const { digest, policy, issuer, agent, subjects, shown } = asking
      const before = latest(digest)
      if (before && now < before.expires && ATTACHED.has(before.state)) return ok(read(before, now))
      const full = lacking(asking, terms, now)
      if (full) return fail(full)
      const id = crypto.randomUUID()
      sql.exec(
        `INSERT INTO approvals (id, digest, policy, issuer, agent, subjects, shown, state, asked, expires, within)
          VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?)`,
        ...[id, digest, policy, issuer, agent, JSON.stringify(subjects), shown],
        // The latest ask of a call stays the latest if the clock is set back.
        ...[Math.max(now, (before?.asked ?? 0) + 1), now + terms.within, terms.within],
      )
      const made = read(byId(id) as Row, now)
      stored(made)
      return ok(made)
    },

    /** An approval by its id. */
    get(id: string): Approval | undefined {
      const row = byId(id)
      return row && read(row, clock.now())
    },

    /** How many approvals of the last 24 hours there are, by state. */
    counts(): ApprovalCounts {
      const now = Date.now()
      const rows = sql
        .exec<{ state: string; n: number; decided: number; ms: number | null }>(
          `SELECT iif(NOT (${OPEN}) AND state IN ('waiting', 'granted'), 'expired', state) AS state, COUNT(*) AS n,
            COUNT(decision) AS decided, SUM(decision ->> 'at' - asked) AS ms
            FROM approvals WHERE asked > ?2 GROUP BY 1`,
          ...[now, now - DAY_MS],
        )
        .toArray()
      const sum = (of: 'decided' | 'ms') => rows.reduce((all, row) => all + (row[of] ?? 0), 0)
      return {
        states: Object.fromEntries(rows.map(({ state, n }) => [state, n])),
        ...(sum('decided') > 0 && { decidedIn: Math.max(0, sum('ms') / sum('decided')) }),
      }
    },

    /** Approvals, as many as there is room for. */
    list({ state, issuer, reach }: ApprovalQuery): ApprovalPage {
      const now = clock.now()
      const approvals: Approval[] = []
      let characters = 0
      const bound = [now, issuer ?? null, reach ?? null]
      for (const row of sql.exec<Row>(
        `SELECT * FROM approvals WHERE ${SEEN} AND ${LISTS[state]}`,
        ...bound,
      )) {
        characters += row.shown.length
        if (approvals.length === LISTED[state] || characters > LISTED.characters) {
          return { approvals, more: true }
        }
        approvals.push(read(row, now))
      }
      return { approvals, more: false }
    },

    /**
     * Stores a person's decision. The first one counts: another one fails with the approval as it is. A refusal lasts for
     * `within` from now. Fails with `undefined` for an unknown id. `stored` is called for the first one.
     */
    decide(
      id: string,
      decision: ApprovalDecision,
      stored: (approval: Approval) => void,
    ): Result<Approval, Approval | undefined> {
      const { state } = decision
      const now = clock.now()
      const row = byId(id)
      const before = row && read(row, now)
      if (before?.decision && isSame(before.decision, decision)) return ok(before)
      if (!row || before?.state !== 'waiting') return fail(before)
      if (state === 'refused' && !decision.reason) throw new TypeError('a refusal without a reason')
      stored(before)
      sql.exec(
        'UPDATE approvals SET state = ?, decision = ?, expires = ? WHERE id = ?',
        ...[state, JSON.stringify({ ...decision, at: now } satisfies Decided)],
        ...[state === 'refused' ? now + row.within : row.expires, id],
      )
      return ok(read(byId(id) as Row, now))
    },

    /**
     * Takes the granted approval of a call; of all requests only the first gets it. `by`: a new value for each request,
     * by which a second try of the same request is recognised. Fails with the latest approval of the call, if any.
     */
    take(digest: string, by: string): Result<Approval, Approval | undefined> {
      const now = clock.now()
      const row = latest(digest)
      const before = row && read(row, now)
      if (before?.state === 'taken' && row?.taken_by === by) return ok(before)
      if (before?.state !== 'granted') return fail(before)
      sql.exec("UPDATE approvals SET state = 'taken', taken_by = ? WHERE id = ?", by, before.id)
      return ok({ ...before, state: 'taken' })
    },

    /** Ends all approvals of calls that any of these subjects covers, also granted ones. Returns their ids. */
    end(subjects: readonly string[]): readonly string[] {
      return sql
        .exec<{ id: string }>(
          `UPDATE approvals SET state = 'ended' WHERE ${OPEN} AND EXISTS (SELECT 1 FROM json_each(subjects) AS own
            JOIN json_each(?2) AS named ON own.value = named.value) RETURNING id`,
          ...[clock.now(), JSON.stringify(subjects)],
        )
        .toArray()
        .map(({ id }) => id)
    },

    /**
     * Marks approvals that have expired, and calls `expired` for each. Deletes those that are too old to be read. Returns
     * when the next one expires or is too old, in milliseconds since the epoch.
     */
    sweep(expired: (approval: Approval) => void): number | undefined {
      const now = clock.now()
      const over = sql.exec<Row>(
        `UPDATE approvals SET state = 'expired' WHERE ${UNUSED} AND expires <= ? RETURNING *`,
        now,
      )
      for (const row of over.toArray()) expired(read(row, now))
      const old = now - KEPT_MS
      sql.exec(
        'DELETE FROM approvals WHERE id IN (SELECT id FROM approvals WHERE asked <= ? ORDER BY asked LIMIT ?)',
        ...[old, MOST_DROPPED],
      )
      const least = (of: 'asked' | 'expires', condition: string) =>
        sql
          .exec<{ least: number | null }>(
            `SELECT MIN(${of}) AS least FROM approvals WHERE ${condition}`,
          )
          .one().least
      const first = least('asked', 'TRUE')
      if (first === null) return undefined
      return Math.min(first + KEPT_MS, least('expires', UNUSED) ?? Number.POSITIVE_INFINITY)
    },
  }
}

/** States of an approval that has not expired, to which another request for the same call is attached. */
const ATTACHED: ReadonlySet<string> = new Set(['waiting', 'granted', 'refused'])

const isSame = (one: ApprovalDecision, other: ApprovalDecision): boolean =>
  one.state === other.state &&
  one.by.issuer === other.by.issuer &&
  one.by.subject === other.by.subject &&
  one.digest === other.digest &&
  one.reason === other.reason

const read = (row: Row, now: number): Approval => {
  const { id, issuer, agent, subjects, shown, asked, expires, decision } = row
  const isOver = now >= expires && (row.state === 'waiting' || row.state === 'granted')
  const state = isOver ? 'expired' : (row.state as ApprovalState)
  return {
    ...{ id, state, issuer, agent, subjects: JSON.parse(subjects), shown, asked, expires },
    ...(decision !== null && { decision: JSON.parse(decision) as Decided }),
  }
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
