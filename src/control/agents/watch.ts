import {
  type AgentEntry,
  type AgentKey,
  type AgentTerms,
  FURTHER,
  keyOf,
  keyText,
  type Sighting,
} from '../../gate/model/agents.ts'
import type { Act, ActTerms } from '../../gate/model/audit.ts'
import { type Revocation, revocationId, THROTTLE } from '../../gate/model/revocation.ts'
import type { Alert, Judgement, Quarantine, Watched, WatchRule } from '../../gate/model/watch.ts'
import type { Acts } from '../../gate/outbox/acts.ts'
import { inTime } from '../../gate/platform/calls.ts'
import { system } from '../../gate/platform/system.ts'
import type { AgentTable } from './store.ts'
import { learnedOf } from './watch-baseline.ts'
import { ALERT_MS, type Found, learn, mute, observe, type Sample } from './watch-signals.ts'
import { createAlertTable, createWatchStates } from './watch-store.ts'

const HOUR_MS = 3_600_000
/** Milliseconds for one attempt to quarantine. */
const CALL_MS = 10_000
/** The storage key of the agents that were quarantined, and when. */
const STOPPED = 'quarantined'

/** The primary shard of the revocation set, as far as a quarantine needs it. */
export interface QuarantineSet {
  add(entries: readonly Revocation[]): PromiseLike<object>
  remove(id: string): PromiseLike<boolean>
}

interface WatchOptions {
  readonly storage: DurableObjectStorage
  readonly acts: Acts
  readonly set: () => QuarantineSet
  readonly waitUntil: (promise: Promise<unknown>) => void
  readonly table: Pick<AgentTable, 'spend' | 'isShared'>
}

