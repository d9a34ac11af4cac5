import * as v from 'valibot'
import { type Answers, maybe, TIME } from '../platform/answers.ts'
import type { RecordStore } from './protocol.ts'

/** Members of the answer to a batch. */
export const STORED = {
  stoppedUntil: maybe(TIME),
  problems: maybe(v.record(v.string(), v.string())),
}

/** What a shard answers to those who send records. */
export const STORE_ANSWERS: Answers<RecordStore> = {
  append: v.object(STORED),
  report: v.void_(),
}
