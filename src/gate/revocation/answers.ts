import * as v from 'valibot'
import { KINDS, MODES, STANDINGS, SUBJECT_HASH_BYTES, THROTTLE } from '../model/revocation.ts'
import { AMOUNT, type Answers, COUNT, maybe, TEXTS } from '../platform/answers.ts'
import type { Peer, Shard } from './protocol.ts'

const version = { epoch: v.string(), version: COUNT }
const ENTRY = v.object({
  kind: v.picklist(KINDS),
  mode: v.picklist([...MODES, THROTTLE, ...STANDINGS]),
  ...v.entriesFromList(['id', 'issuer', 'value', 'createdBy'], v.string()),
  ...v.entriesFromList(['reason', 'renewedBy'], maybe(v.string())),
  created: AMOUNT,
  ...v.entriesFromList(['at', 'expires', 'renewed'], maybe(AMOUNT)),
  limit: maybe(v.pipe(COUNT, v.minValue(1))),
  pins: maybe(v.object(v.entriesFromList(['checksums', 'registrations', 'keys'], maybe(TEXTS)))),
  own: maybe(v.literal(true)),
})
const PAGE = v.object({ revocations: v.array(ENTRY), cursor: maybe(COUNT) })
const HASHES = v.pipe(
  v.instance(Uint8Array),
  v.check(({ length }) => length % SUBJECT_HASH_BYTES === 0),
)

/** A row from another shard. Who reads the entry checks its kind and its mode. */
const ROW = v.object({
  seq: v.nullable(COUNT),
  ...v.entriesFromList(['id', 'subject', 'kind', 'issuer', 'value', 'mode'], v.string()),
  ...v.entriesFromList(['at', 'expires', 'renewed'], v.nullable(AMOUNT)),
  ...v.entriesFromList(['reason', 'renewed_by'], v.nullable(v.string())),
  created: AMOUNT,
  created_by: v.string(),
  own: v.picklist([0, 1]),
  version: COUNT,
  hash: v.pipe(
    v.instance(ArrayBuffer),
    v.check(({ byteLength }) => byteLength === SUBJECT_HASH_BYTES),
  ),
})
const RESET = v.strictObject({ reset: v.literal(true) })

/** How many shards have a change. */
export const SHARD_STATUS = v.object({ total: COUNT, acknowledged: COUNT, pending: TEXTS })
/** What the primary answers to the registry of agents. */
export const STANDINGS_SET = v.optional(v.object({ epoch: v.string(), shards: SHARD_STATUS }))

/** What a shard answers. */
export const SHARD_ANSWERS: Answers<Shard> = {
  lookup: v.optional(v.object({ ...version, entries: v.array(ENTRY) })),
  pullAll: v.optional(v.object({ ...version, hashes: HASHES, after: maybe(COUNT) })),
  pullSince: v.union([
    v.optional(v.strictObject({ ...version, added: HASHES, removed: HASHES })),
    RESET,
  ]),
  add: v.union([
    v.strictObject({ added: v.array(ENTRY), shards: SHARD_STATUS }),
    v.strictObject({ full: v.picklist(['set', 'share']) }),
  ]),
  signal: v.union([
    v.strictObject({ changed: v.array(ENTRY) }),
    v.strictObject({ full: v.picklist(['set', 'share']) }),
  ]),
  list: PAGE,
  get: v.optional(v.object({ revocation: ENTRY, shards: SHARD_STATUS })),
  status: SHARD_STATUS,
  remove: v.boolean(),
  removePage: PAGE,
}

/** What a shard answers to another, which would lack entries after a page or a version that it misread. */
export const PEER_ANSWERS: Answers<Peer> = {
  head: v.object({ ...version, oldest: COUNT, serving: v.nullable(COUNT) }),
  copyPage: v.object({ ...version, rows: v.array(ROW), after: maybe(COUNT) }),
  replicate: v.union([
    v.strictObject({ version: COUNT }),
    v.strictObject({ out: v.literal(true) }),
    v.strictObject({ contradicted: v.literal(true) }),
  ]),
  enrol: v.union([v.strictObject({ version: COUNT }), RESET]),
  names: TEXTS,
  note: v.void_(),
}
