import { void_ } from 'valibot'
import type { AgentTerms, Sighting } from '../../gate/model/agents.ts'
import type { Batch } from '../../gate/outbox/protocol.ts'
import { createObjectCalls, type Objects } from '../../gate/platform/calls.ts'
import { system } from '../../gate/platform/system.ts'
import { beginWait, type Wait } from '../../gate/platform/wait.ts'
import type { Written } from '../records/terms.ts'
import { createSightings } from './sightings.ts'

/** The name of the registry's only object. */
export const REGISTRY_NAME = 'registry'
/** Sightings of one call: 15 MB at most. The platform allows 32 MB. */
const TOGETHER = 200
/** Milliseconds for which sightings are gathered, and for one attempt to send them. */
export const FEED = { ms: 3_000, callMs: 5_000 }

/** The registry's objects, as far as the audit needs them. */
export type AgentObjects = Objects<{
  observe(sightings: readonly Sighting[], terms: AgentTerms, call: string): PromiseLike<void>
}>

/** What the feed needs of a batch. */
interface Stored extends Pick<Batch, 'agents' | 'sentAt'> {
  readonly known: readonly Pick<Written, 'record'>[]
}

/**
 * Creates a function that sends what was seen of agents to the registry, some seconds after it was stored, or at once
 * after a step of the clock: see {@link beginWait}. Nobody waits for it, and it never fails. A call that failed is
 * repeated under the same id before the next call. A restart loses what was not sent.
 */
export function createAgentFeed({ AGENTS: objects }: { readonly AGENTS?: AgentObjects }) {
  const sightings = createSightings()
  /** Calls to send, in order. The first may be a call that failed, and is sent again. */
  const calls: { readonly id: string; readonly some: readonly Sighting[] }[] = []
  let wait: Wait | undefined

  const next = () => {
    const all = calls.length > 0 ? [] : [...sightings.take()]
    while (all.length > 0) calls.push({ id: crypto.randomUUID(), some: all.splice(0, TOGETHER) })
    return calls[0]
  }
  const tell = async (terms: AgentTerms): Promise<void> => {
    const ask = createObjectCalls({
      binding: 'AGENTS',
      objects,
      jurisdiction: terms.jurisdiction,
      answers: { observe: void_() },
      timeout: FEED.callMs,
    })
    for (let call = next(); call; call = next()) {
      const { id, some } = call
      try {
        await ask(REGISTRY_NAME, (registry) => registry.observe(some, terms, id))
        calls.shift()
      } catch (error) {
        system.log({ event: 'agents_not_told', agents: some.length, error: String(error) })
        break
      }
    }
    wait = undefined
  }

  return ({ known, agents: terms, sentAt }: Stored): void => {
    if (!objects || !terms) return
    try {
      for (const { record } of known) sightings.add(record, terms)
    } catch (error) {
      // The records are already stored: an error here would make the caller send them again.
      system.log({ event: 'agents_not_seen', error: String(error) })
    }
    if (!wait) {
      if (sightings.isEmpty() && calls.length === 0) return
      wait = beginWait(FEED.ms)
      void wait.over.then(() => tell(terms))
    }
    wait.hear(sentAt)
  }
}
