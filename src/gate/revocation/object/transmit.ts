import { objectOf, own, ownText } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'
import { parseUrl } from '../../base/url.ts'
import type { SigningKey } from '../../model/ports.ts'
import { type Revocation, subjectKey } from '../../model/revocation.ts'
import type { EventReceiver, SentEvent } from '../../model/transmit.ts'
import { system } from '../../platform/system.ts'
import { transmitOf } from '../../policy/keys/transmit.ts'
import { workerEnv } from '../../policy/reading/env.ts'
import { readVars } from '../../policy/reading/vars.ts'
import { createEventKey, type Outgoing, push } from './push.ts'
import { LIVE, now } from './tables.ts'

/** Milliseconds until the next attempt: they double, up to the most. */
const RETRY_MS = { first: 1_000, most: 240_000 }
/** Milliseconds for which one run starts attempts: other tasks of the alarm wait for it. */
const RUN_MS = 10_000
/** Seconds for which the causes of sent events are remembered. */
const REMEMBERED = 8 * 24 * 60 * 60
/** Beginning of the storage keys of receivers that did not take an event. */
const PAUSED = 'transmit:'
/** Modes that an event `account-disabled` tells. */
const DISABLING: readonly string[] = ['block', 'suspended', 'retired']

/** `echoes` are entries of security events whose cause is known from another event: they are not told again. */
const TABLES = `CREATE TABLE IF NOT EXISTS outgoing (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    receiver TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    event TEXT NOT NULL,
    tries INTEGER NOT NULL,
    next INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS outgoing_in_order ON outgoing (receiver, subject, seq);
  CREATE INDEX IF NOT EXISTS outgoing_by_time ON outgoing (receiver, next, seq);
  CREATE INDEX IF NOT EXISTS outgoing_by_issuer ON outgoing (receiver, issuer);
  CREATE TABLE IF NOT EXISTS echoes (id TEXT PRIMARY KEY) WITHOUT ROWID`

interface Pause {
  readonly tries: number
  /** Milliseconds since the epoch. */
  readonly until: number
}

type Row = { seq: number; subject: string; event: string; tries: number }

export type Transmitting = ReturnType<typeof createTransmitting>

/**
 * Sends security events to the receivers of TRANSMIT (RFC 8935): what was revoked or lifted of subjects and agents. An
 * event is stored with its change. It is sent until the receiver takes it, under the same `jti`, and after earlier events
 * of its subject. Without TRANSMIT nothing is stored or sent. `variables`: those of the policy.
 */
