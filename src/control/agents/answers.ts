import * as v from 'valibot'
import { AGENT_STATUSES, type AgentStore, CHANGE_REFUSALS } from '../../gate/model/agents.ts'
import {
  type Answers,
  COUNT,
  jsonOf,
  maybe,
  OBJECT,
  TEXTS,
  TIME,
} from '../../gate/platform/answers.ts'
import { SHARD_STATUS } from '../../gate/revocation/answers.ts'

const key = { issuer: v.string(), agent: v.string() }
const LIST = jsonOf(TEXTS)
const SEEN = v.object({
  ...v.entriesFromList(['first', 'last'], TIME),
  ...v.entriesFromList(['types', 'clients', 'keys'], TEXTS),
  ...v.entriesFromList(['checksums', 'registrations'], maybe(TEXTS)),
  ...v.entriesFromList(['parents', 'children'], v.array(LIST)),
  ...v.entriesFromList(['granted', 'used'], v.record(v.string(), COUNT)),
  uses: v.record(LIST, COUNT),
})
const ENTRY = v.object({
  ...key,
  status: v.picklist(AGENT_STATUSES),
  version: COUNT,
  fields: v.record(v.string(), v.union([v.string(), TEXTS])),
  change: maybe(v.object({ at: v.pipe(TIME, v.maxValue(8.64e12)), by: v.string() })),
  seen: maybe(SEEN),
  watched: maybe(v.array(v.object({ watch: v.string(), since: TIME, learning: TEXTS }))),
})
const ALERT = v.object({
  ...key,
  id: COUNT,
  at: TIME,
  ...v.entriesFromList(['watch', 'signal'], v.string()),
  ...v.entriesFromList(['usual', 'seen'], OBJECT),
  requests: TEXTS,
  quarantine: maybe(v.object({ id: v.string(), until: TIME })),
  verdict: maybe(v.object({ is: v.string(), at: TIME, by: v.string() })),
})
const shards = maybe(SHARD_STATUS)
const REFUSED = v.strictObject({ refused: v.picklist(CHANGE_REFUSALS) })

/** What the registry answers. */
export const REGISTRY_ANSWERS: Answers<AgentStore> = {
  list: v.object({ agents: v.array(ENTRY), cursor: maybe(v.string()) }),
  get: v.optional(ENTRY),
  several: v.array(ENTRY),
  alerts: v.object({ alerts: v.array(ALERT), cursor: maybe(COUNT) }),
  alert: v.optional(ALERT),
  change: v.union([v.strictObject({ entry: ENTRY, shards }), REFUSED]),
  judge: v.union([
    v.optional(v.strictObject({ alert: ALERT, entry: maybe(ENTRY), shards })),
    REFUSED,
  ]),
}
