import { type Kind, type Mode, type Revocation, subjectKey } from '../core/model/revocation.ts'

/** A row of `entries` as SQLite gives it and as shards tell each other: what is absent is `null`. */
export type Row = {
  /** Never given out twice; `null` for an entry that gets the next one. */
  readonly seq: number | null
  readonly id: string
  readonly subject: string
  readonly kind: string
  readonly issuer: string
  readonly value: string
  readonly mode: string
  readonly at: number | null
  readonly expires: number | null
  readonly reason: string | null
  readonly created: number
  readonly created_by: string
  /** 1 for an entry of an administrator of its issuer alone, else 0. */
  readonly own: number
  readonly renewed: number | null
  readonly renewed_by: string | null
  /** Of the change that made it so. */
  readonly version: number
  /** See `subjectHash`; `null` for entries of an older schema. */
  readonly hash: ArrayBuffer | null
}

/** The entry of a row. */
export function toEntry(row: Row): Revocation {
  return {
    id: row.id,
    kind: row.kind as Kind,
    issuer: row.issuer,
    value: row.value,
    mode: row.mode as Mode,
    ...(row.at !== null && { at: row.at }),
    ...(row.expires !== null && { expires: row.expires }),
    ...(row.reason !== null && { reason: row.reason }),
    created: row.created,
    createdBy: row.created_by,
    ...(row.own === 1 && { own: true }),
    ...(row.renewed !== null && { renewed: row.renewed }),
    ...(row.renewed_by !== null && { renewedBy: row.renewed_by }),
  }
}

/** The row of an entry that has no place in the order yet. */
export function toRow(entry: Revocation, version: number, hash: ArrayBuffer): Row {
  return {
    seq: null,
    id: entry.id,
    subject: subjectKey(entry),
    kind: entry.kind,
    issuer: entry.issuer,
    value: entry.value,
    mode: entry.mode,
    at: entry.at ?? null,
    expires: entry.expires ?? null,
    reason: entry.reason ?? null,
    created: entry.created,
    created_by: entry.createdBy,
    own: entry.own ? 1 : 0,
    renewed: entry.renewed ?? null,
    renewed_by: entry.renewedBy ?? null,
    version,
    hash,
  }
}

const COLUMNS = [
  'seq',
  'id',
  'subject',
  'kind',
  'issuer',
  'value',
  'mode',
  'at',
  'expires',
  'reason',
  'created',
  'created_by',
  'own',
  'renewed',
  'renewed_by',
  'version',
  'hash',
] as const satisfies readonly (keyof Row)[]

const PUT = `INSERT INTO entries (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})
  ON CONFLICT (id) DO UPDATE
  SET at = excluded.at, expires = excluded.expires, reason = excluded.reason,
    created = excluded.created, created_by = excluded.created_by, renewed = excluded.renewed,
    renewed_by = excluded.renewed_by, version = excluded.version`

/** Writes a row; one with its id takes over what can change in an entry's life. */
export function putRow(sql: SqlStorage, row: Row): void {
  sql.exec(PUT, ...COLUMNS.map((column) => row[column]))
}
