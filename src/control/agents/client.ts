import type { AgentStore } from '../../gate/model/agents.ts'
import { readBy } from '../../gate/platform/answers.ts'
import { createObjectCalls, type Objects, unbound } from '../../gate/platform/calls.ts'
import type { Background } from '../../gate/platform/system.ts'
import { REGISTRY_ANSWERS } from './answers.ts'
import { REGISTRY_NAME } from './feed.ts'

/** An object of `AgentRegistry`, with the methods that the gate needs. */
type Registry = {
  readonly [Name in keyof AgentStore]: (
    ...given: Parameters<AgentStore[Name]>
  ) => PromiseLike<Awaited<ReturnType<AgentStore[Name]>>>
}

/** Milliseconds for one attempt to read. */
const READ_MS = 5_000

/** The registry in its Durable Object. A change is tried once: it may be stored though its answer is lost. */
export function createAgentRegistry(
  objects: Objects<Registry>,
  jurisdiction: string | undefined,
  waitUntil: Background['waitUntil'],
): AgentStore {
  const ask = createObjectCalls({
    binding: 'AGENTS',
    objects,
    jurisdiction,
    answers: REGISTRY_ANSWERS,
    timeout: READ_MS,
    waitUntil,
  })
  const registry = () => {
    const placed = jurisdiction === undefined ? objects : objects.jurisdiction?.(jurisdiction)
    if (!placed) throw unbound('AGENTS')
    return readBy(REGISTRY_ANSWERS, placed.getByName(REGISTRY_NAME))
  }
  return {
    list: (query) => ask(REGISTRY_NAME, (object) => object.list(query)),
    get: (key) => ask(REGISTRY_NAME, (object) => object.get(key)),
    several: (agents) => ask(REGISTRY_NAME, (object) => object.several(agents)),
    alerts: (query) => ask(REGISTRY_NAME, (object) => object.alerts(query)),
    alert: (id) => ask(REGISTRY_NAME, (object) => object.alert(id)),
    change: async (change, act) => await registry().change(change, act),
    judge: async (judgement, act) => await registry().judge(judgement, act),
  }
}
