import { LIMITS } from '../../base/limits.ts'
import { type Revocation, subjectKey, THROTTLE } from '../../model/revocation.ts'
import { COUNT } from '../../platform/answers.ts'
import { createObjectCalls, type Objects } from '../../platform/calls.ts'
import { system } from '../../platform/system.ts'

/** Beginning of the storage keys of subjects whose approvals are still to end. */
const PREFIX = 'end:'
/** Most that are sent at a time. */
const TOGETHER = 100
/** The name of the only object of approvals. */
const NAME = 'approvals'

export type Endings = ReturnType<typeof createEndings>

type ApprovalObjects = Objects<{ end(subjects: readonly string[]): PromiseLike<number> }>

/**
 * Ends the approvals of calls that an entry of the set stops, so that none is left once the entry is lifted. Also where
 * no rule has `approval` now: an earlier policy may have asked for them. What fails is stored and sent again, and may then
 * also end an approval that was asked for later. Does nothing without the binding `APPROVALS`.
 */
export function createEndings({ id, storage: { kv } }: DurableObjectState, env: object) {
  const { APPROVALS: objects } = env as { readonly APPROVALS?: ApprovalObjects }
  const ask = createObjectCalls({
    ...{ binding: 'APPROVALS', objects, jurisdiction: id.jurisdiction },
    ...{ answers: { end: COUNT }, timeout: LIMITS.replayMs },
  })
  const tell = (subjects: readonly string[]) => ask(NAME, (store) => store.end(subjects))
  const notEnded = (error: unknown) =>
    system.log({ event: 'approvals_not_ended', error: String(error) })
  const left = (limit: number) => [...kv.list<readonly string[]>({ prefix: PREFIX, limit })]

  return {
    /** Ends the approvals that these entries stop. Never rejects: the entries themselves refuse the calls. */
    async end(entries: readonly Revocation[]): Promise<void> {
      const stopping = entries.filter(({ mode }) => mode !== THROTTLE && mode !== 'approved')
      if (!objects || stopping.length === 0) return
      const subjects = stopping.map(subjectKey)
      await tell(subjects).catch((error) => {
        kv.put(PREFIX + crypto.randomUUID(), subjects)
        notEnded(error)
      })
    },

    /** Whether approvals are still to end. */
    isPending: (): boolean => objects !== undefined && left(1).length > 0,

    /** Sends again what has failed. Never rejects. */
    async send(): Promise<void> {
      const sent = left(objects ? TOGETHER : 0).map(async ([key, subjects]) => {
        await tell(subjects)
        kv.delete(key)
      })
      await Promise.all(sent.map((one) => one.catch(notEnded)))
    },
  }
}
