import { type JsonObject, parseJsonObject } from '../base/json.ts'
import type { Act, ActTerms } from '../model/audit.ts'
import { createObjectCalls, type Objects } from '../platform/calls.ts'
import { system } from '../platform/system.ts'
import { STORE_ANSWERS } from './answers.ts'
import type { Batch, RecordStore } from './protocol.ts'

/** Beginning of the storage keys of acts. */
const PREFIX = 'act:'
/** Most acts that are sent at a time. */
const TOGETHER = 100
/** Most characters of one act. */
const MOST_CHARACTERS = 500_000
/** Milliseconds for one attempt. */
const CALL_MS = 5_000
/** The audit's object that stores all acts. */
const SHARD = '0'

export type Acts = ReturnType<typeof createActs>

/**
 * Acts of administrators. The object that changes something stores them, and sends them to the audit until it has them.
 * So changes go on while the audit is down, and the audit has each act once. Without an audit they wait.
 */
export function createActs({ kv }: DurableObjectStorage, env: object) {
  const { AUDIT_LOG: objects } = env as { readonly AUDIT_LOG?: Objects<RecordStore> }
  const note = (by: Act | undefined, what: JsonObject): void => {
    if (!by) return
    const { record, ...act } = by
    const text = JSON.stringify({ ...parseJsonObject(record), ...what })
    kv.put(PREFIX + by.id, { ...act, record: text } satisfies Act)
  }
  return {
    /**
     * Stores an act. Call it without an `await` between the call and the change, so that both are stored or neither is.
     */
    note,

    /**
     * Stores an act that no administrator causes, as `note` does; none without terms. `at`: milliseconds since the epoch.
     * The id is made here, so that an act that is sent several times is stored once.
     */
    noteOwn(terms: ActTerms | undefined, what: JsonObject, at = Date.now()): void {
      const id = crypto.randomUUID()
      const record = { v: 1, kind: 'act', id, time: new Date(at).toISOString() }
      note(terms && { ...terms, id, record: JSON.stringify(record) }, what)
    },

    /** Whether the audit lacks acts. */
    isPending: (): boolean => {
      if (!objects) return false
      const [first] = kv.list({ prefix: PREFIX, limit: 1 })
      return first !== undefined
    },

    /** Sends acts to the audit. Never rejects. */
    async send(): Promise<void> {
      const acts = objects ? [...kv.list<Act>({ prefix: PREFIX, limit: TOGETHER })] : []
      const send = async (key: string, { id, record, jurisdiction, ...terms }: Act) => {
        const ask = createObjectCalls<RecordStore>({
          binding: 'AUDIT_LOG',
          objects,
          jurisdiction,
          answers: STORE_ANSWERS,
          timeout: CALL_MS,
        })
        const batch: Batch = { id, known: [], strangers: [], acts: [record], ...terms }
        await ask(SHARD, (shard) => shard.append(batch))
        kv.delete(key)
      }
      await Promise.all(acts.map(([key, act]) => send(key, act).catch(notStored)))
    },
  }
}

const notStored = (error: unknown) => system.log({ event: 'act_not_stored', error: String(error) })

/** The entries of an act; if they are too long, only id, kind and issuer of each. */
export function entriesOf(entries: readonly object[]): JsonObject {
  if (JSON.stringify({ entries }).length <= MOST_CHARACTERS) return { entries }
  const short = ({ id, kind, issuer }: JsonObject) => ({ id, kind, issuer })
  return { entries: (entries as readonly JsonObject[]).map(short) }
}
