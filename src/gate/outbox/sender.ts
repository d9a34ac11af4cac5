import type { AgentTerms } from '../model/agents.ts'
import {
  type AuditRule,
  type Drop,
  type Problems,
  type RecordSender,
  shardTerms,
  type Whose,
} from '../model/audit.ts'
import { createObjectCalls, type Objects } from '../platform/calls.ts'
import type { Background } from '../platform/system.ts'
import { STORE_ANSWERS } from './answers.ts'
import type { Batch, RecordStore } from './protocol.ts'

/** The dependencies of the sender. */
export interface SenderOptions extends Background {
  readonly objects: Objects<RecordStore>
  readonly rule: AuditRule
  /** How many issuers have a share of the audit. */
  readonly issuers: number
  readonly agents?: AgentTerms | undefined
  /** The policy without secrets, as JSON. */
  readonly policyText: () => string
  /** Id of the Worker's version. */
  readonly version?: string | undefined
  /** What is wrong in this isolate. */
  readonly problems: () => Problems
}

/** This many records are sent at once. */
const TOGETHER = 100
/** Milliseconds until records are sent. The first refusal is sent at once, and the next ones after `URGENT_MS`. */
const LATEST_MS = 1_000
const URGENT_MS = 100
/**
 * Milliseconds after which another request sends the records: the request that was to send them may have been ended.
 */
const OVERDUE_MS = LATEST_MS
/** Most records that wait while the object does not answer. */
const MOST_WAITING = 2_000
/** Most records of strangers that are sent at a time. */
const MOST_STRANGERS = 100
/** Milliseconds without an attempt after the object has refused records. */
const PAUSE_MS = 60_000
/** The shard that stores acts and sends alerts, and milliseconds between two reports to it of another's problems. */
const FIRST = '0'
const TELL_MS = 60_000
/** Milliseconds for one attempt to store or read. */
const CALL_MS = 5_000
/** A policy of more characters is not stored. */
const POLICY_CHARACTERS = 1_000_000

/**
 * Gathers the records of an isolate, and sends them to the audit after the answers. All go to one shard. A batch that was
 * not stored is sent again with the next one, under the same id.
 */