/** Watches agents inside the registry's object: learns what they do, makes alerts, and stops an agent for a while. */
export function createWatch(options: WatchOptions) {
  const { storage, acts, set, table, waitUntil } = options
  const { kv } = storage
  let rows: Pick<AgentTerms, 'maxRows' | 'issuers'> = { maxRows: Number.POSITIVE_INFINITY }
  const states = createWatchStates(storage, (key) => table.spend(issuerIn(key), rows))
  const alerts = createAlertTable(storage)

  /** When agents were stopped within the last hour, without those whose alert a person has judged. */
  const stoppedNow = (): Record<string, number> => {
    const all = Object.entries(kv.get<Record<string, number>>(STOPPED) ?? {})
    return Object.fromEntries(all.filter(([, at]) => at > Date.now() - HOUR_MS))
  }

  /**
   * Whether an alert stops its agent. If there are several issuers, each may use at most half of the limit.
   * Refusals stop nobody: whoever has an old token of the agent could cause them.
   */
  const stops = ({ action, atMost }: WatchRule, { signal }: Found, agent: AgentKey): boolean => {
    if (action === 'alert' || signal === 'refusals') return false
    const stopped = Object.keys(stoppedNow())
    const own = stopped.filter((key) => keyOf(key).issuer === agent.issuer)
    const share = table.isShared() ? Math.ceil(atMost / 2) : atMost
    return own.includes(keyText(agent)) || (stopped.length < atMost && own.length < share)
  }

  const alertOf = async (
    sighting: Sighting,
    rule: WatchRule,
    found: Found,
    terms: ActTerms,
  ): Promise<Alert> => {
    const { issuer, agent, name, requests } = sighting
    const { signal, usual, seen, lesson } = found
    const at = Date.now()
    const subject = { kind: 'agent', issuer, value: agent } as const
    const { action, throttle } = rule
    const entry = {
      id: await revocationId(subject, action === THROTTLE ? THROTTLE : 'block', 'watch'),
      ...(action === THROTTLE && { throttle }),
      until: at + rule.duration * 1000,
    }
    const isStopped = stops(rule, found, sighting)
    const what = { signal, usual, seen, requests, watch: rule.name }
    const about = {
      ...{ at, issuer, agent, ...(name !== undefined && { name }), ...what },
      ...(isStopped && { quarantine: entry }),
      ...(!isStopped && action !== 'alert' && { not_stopped: true as const }),
    }
    const alert = storage.transactionSync(() => {
      const made = alerts.add(about, lesson)
      if (isStopped) kv.put(STOPPED, { ...stoppedNow(), [keyText(sighting)]: at })
      const quarantine = isStopped && { quarantine: entry.id }
      const act = { issuer, agent, act: 'alert', alert: made.id, ...what, ...quarantine }
      acts.noteOwn(terms, act, at)
      return made
    })
    if (isStopped) waitUntil(stop(alert, entry))
    return alert
  }

  /** Revokes the agent of an alert for a while. Never rejects. */
  const stop = async (alert: Alert, entry: Quarantine): Promise<void> => {
    const { id, at, issuer, agent, signal } = alert
    const revocation: Revocation = {
      ...{ id: entry.id, kind: 'agent', issuer, value: agent },
      ...(entry.throttle ? { mode: THROTTLE, limit: entry.throttle } : { mode: 'block' }),
      expires: Math.ceil(entry.until / 1000),
      created: Math.floor(at / 1000),
      createdBy: 'edgewarden watch',
      reason: `alert ${id}: ${signal}`,
    }
    try {
      const answer = await inTime(() => set().add([revocation]), CALL_MS)
      if ('full' in answer) throw new Error('the revocation set is full')
    } catch (error) {
      system.log({ event: 'agent_not_quarantined', alert: id, error: String(error) })
      alerts.change({ ...alert, quarantine: { ...entry, failed: true } })
    }
  }

  return {
    list: alerts.list,
    find: alerts.find,

    /** What was learned of an agent so far. */
    learned: (agent: AgentKey): readonly Watched[] =>
      [...states.find(beginningOf(agent))].map(([key, state]) => {
        const [, , watch] = JSON.parse(key) as readonly [string, string, string]
        return { watch, ...learnedOf(state, Date.now()) }
      }),

    /** Forgets what was learned as usual for these agents. */
    forget(agents: readonly AgentKey[]): void {
      for (const agent of agents) states.drop(beginningOf(agent))
    },

    /** Watches what was seen, and makes alerts. Agents in `changed` came with code that is not approved. Never rejects. */
    async observe(
      sightings: readonly Sighting[],
      terms: AgentTerms,
      changed: readonly AgentEntry[] = [],
    ): Promise<void> {
      const { watch } = terms
      if (!watch) return
      rows = terms
      for (const sighting of sightings) {
        const rule = watch.rules.find(({ name }) => name === sighting.watch)
        if (!rule) continue
        const state = states.use(stateKey(rule.name, sighting))
        const now = Math.min(sighting.last, Date.now())
        const entry = changed.find((one) => keyText(one) === keyText(sighting))
        const found = observe(state, sampleOf(sighting, entry), now, rule.signals)
        for (const one of found) {
          const { quarantine } = await alertOf(sighting, rule, one, watch.acts)
          // An agent that goes on after its quarantine is stopped again.
          if (quarantine) mute(state, one.signal, quarantine.until)
        }
        if (found.length > 0) states.store(stateKey(rule.name, sighting))
      }
      states.storeLater()
    },

    /** Notes the verdict of a person on an alert; `undefined` if there is no such alert. */
    async judge({ id, verdict, by }: Judgement, act?: Act): Promise<Alert | undefined> {
      const known = alerts.find(id)
      if (!known) return undefined
      const { quarantine } = known
      // A quarantine that is over is not lifted: a later alert may have made another of the same id.
      const isOn = quarantine && !quarantine.lifted && quarantine.until > Date.now()
      const lifts = isOn && verdict !== 'suspend'
      if (lifts) await set().remove(quarantine.id)
      const { signal } = known
      const key = stateKey(known.watch, known)
      if (verdict === 'dismiss' && known.verdict?.is !== 'dismiss') {
        learn(states.use(key), { signal, lesson: alerts.lessonOf(id) }, Date.now())
      } else if (verdict === 'release') mute(states.use(key), signal, Date.now() + ALERT_MS)
      states.store(key)
      const judged = {
        ...known,
        ...(lifts && { quarantine: { ...quarantine, lifted: true as const } }),
        verdict: { is: verdict, at: Date.now(), by },
      }
      storage.transactionSync(() => {
        alerts.change(judged)
        if (lifts) alerts.lift(known, quarantine.id)
        const { [keyText(known)]: _, ...others } = stoppedNow()
        kv.put(STOPPED, others)
        acts.note(act, {
          act: verdict,
          alert: id,
          entries: [{ kind: 'agent', issuer: known.issuer, value: known.agent }],
        })
      })
      return judged
    },
  }
}

const stateKey = (name: string, agent: AgentKey): string =>
  JSON.stringify([agent.issuer, agent.agent, name])

const issuerIn = (key: string): string => (JSON.parse(key) as [string])[0]

/** What the keys of all states of an agent begin with. */
const beginningOf = (agent: AgentKey): string => `${keyText(agent).slice(0, -1)},`

/**
 * A network as it is watched: 16 bits of an IPv4 address, 32 of an IPv6 address. A region of a cloud provider has few
 * such networks.
 */
const widened = (network: string): string => {
  const [, four] = /^(\d+\.\d+)\./.exec(network) ?? []
  return four ? `${four}.0.0/16` : `${network.split(':').slice(0, 2).join(':')}::/32`
}

const changedOf = ({ fields: { checksums: approved = [] }, seen }: AgentEntry) => ({
  approved,
  seen: (seen?.checksums ?? []).filter((one) => !approved.includes(one)),
})

const sampleOf = (sighting: Sighting, changed: AgentEntry | undefined): Sample => ({
  ...(changed && { changed: changedOf(changed) }),
  requests: sighting.allowed,
  refusals: sighting.probes,
  asks: sighting.asks ?? 0,
  uses: sighting.uses,
  scopes: sighting.used,
  countries: sighting.countries,
  networks: [...new Set(sighting.networks.map((one) => (one === FURTHER ? one : widened(one))))],
  tokens: sighting.tokens.map((text) => [text.slice(3), text.slice(0, 2)]),
})
