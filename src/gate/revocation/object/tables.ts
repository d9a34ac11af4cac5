import { type Kind, type Revocation, subjectKey, THROTTLE } from '../../model/revocation.ts'
import { hasSchema, migrateSchema, noteSchema } from '../../platform/schema.ts'
import type { Row } from '../protocol.ts'

/** The version of what shards store. A release that changes it must migrate from each earlier one. */
export const SCHEMA = 2

/** The modes of entries that revoke or throttle; all other modes are standings of agents. */
export const OF_REVOCATIONS = "('block', 'before', 'step-up', 'throttle')"

const ON_REMOVAL = `CREATE TRIGGER entries_go AFTER DELETE ON entries
    BEGIN UPDATE log SET held = held - 1; END;
  CREATE TRIGGER own_entries_go AFTER DELETE ON entries WHEN old.own = 1
    BEGIN UPDATE shares SET held = held - 1 WHERE issuer = old.issuer; END;`

/**
 * `entries.seq` is never reused, so cursors stay valid. Removals stay a while as `tombstones`, for
 * copies of the set. `log.held` and `shares.held` are stored, since counting a million entries
 * takes too long.
 */
const TABLES = `CREATE TABLE entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    issuer TEXT NOT NULL,
    value TEXT NOT NULL,
    mode TEXT NOT NULL,
    at INTEGER,
    expires INTEGER,
    reason TEXT,
    created INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    own INTEGER NOT NULL,
    renewed INTEGER,
    renewed_by TEXT,
    version INTEGER NOT NULL,
    hash BLOB NOT NULL
  );
  CREATE INDEX entries_by_subject ON entries (subject);
  CREATE INDEX entries_by_issuer ON entries (issuer);
  CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL;
  CREATE INDEX entries_by_version ON entries (version);
  CREATE INDEX entries_by_hash ON entries (hash);
  CREATE TABLE tombstones (
    version INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL
  );
  CREATE TABLE log (
    epoch TEXT NOT NULL,
    version INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    serving INTEGER,
    held INTEGER NOT NULL
  );
  INSERT INTO log VALUES ('', 0, 0, NULL, 0);
  CREATE TABLE replicas (
    enrolment INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    acked INTEGER NOT NULL
  );
  CREATE TABLE shares (issuer TEXT PRIMARY KEY, held INTEGER NOT NULL);
  CREATE TRIGGER entries_come AFTER INSERT ON entries
    BEGIN UPDATE log SET held = held + 1; END;
  CREATE TRIGGER own_entries_come AFTER INSERT ON entries WHEN new.own = 1
    BEGIN INSERT INTO shares (issuer, held) VALUES (new.issuer, 1)
      ON CONFLICT (issuer) DO UPDATE SET held = held + 1; END;
  ${ON_REMOVAL}`

/** The issuer of `shares` under which entries of the registry of agents are counted; no issuer is empty. */
export const OF_AGENTS = ''

/** The row is also added to tables of earlier releases, which have no entries of the registry. */
const AGENT_TRIGGERS = `CREATE TRIGGER IF NOT EXISTS agents_come AFTER INSERT ON entries
    WHEN new.mode NOT IN ${OF_REVOCATIONS}
    BEGIN INSERT INTO shares (issuer, held) VALUES ('${OF_AGENTS}', 1)
      ON CONFLICT (issuer) DO UPDATE SET held = held + 1; END;
  CREATE TRIGGER IF NOT EXISTS agents_go AFTER DELETE ON entries
    WHEN old.mode NOT IN ${OF_REVOCATIONS}
    BEGIN UPDATE shares SET held = held - 1 WHERE issuer = '${OF_AGENTS}'; END;`

/**
 * Migrates from version 1, which counted entries of mode `step-up` as those of the registry. The triggers are made again
 * by {@link openTables}; the registry of replicas has none.
 */
export function migrateTables(storage: DurableObjectStorage): void {
  migrateSchema(storage, 1, SCHEMA, () =>
    storage.sql.exec('DROP TRIGGER IF EXISTS agents_come; DROP TRIGGER IF EXISTS agents_go'),
  )
}