export function createSender(options: SenderOptions): RecordSender {
  const { objects, rule, issuers, agents, policyText, version, problems } = options
  const { clock, waitUntil, log } = options
  const { shards, jurisdiction } = rule
  const ask = createObjectCalls<RecordStore>({
    binding: 'AUDIT_LOG',
    objects,
    jurisdiction,
    answers: STORE_ANSWERS,
    timeout: CALL_MS,
    waitUntil,
  })
  let known: string[] = []
  let strangers: string[] = []
  let unsent: Batch[] = []
  let drops: Drop[] = []
  /** Until when the object stores nothing, and until when nothing is sent. */
  let stoppedUntil = 0
  let pausedUntil = 0
  /** When a request will send the waiting records, and when a request last sent records. */
  let dueMs = Number.POSITIVE_INFINITY
  let handedMs = 0
  /** When problems were last reported to the first shard. */
  let toldMs = Number.NEGATIVE_INFINITY
  let isPolicyStored = false
  /** Whether the first shard knows what this isolate runs, and when it was last told. */
  let isDeploymentTold = false
  let deploymentMs = Number.NEGATIVE_INFINITY
  /** Hash and text of the policy, once they were needed. */
  let hashedPolicy: HashedPolicy | undefined
  // Not before the first request: workerd allows no random numbers while an isolate starts.
  let own: string | undefined

  const policyNow = async () => {
    hashedPolicy ??= await hashed(policyText())
    return hashedPolicy
  }

  /** Sends what waits. `isEmptyToo`: also sends a batch without records, which is stored after earlier ones. */
  const handOver = async (isEmptyToo = false): Promise<void> => {
    dueMs = Number.POSITIVE_INFINITY
    handedMs = clock.now()
    if (!isEmptyToo && known.length + strangers.length + unsent.length === 0) return
    const batches = unsent
    const now = { known, strangers, dropped: drops }
    ;[known, strangers, unsent, drops] = [[], [], [], []]
    own ??= String(Math.floor(Math.random() * shards))
    for (const { reason, share, records } of now.dropped) {
      if (reason === 'overload') log({ event: 'audit_dropped', share, records })
    }
    const policy = await policyNow()
    const withPolicy = (record: string) => `${record.slice(0, -1)},"policy":"${policy[0]}"}`
    if (isEmptyToo || now.known.length + now.strangers.length > 0) {
      batches.push({
        ...now,
        id: crypto.randomUUID(),
        known: now.known.map(withPolicy),
        strangers: now.strangers.map(withPolicy),
        ...(!isPolicyStored && storable(policy)),
        problems: problems(),
        ...shardTerms(rule),
        issuers,
        ...(agents && { agents }),
      })
    }
    const shard = own
    const [first, ...others] = batches
    if (!first) return
    // The first one tells for all whether the object answers.
    const isThere = await store(shard, first)
    const stored = await Promise.all(others.map((batch) => isThere && store(shard, batch)))
    // The first one comes last the next time, in case the object cannot take it.
    const left = others.filter((_, at) => !stored[at])
    for (const batch of isThere ? left : [...left, first]) keep(batch)
    if (isThere) waitUntil(tellDeployment())
  }

  /** Tells the shard that stores acts what this isolate runs. It stores an act of each policy and version once. */
  const tellDeployment = async (): Promise<void> => {
    const now = clock.now()
    if (isDeploymentTold || now < deploymentMs + TELL_MS) return
    deploymentMs = now
    const policy = await policyNow()
    const [hash] = policy
    isDeploymentTold = await store(FIRST, {
      id: ['deployed', hash, version].join('-'),
      known: [],
      strangers: [],
      ...((own !== FIRST || !isPolicyStored) && storable(policy)),
      deployed: { policy: hash, ...(version !== undefined && { version }) },
      ...shardTerms(rule),
      issuers,
    })
  }

  /** Whether the object has stored a batch, or says that it stores none. */
  const store = async (shard: string, batch: Batch): Promise<boolean> => {
    try {
      const answer = await ask(shard, (object) => object.append({ ...batch, sentAt: clock.now() }))
      const { stoppedUntil: until, problems: found = {} } = answer
      if (until !== undefined) stop(until)
      else if (shard === own) isPolicyStored = true
      if (shard !== FIRST) waitUntil(tell(found))
      return true
    } catch (error) {
      log({ event: 'audit_not_stored', error: String(error) })
      return false
    }
  }

  /** Reports what another shard has found to the shard that sends alerts. */
  const tell = async (found: Problems): Promise<void> => {
    const now = clock.now()
    if (Object.keys(found).length === 0 || now < toldMs + TELL_MS) return
    toldMs = now
    const failed = (error: unknown) => log({ event: 'audit_not_told', error: String(error) })
    await ask(FIRST, (object) => object.report(found)).catch(failed)
  }

  /** Sends nothing for a while. */
  const stop = (until: number): void => {
    pausedUntil = Math.min(until, clock.now() + PAUSE_MS)
    if (until === stoppedUntil) return
    stoppedUntil = until
    log({ event: 'audit_stopped', until: new Date(until).toISOString(), reason: 'rows_a_day' })
  }

  /** Keeps a batch for the next time, as far as there is room: records of strangers are dropped first. */
  const keep = (batch: Batch): void => {
    unsent.push(batch)
    const isOver = () => unsent.reduce((sum, one) => sum + sizeOf(one), 0) > MOST_WAITING
    for (const [at, one] of unsent.entries()) {
      if (!isOver()) return
      drop('overload', 'strangers', one.strangers.length)
      unsent[at] = { ...one, strangers: [] }
    }
    while (isOver()) drop('overload', 'issuers', sizeOf(unsent.shift() ?? batch))
  }

  const drop = (reason: Drop['reason'], share: Drop['share'], records = 1): void => {
    const before = drops.find((one) => one.reason === reason && one.share === share)
    const others = drops.filter((one) => one !== before)
    drops = [...others, { reason, share, records: records + (before?.records ?? 0) }]
  }

  return {
    rule,
    take(record: string, whose: Whose) {
      const now = clock.now()
      // A clock that went back does not prolong the pause.
      if (now < pausedUntil && now >= pausedUntil - PAUSE_MS) {
        drop('rows_a_day', whose === 'stranger' ? 'strangers' : 'issuers')
        return
      }
      if (whose !== 'stranger') known.push(record)
      else if (strangers.length < MOST_STRANGERS) strangers.push(record)
      else drop('overload', 'strangers')
      const since = now - handedMs
      const isUrgent = whose === 'refused' && since >= 0
      const wait = isUrgent ? Math.max(0, URGENT_MS - since) : LATEST_MS
      const due = known.length >= TOGETHER ? now : now + wait
      if (dueMs <= due && now < dueMs + OVERDUE_MS) return
      dueMs = due
      waitUntil(
        due === now
          ? handOver()
          : new Promise((done) => setTimeout(done, due - now)).then(() => handOver()),
      )
    },
    flush: () => handOver(true),
    policyHash: async () => (await policyNow())[0],
  }
}

type HashedPolicy = readonly [hash: string, text: string]

/** The policy as a member of a batch, unless it is too long to be stored. */
const storable = (policy: HashedPolicy): Pick<Batch, 'policy'> =>
  policy[1].length <= POLICY_CHARACTERS ? { policy } : {}

const sizeOf = ({ known, strangers }: Batch): number => known.length + strangers.length

/** Half of the SHA-256, as hexadecimal digits, and the text. */
const hashed = async (text: string): Promise<HashedPolicy> => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  const hash = [...new Uint8Array(digest, 0, 16)].map((b) => b.toString(16).padStart(2, '0'))
  return [hash.join(''), text]
}
