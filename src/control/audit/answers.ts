import * as v from 'valibot'
import { STORE_ANSWERS, STORED } from '../../gate/outbox/answers.ts'
import { type Answers, COUNT, jsonOf, maybe, OBJECT, TIME } from '../../gate/platform/answers.ts'
import type { Shard } from './protocol.ts'

const place = v.pipe(v.string(), v.regex(/^\d{1,15}\.\d{1,9}$/))
const RECORD = jsonOf(OBJECT)
const NAMES = { reason: v.string(), share: v.string(), issuer: maybe(v.string()) }
const DROPPED = v.array(v.object({ ...NAMES, since: TIME, until: TIME, records: COUNT }))
const FOUND = v.array(v.object({ position: place, record: RECORD }))
const COUNTS = v.object({ decisions: COUNT, denied: COUNT, durations: v.map(v.number(), COUNT) })
const counts = v.record(v.string(), COUNT)
const problems = v.record(v.string(), v.string())

/** What a shard answers. */
export const SHARD_ANSWERS: Answers<Shard> = {
  ...STORE_ANSWERS,
  list: v.object({ found: FOUND, dropped: maybe(DROPPED), next: maybe(place) }),
  get: v.optional(v.object({ decision: RECORD, policy: maybe(RECORD), before: maybe(RECORD) })),
  erase: v.object({ ...STORED, records: COUNT, next: maybe(COUNT) }),
  listAfter: v.object({ found: FOUND, dropped: DROPPED, next: place }),
  usage: v.object({ tally: v.map(RECORD, COUNTS), since: TIME, dropped: DROPPED }),
  health: v.object({
    counts,
    rows: COUNT,
    dropped: DROPPED,
    bytes: counts,
    problems,
    waiting: COUNT,
  }),
  positionKey: v.instance(ArrayBuffer),
}
