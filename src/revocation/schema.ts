const ON_REMOVAL = `CREATE TRIGGER entries_go AFTER DELETE ON entries
    BEGIN UPDATE log SET held = held - 1; END;`
const ON_OWN_REMOVAL = `CREATE TRIGGER own_entries_go AFTER DELETE ON entries WHEN old.own = 1
    BEGIN UPDATE shares SET held = held - 1 WHERE issuer = old.issuer; END;`

/**
 * Removes every entry at once. Where a trigger sees each of them go, a million take half a minute.
 */
export function removeAll(sql: SqlStorage): void {
  sql.exec('DROP TRIGGER entries_go; DROP TRIGGER own_entries_go')
  sql.exec('DELETE FROM entries; DELETE FROM shares; UPDATE log SET held = 0')
  sql.exec(ON_REMOVAL + ON_OWN_REMOVAL)
}

/**
 * The set's tables, one step per version, only ever added to: an object keeps its data over
 * deployments and takes the steps it has not taken yet.
 */
const STEPS: readonly string[] = [
  // `seq` is never given out twice, so a cursor stays good when entries leave.
  `CREATE TABLE entries (
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
    created_by TEXT NOT NULL
  );
  CREATE INDEX entries_by_subject ON entries (subject);
  CREATE INDEX entries_by_issuer ON entries (issuer);
  CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL;`,
  // `hash` is NULL only for entries older than this step, until the first pull: SQLite has no SHA-256.
  // Removals stay for a while as tombstones, so that copies of the set hear of them. `held` is kept
  // because counting a million entries takes longer than a lookup may wait.
  `ALTER TABLE entries ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE entries ADD COLUMN hash BLOB;
  CREATE INDEX entries_by_version ON entries (version);
  CREATE INDEX entries_by_hash ON entries (hash);
  CREATE TABLE tombstones (
    version INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL
  );
  CREATE TABLE log (
    epoch TEXT NOT NULL,
    oldest INTEGER NOT NULL,
    held INTEGER NOT NULL
  );
  INSERT INTO log (epoch, oldest, held)
    VALUES (lower(hex(randomblob(16))), 0, (SELECT count(*) FROM entries));
  CREATE TRIGGER entries_come AFTER INSERT ON entries
    BEGIN UPDATE log SET held = held + 1; END;
  ${ON_REMOVAL}`,
  // The version is counted, because a shard that follows has entries of versions it has not reached.
  // `serving`: from which version on the shard may answer; NULL for never, and with an empty epoch there is
  // nothing to answer from. Tombstones name their entry, so that other shards can follow; older ones
  // did not. An empty set is begun anew.
  `ALTER TABLE entries ADD COLUMN renewed INTEGER;
  ALTER TABLE entries ADD COLUMN renewed_by TEXT;
  ALTER TABLE log ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE log ADD COLUMN serving INTEGER;
  UPDATE log SET version = max(
    oldest,
    ifnull((SELECT max(version) FROM entries), 0),
    ifnull((SELECT max(version) FROM tombstones), 0)
  );
  UPDATE log SET oldest = version, serving = 0;
  UPDATE log SET epoch = '', serving = NULL WHERE held = 0;
  DROP TABLE tombstones;
  CREATE TABLE tombstones (
    version INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL
  );
  CREATE TABLE replicas (
    enrolment INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    acked INTEGER NOT NULL
  );`,
  // How many entries the administrators of each issuer have made, counted as `held` is.
  `ALTER TABLE entries ADD COLUMN own INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE shares (issuer TEXT PRIMARY KEY, held INTEGER NOT NULL);
  CREATE TRIGGER own_entries_come AFTER INSERT ON entries WHEN new.own = 1
    BEGIN INSERT INTO shares (issuer, held) VALUES (new.issuer, 1)
      ON CONFLICT (issuer) DO UPDATE SET held = held + 1; END;
  ${ON_OWN_REMOVAL}`,
]

/** Of an entry that has not expired; one parameter, the second it is now. */
export const LIVE = '(expires IS NULL OR expires > ?)'

/**
 * Brings an object's tables to this version. Throws where a newer version wrote them: what it
 * added is unknown here, so the set must not be answered from.
 */
export function migrate(storage: DurableObjectStorage): void {
  storage.transactionSync(() => {
    const { sql } = storage
    sql.exec('CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL)')
    const [row] = sql
      .exec<{ value: number }>("SELECT value FROM meta WHERE name = 'schema'")
      .toArray()
    const version = row?.value ?? 0
    if (version === STEPS.length) return
    if (version > STEPS.length) throw new Error(`revocations are of schema ${version}`)
    for (const step of STEPS.slice(version)) sql.exec(step)
    sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('schema', ?)", STEPS.length)
  })
}