/** The names of security events, in the primary; also added to tables of earlier releases. Counted by issuer. */
const SIGNALS = `CREATE TABLE IF NOT EXISTS signals (
    name TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,
    expires INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS signals_by_expiry ON signals (expires);
  CREATE TABLE IF NOT EXISTS signal_shares (issuer TEXT PRIMARY KEY, held INTEGER NOT NULL);
  CREATE TRIGGER IF NOT EXISTS signals_come AFTER INSERT ON signals
    BEGIN INSERT INTO signal_shares (issuer, held) VALUES (new.issuer, 1)
      ON CONFLICT (issuer) DO UPDATE SET held = held + 1; END;
  CREATE TRIGGER IF NOT EXISTS signals_go AFTER DELETE ON signals
    BEGIN UPDATE signal_shares SET held = held - 1 WHERE issuer = old.issuer; END;`

/**
 * Creates the tables if missing. Throws for tables of another version, whose data may be misread.
 */
export function openTables(storage: DurableObjectStorage): void {
  storage.transactionSync(() => {
    if (!hasSchema(storage, SCHEMA)) storage.sql.exec(TABLES)
    storage.sql.exec(AGENT_TRIGGERS)
    storage.sql.exec(SIGNALS)
    noteSchema(storage, SCHEMA)
  })
}

/** Removes all entries at once. With the triggers, a million would take half a minute. */
export function removeAll(sql: SqlStorage): void {
  sql.exec('DROP TRIGGER entries_go; DROP TRIGGER own_entries_go; DROP TRIGGER agents_go')
  sql.exec('DELETE FROM entries; DELETE FROM shares; UPDATE log SET held = 0')
  sql.exec(ON_REMOVAL)
  sql.exec(AGENT_TRIGGERS)
}

/** A condition for unexpired entries; its parameter is the current second. */
export const LIVE = '(expires IS NULL OR expires > ?)'

/** A condition for the entries that administrators of revocations see and lift. Its parameter is the current second. */
export const REVOKES = `${LIVE} AND mode IN ${OF_REVOCATIONS}`

/** Seconds since the epoch, by the object's clock. */
export function now(): number {
  return Math.floor(Date.now() / 1000)
}

/** Converts a row to an entry. */
export function toEntry(row: Row): Revocation {
  return {
    id: row.id,
    kind: row.kind as Kind,
    issuer: row.issuer,
    value: row.value,
    mode: row.mode as Revocation['mode'],
    ...(row.at !== null && { [row.mode === THROTTLE ? 'limit' : 'at']: row.at }),
    ...(row.expires !== null && { expires: row.expires }),
    ...(row.reason !== null &&
      (row.mode === 'approved' ? { pins: JSON.parse(row.reason) } : { reason: row.reason })),
    created: row.created,
    createdBy: row.created_by,
    ...(row.own === 1 && { own: true }),
    ...(row.renewed !== null && { renewed: row.renewed }),
    ...(row.renewed_by !== null && { renewedBy: row.renewed_by }),
  }
}

/** Converts an entry to a row without a `seq`. */
export function toRow(entry: Revocation, version: number, hash: ArrayBuffer): Row {
  return {
    seq: null,
    id: entry.id,
    subject: subjectKey(entry),
    kind: entry.kind,
    issuer: entry.issuer,
    value: entry.value,
    mode: entry.mode,
    at: entry.limit ?? entry.at ?? null,
    expires: entry.expires ?? null,
    reason: entry.pins ? JSON.stringify(entry.pins) : (entry.reason ?? null),
    created: entry.created,
    created_by: entry.createdBy,
    own: entry.own ? 1 : 0,
    renewed: entry.renewed ?? null,
    renewed_by: entry.renewedBy ?? null,
    version,
    hash,
  }
}

const COLUMNS =
  'seq, id, subject, kind, issuer, value, mode, at, expires, reason, created, created_by, own, renewed, renewed_by, version, hash'
const NAMES = COLUMNS.split(', ') as readonly (keyof Row)[]

const PUT = `INSERT INTO entries (${COLUMNS}) VALUES (${NAMES.map(() => '?').join(', ')})
  ON CONFLICT (id) DO UPDATE
  SET at = excluded.at, expires = excluded.expires, reason = excluded.reason,
    created = excluded.created, created_by = excluded.created_by, renewed = excluded.renewed,
    renewed_by = excluded.renewed_by, version = excluded.version`

/** Writes a row; an existing one with its id gets the mutable columns. */
export function putRow(sql: SqlStorage, row: Row): void {
  sql.exec(PUT, ...NAMES.map((name) => row[name]))
}
