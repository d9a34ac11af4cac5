import { fail, ok, type Result } from '../../base/result.ts'
import {
  APPROVAL_ROOMS,
  type Approval,
  type ApprovalAsk,
  type ApprovalCounts,
  type ApprovalDecision,
  type ApprovalPage,
  type ApprovalQuery,
  type ApprovalTerms,
  type Caller,
  type Decided,
  type NoRoom,
} from '../../model/approval.ts'
import type { Clock } from '../../model/ports.ts'
import {
  cursorOf,
  fullRoom,
  isSame,
  LISTS,
  OPEN,
  placeOf,
  type Row,
  read,
  SEEN,
  type Sql,
  STANDING,
  TABLE,
  UNUSED,
  type Value,
  WAITING,
} from './rows.ts'

/** States of an approval that has not expired, to which another request for the same call is attached. */
const ATTACHED: ReadonlySet<string> = new Set(['waiting', 'granted', 'refused'])

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Milliseconds for which an approval can be read after it was asked for: at least a UTC day, which asks are counted by. */
const KEPT_MS = 3 * DAY_MS
/** Most rows deleted at once, because calls wait meanwhile. */
const MOST_DROPPED = 1_000
/** Most approvals of a page, and most characters of what they show: an object answers with 32 MB at most. */
const LISTED = { approvals: 1_000, characters: 8_000_000 }
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

  const callersOf = (condition: string, now: number) =>
    sql
      .exec<{ issuer: string; agent: string }>(
        `SELECT issuer, agent FROM approvals WHERE ${condition}`,
        now,
      )
      .toArray()

  const lacking = ({ issuer, agent }: Caller, terms: ApprovalTerms, now: number) => {
    const ofAgent = 'issuer = ? AND agent = ? AND asked > ?'
    if (count(ofAgent, issuer, agent, now - HOUR_MS) >= terms.anHour) return 'hour_full'
    const today = now - (now % DAY_MS)
    if (count('issuer = ? AND asked >= ?', issuer, today) >= terms.aDay) return 'day_full'
    return fullRoom(callersOf(WAITING, now), { issuer, agent }, terms.waiting)
  }

  const covering = (alike: string, now: number) =>
    one(
      `SELECT * FROM approvals WHERE alike = ?2 AND ${STANDING} ORDER BY expires, id LIMIT 1`,
      ...[now, alike],
    )

  /** Takes a use of a standing approval. `own`: the latest approval of the call, which then waits no longer. */
  const used = (
    row: Row,
    by: string,
    own: Row | undefined,
    now: number,
  ): Result<Approval, Approval> => {
    const before = read(row, now)
    const users: readonly string[] = JSON.parse(row.used ?? '[]')
    if (users.includes(by)) return ok({ ...before, state: 'taken' })
    if (before.state !== 'granted') return fail(before)
    const all = [...users, by]
    const isLast = all.length >= (before.decision?.standing?.uses ?? 0)
    sql.exec(
      'UPDATE approvals SET state = ?, used = ? WHERE id = ?',
      ...[isLast ? 'taken' : 'granted', JSON.stringify(all), row.id],
    )
    if (own?.state === 'waiting') {
      sql.exec(
        "UPDATE approvals SET state = 'taken', taken_by = ?, decision = ? WHERE id = ?",
        ...[by, row.decision, own.id],
      )
    }
    return ok({ ...before, state: 'taken', used: all.length })
  }

  return {
    /**
     * Attaches a call to the approval that was granted for it, or that was refused within the last `within`; else to a
     * standing one that covers it, or to the one that it waits for; else asks for one, and then calls `stored`.
     */
    ask(
      asking: ApprovalAsk,
      terms: ApprovalTerms,
      stored: (approval: Approval) => void,
    ): Result<Approval, NoRoom> {
      const now = clock.now()
      const { digest, alike, policy, issuer, agent, subjects, shown } = asking
      const before = latest(digest)
      const attached = before && now < before.expires && ATTACHED.has(before.state) ? before : null
      const found =
        attached && attached.state !== 'waiting' ? attached : (covering(alike, now) ?? attached)
      if (found) return ok(read(found, now))
      const full = lacking(asking, terms, now)
      if (full) return fail(full)
      const id = crypto.randomUUID()
      sql.exec(
        `INSERT INTO approvals (id, digest, policy, issuer, agent, subjects, shown, state, asked, expires, within, alike)
          VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?)`,
        ...[id, digest, policy, issuer, agent, JSON.stringify(subjects), shown],
        // The latest ask of a call stays the latest if the clock is set back.
        ...[Math.max(now, (before?.asked ?? 0) + 1), now + terms.within, terms.within, alike],
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

    /** A page of approvals, with as many as there is room for. */
    list({ state, issuer, reach, cursor, limit = LISTED.approvals }: ApprovalQuery): ApprovalPage {
      const now = clock.now()
      const approvals: Approval[] = []
      let characters = 0
      const after = cursor === undefined ? [null, null] : placeOf(cursor)
      const bound = [now, issuer ?? null, reach ?? null, ...after]
      for (const row of sql.exec<Row>(
        `SELECT * FROM approvals WHERE ${SEEN} AND ${LISTS[state]}`,
        ...bound,
      )) {
        characters += row.shown.length
        const last = approvals.at(-1)
        if (last && (approvals.length === limit || characters > LISTED.characters)) {
          return { approvals, cursor: cursorOf(last) }
        }
        approvals.push(read(row, now))
      }
      return { approvals }
    },

    /**
     * Stores a person's decision. The first one counts: another one fails with the approval as it is. A refusal lasts for
     * `within` from now. Fails with `undefined` for an unknown id, and where there are too many standing approvals.
     * `stored` is called for the first one.
     */
    decide(
      id: string,
      decision: ApprovalDecision,
      stored: (approval: Approval) => void,
    ): Result<Approval, Approval | NoRoom | undefined> {
      const { state, standing } = decision
      const now = clock.now()
      const row = byId(id)
      const before = row && read(row, now)
      if (before?.decision && isSame(before.decision, decision)) return ok(before)
      if (!row || before?.state !== 'waiting') return fail(before)
      const isBare = (state === 'refused' || standing) && !decision.reason
      if (isBare) throw new TypeError('a decision without its reason')
      const full = standing && fullRoom(callersOf(STANDING, now), row, APPROVAL_ROOMS.standing)
      if (full) return fail(full)
      stored(before)
      const ends = state === 'refused' ? now + row.within : standing && now + standing.ms
      sql.exec(
        'UPDATE approvals SET state = ?, decision = ?, expires = ?, used = ? WHERE id = ?',
        ...[state, JSON.stringify({ ...decision, at: now } satisfies Decided)],
        ...[ends ?? row.expires, standing ? '[]' : null, id],
      )
      return ok(read(byId(id) as Row, now))
    },

    /**
     * Ends a granted approval; one that has ended stays so. Fails with the approval as it is, `undefined` for an unknown
     * id. `stored` is called if it ends now.
     */
    withdraw(
      id: string,
      stored: (approval: Approval) => void,
    ): Result<Approval, Approval | undefined> {
      const row = byId(id)
      const before = row && read(row, clock.now())
      if (before?.state === 'ended') return ok(before)
      if (before?.state !== 'granted') return fail(before)
      stored(before)
      sql.exec("UPDATE approvals SET state = 'ended' WHERE id = ?", id)
      return ok({ ...before, state: 'ended' })
    },

    /**
     * Takes the granted approval of a call; of all requests only the first gets it. `by`: a new value for each request,
     * by which a second try of the same request is recognised. `standing`: the id of the standing approval of which to
     * take a use. Fails with the latest approval of the call, or with the standing one, if any.
     */
    take(digest: string, by: string, standing?: string): Result<Approval, Approval | undefined> {
      const now = clock.now()
      const own = latest(digest)
      // A person may have refused the call since a standing approval was found to cover it.
      if (own?.state === 'refused' && now < own.expires) return fail(read(own, now))
      const row = standing === undefined ? own : byId(standing)
      const before = row && read(row, now)
      if (row && typeof row.used === 'string') return used(row, by, own, now)
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