export function createTransmitting(
  { sql, kv }: DurableObjectStorage,
  env: object,
  variables: Readonly<Record<string, unknown>>,
) {
  const { vars } = readVars(variables)
  const issuers = new Map(
    Object.entries(objectOf(vars.ISSUERS)).map(([name, one]) => [
      name,
      { issuer: ownText(objectOf(one), 'issuer') ?? '' },
    ]),
  )
  const receivers = transmitOf(vars.TRANSMIT, { env: workerEnv({ ...env }), issuers }, () => {})
  const gate = objectOf(vars.GATE)
  const signingKey = createEventKey(env, gate)
  let isSending = false
  if (receivers.length > 0) sql.exec(TABLES)

  const rowsOf = <Found extends Record<string, SqlStorageValue>>(
    text: string,
    ...bound: unknown[]
  ) => sql.exec<Found>(text, ...bound).toArray()

  /** Remembers a cause; `false` if it was known. `isOwn`: this gate made the change first. */
  const isNew = (cause: string, issuer: string): boolean => {
    const text =
      'INSERT OR IGNORE INTO signals (name, issuer, expires) VALUES (?, ?, ?) RETURNING 1'
    return rowsOf(text, cause, issuer, now() + REMEMBERED).length > 0
  }

  /** Whether another entry still disables the subject, as far as the receiver does not know it itself. */
  const isDisabled = (subject: string, receiver: EventReceiver): boolean =>
    rowsOf<{ mode: string; created_by: string }>(
      `SELECT mode, created_by FROM entries WHERE subject = ? AND ${LIVE}
        AND id NOT IN (SELECT id FROM echoes)`,
      subject,
      now(),
    ).some((one) => DISABLING.includes(one.mode) && !isFrom(receiver, one.created_by))

  const put = ({ name: receiver }: EventReceiver, event: Outgoing, subject: string): void => {
    const { issuer, name } = event
    const [{ held = 0 } = {}] = rowsOf<{ held: number }>(
      'SELECT count(*) AS held FROM outgoing WHERE receiver = ? AND issuer = ?',
      receiver,
      issuer,
    )
    if (held >= LIMITS.outgoing) {
      system.log({ event: 'event_dropped', receiver, name, issuer })
      return
    }
    // An event that lifts must have a later `iat` than the one before it.
    const next = name === 'account-enabled' ? nextSecond() : Date.now()
    sql.exec(
      `INSERT INTO outgoing (receiver, issuer, subject, event, tries, next) VALUES (?, ?, ?, ?, 0, ?)`,
      ...[receiver, issuer, subject, JSON.stringify(event), next],
    )
  }

  const send = async (receiver: EventReceiver, key: () => Promise<SigningKey>, end: number) => {
    const { name } = receiver
    const paused = PAUSED + name
    for (;;) {
      const pause = kv.get<Pause>(paused)
      const time = Date.now()
      if (time >= end || time < (pause?.until ?? 0)) return
      const [row] = rowsOf<Row>(
        `SELECT * FROM outgoing AS one WHERE receiver = ? AND next <= ? AND NOT EXISTS
          (SELECT 1 FROM outgoing WHERE receiver = one.receiver AND subject = one.subject AND seq < one.seq)
          ORDER BY next, seq LIMIT 1`,
        name,
        time,
      )
      if (!row) return
      const event: Outgoing = JSON.parse(row.event)
      const error = await push(receiver, event, String(own(gate, 'resource')), key)
      if (error === undefined) {
        sql.exec('DELETE FROM outgoing WHERE seq = ?', row.seq)
        sql.exec(
          'UPDATE outgoing SET next = max(next, ?) WHERE receiver = ? AND subject = ?',
          ...[nextSecond(), name, row.subject],
        )
        if (pause) kv.delete(paused)
        continue
      }
      // The next attempt is for another event, if there is one: the receiver may refuse only this one.
      const next = Date.now() + waitAfter(row.tries)
      sql.exec('UPDATE outgoing SET tries = tries + 1, next = ? WHERE seq = ?', next, row.seq)
      const tries = pause?.tries ?? 0
      kv.put(paused, { tries: tries + 1, until: Date.now() + waitAfter(tries) } satisfies Pause)
      system.log({ event: 'event_not_sent', receiver: name, jti: event.jti, error })
    }
  }

  /**
   * Stores what receivers are told of these changes. Call it without an `await` between the call and the change. `txn`:
   * the cause. Entries of security events are not told to their transmitter, and those with a known cause to nobody.
   */
  const note = (
    changed: readonly Revocation[],
    isLifted: boolean,
    txn: string = crypto.randomUUID(),
  ): void => {
    if (receivers.length === 0) return
    for (const { id, kind, issuer, value, mode, at, createdBy, own: isOwn } of changed) {
      const name = eventOf(mode, isLifted)
      if (!name || (kind !== 'subject' && kind !== 'agent')) continue
      const subject = subjectKey({ kind, issuer, value })
      const isEcho = rowsOf('DELETE FROM echoes WHERE id = ? RETURNING 1', id).length > 0
      const isSignal = isOwn && createdBy.endsWith(FROM)
      if (isLifted ? isEcho : !isNew(causeOf(txn, name, subject, !isSignal), issuer)) {
        if (!isLifted && isSignal) sql.exec('INSERT OR IGNORE INTO echoes (id) VALUES (?)', id)
        continue
      }
      for (const receiver of receivers) {
        if (!receiver.events.includes(name) || !receiver.issuers.has(issuer)) continue
        if (isFrom(receiver, createdBy) || (isLifted && isDisabled(subject, receiver))) continue
        const time = mode === 'before' && at !== undefined ? at : now()
        const jti = crypto.randomUUID()
        put(receiver, { jti, txn, name, kind, issuer, value, at: time }, subject)
      }
    }
  }

  return {
    note,

    /** Stores what receivers are told of agents' standings that are in the place of others. As `note`. */
    noteStandings(before: readonly Revocation[], after: readonly Revocation[]): void {
      const stopped = (some: readonly Revocation[]) =>
        some.filter(({ mode }) => DISABLING.includes(mode))
      const [old, current] = [stopped(before), stopped(after)]
      const without = (some: readonly Revocation[], others: readonly Revocation[]) =>
        some.filter((one) => !others.some((other) => subjectKey(other) === subjectKey(one)))
      note(without(current, old), false)
      note(without(old, current), true)
    },

    /** Whether an event tells what this gate has told first. */
    isOwn(entry: Revocation | undefined, txn: string): boolean {
      const name = entry && eventOf(entry.mode, false)
      if (!entry || !name || receivers.length === 0) return false
      const cause = causeOf(txn, name, subjectKey(entry), true)
      return rowsOf('SELECT 1 FROM signals WHERE name = ?', cause).length > 0
    },

    /** When the next event is due, in milliseconds; infinite without one. */
    due: (): number =>
      Math.min(
        ...receivers.map(({ name }) => {
          const [{ next = null } = {}] = rowsOf<{ next: number | null }>(
            'SELECT min(next) AS next FROM outgoing WHERE receiver = ?',
            name,
          )
          const until = kv.get<Pause>(PAUSED + name)?.until ?? 0
          return next === null ? Number.POSITIVE_INFINITY : Math.max(next, until)
        }),
        Number.POSITIVE_INFINITY,
      ),

    /** Sends what is due, for a few seconds. Never rejects. */
    async send(): Promise<void> {
      if (isSending || this.due() > Date.now()) return
      isSending = true
      const end = Date.now() + RUN_MS
      let signing: Promise<SigningKey> | undefined
      const key = () => {
        signing ??= signingKey()
        return signing
      }
      const failed = (error: unknown) =>
        system.log({ event: 'events_not_sent', error: String(error) })
      await Promise.all(receivers.map((one) => send(one, key, end).catch(failed)))
      isSending = false
    },
  }
}

/** The end of `createdBy` of an entry that a security event has made, after its transmitter. */
const FROM = ' events'

/** Whether the receiver has caused the entry itself: its audience or its origin is that of the transmitter. */
const isFrom = ({ audience, endpoint }: EventReceiver, createdBy: string): boolean => {
  if (!createdBy.endsWith(FROM)) return false
  const transmitter = createdBy.slice(0, -FROM.length)
  const [one, other] = [transmitter, endpoint].map((text) => parseUrl(text)?.origin)
  return transmitter === audience || (one !== undefined && one === other)
}

const eventOf = (mode: Revocation['mode'], isLifted: boolean): SentEvent | undefined => {
  if (DISABLING.includes(mode)) return isLifted ? 'account-enabled' : 'account-disabled'
  return mode === 'before' && !isLifted ? 'session-revoked' : undefined
}

/** The name of a cause among those of received events, which never begin with `[`. */
const causeOf = (txn: string, name: SentEvent, subject: string, isOwn: boolean): string =>
  JSON.stringify([txn, name, subject, ...(isOwn ? ['own'] : [])])

const nextSecond = (): number => (now() + 1) * 1000

const waitAfter = (tries: number): number => Math.min(RETRY_MS.first * 2 ** tries, RETRY_MS.most)
