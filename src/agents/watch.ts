import type { createActs } from '../audit/acts.ts'
import { type AgentTerms, keyText, type Sighting } from '../core/model/agents.ts'
import type { Act, ActTerms } from '../core/model/audit.ts'
import { type Revocation, revocationId } from '../core/model/revocation.ts'
import type { Alert, Judgement, Quarantine, WatchRule } from '../core/model/watch.ts'
import { inTime } from '../platform/calls.ts'
import { system } from '../platform/system.ts'
import { createAlertTable } from './watch-alerts.ts'
import { type Found, learn, observe, type Sample } from './watch-signals.ts'
import { createWatchStates } from './watch-states.ts'

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
  readonly acts: ReturnType<typeof createActs>
  readonly set: () => QuarantineSet
  readonly waitUntil: (promise: Promise<unknown>) => void
  /** Counts a row, of so many in a day; false if they are used up. */
  readonly spend: (most: number) => boolean
}

/** Watches agents inside the registry's object: learns what they do, tells alerts, and stops an agent for a while. */
export function createWatch({ storage, acts, set, spend, waitUntil }: WatchOptions) {
  const { kv } = storage
  let mostRows = Number.POSITIVE_INFINITY
  const states = createWatchStates(storage, () => spend(mostRows))
  const alerts = createAlertTable(storage)

  /** Agents that were quarantined within an hour, without those that a person has judged. */
  const stoppedNow = (): Record<string, number> => {
    const all = Object.entries(kv.get<Record<string, number>>(STOPPED) ?? {})
    return Object.fromEntries(all.filter(([, at]) => at > Date.now() - HOUR_MS))
  }
  const forget = (alert: Alert): void => {
    const { [keyText(alert)]: _, ...others } = stoppedNow()
    kv.put(STOPPED, others)
  }

  /** Whether an alert stops its agent. Who has an old token could be refused on purpose, so refusals never do. */
  const stops = ({ action, atMost }: WatchRule, { signal }: Found, key: string): boolean => {
    if (action !== 'quarantine' || signal === 'refusals') return false
    const stopped = stoppedNow()
    return key in stopped || Object.keys(stopped).length < atMost
  }

  const tell = async (
    sighting: Sighting,
    rule: WatchRule,
    found: Found,
    terms: ActTerms,
  ): Promise<void> => {
    const { issuer, agent, name, requests } = sighting
    const { signal, usual, seen, lesson } = found
    const at = Date.now()
    const subject = { kind: 'agent', issuer, value: agent } as const
    const entry = {
      id: await revocationId(subject, 'block', 'watch'),
      until: at + rule.duration * 1000,
    }
    const isStopped = stops(rule, found, keyText(sighting))
    const what = { signal, usual, seen, requests, watch: rule.name }
    const alert = storage.transactionSync(() => {
      const made = alerts.add(
        {
          ...{ at, issuer, agent, ...(name !== undefined && { name }), ...what },
          ...(isStopped && { quarantine: entry }),
          ...(!isStopped && rule.action === 'quarantine' && { not_stopped: true as const }),
        },
        lesson,
      )
      if (isStopped) kv.put(STOPPED, { ...stoppedNow(), [keyText(sighting)]: at })
      const { id, quarantine } = made
      const told = {
        act: 'alert',
        alert: id,
        ...what,
        ...(quarantine && { quarantine: quarantine.id }),
      }
      acts.note(actOf(made, terms), told)
      return made
    })
    if (isStopped) waitUntil(stop(alert, entry))
  }

  /** Revokes the agent of an alert for a while. Never rejects. */
  const stop = async (alert: Alert, entry: Quarantine): Promise<void> => {
    const { id, at, issuer, agent, signal } = alert
    const revocation: Revocation = {
      ...{ id: entry.id, kind: 'agent', issuer, value: agent, mode: 'block' },
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

    /** Watches what was seen. Resolves once what follows from it has happened. Rejects for nothing. */
    async observe(sightings: readonly Sighting[], { watch, maxRows }: AgentTerms): Promise<void> {
      if (!watch) return
      mostRows = maxRows
      for (const sighting of sightings) {
        const rule = watch.rules.find(({ name }) => name === sighting.watch)
        if (!rule) continue
        const state = states.use(stateKey(rule.name, sighting))
        const now = Math.min(sighting.last, Date.now())
        const found = observe(state, sampleOf(sighting), now, rule.signals)
        if (found.length > 0) states.store(stateKey(rule.name, sighting))
        for (const one of found) await tell(sighting, rule, one, watch.acts)
      }
      states.storeLater()
    },

    /** Notes what a person says of an alert; `undefined` where there is no such. A second time changes nothing. */
    async judge({ id, verdict, by, issuer }: Judgement, act?: Act): Promise<Alert | undefined> {
      const known = alerts.find(id)
      if (!known || (issuer !== undefined && known.issuer !== issuer)) return undefined
      const { quarantine } = known
      const lifts = verdict !== 'suspend' && quarantine && !quarantine.lifted
      if (lifts) await set().remove(quarantine.id)
      const key = stateKey(known.watch, known)
      if (verdict === 'dismiss' && known.verdict?.is !== 'dismiss') {
        learn(states.use(key), { signal: known.signal, lesson: alerts.lessonOf(id) }, Date.now())
        states.store(key)
      }
      const judged = {
        ...known,
        ...(lifts && { quarantine: { ...quarantine, lifted: true as const } }),
        verdict: { is: verdict, at: Date.now(), by },
      }
      storage.transactionSync(() => {
        alerts.change(judged)
        if (lifts) alerts.lift(known, quarantine.id)
        forget(known)
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

const stateKey = (name: string, agent: Pick<Alert, 'issuer' | 'agent'>): string =>
  JSON.stringify([name, agent.issuer, agent.agent])

/** An act of the gate's own: an alert is there once, however often it is sent. */
const actOf = ({ at, issuer, agent }: Alert, terms: ActTerms): Act => {
  const id = crypto.randomUUID()
  const record = { v: 1, kind: 'act', id, time: new Date(at).toISOString(), issuer, agent }
  return { ...terms, id, record: JSON.stringify(record) }
}

/** A network as it is watched: 16 bits of an IPv4 address, 32 of an IPv6 address. A cloud's region has few of those. */
const widened = (network: string): string => {
  const [, four] = /^(\d+\.\d+)\./.exec(network) ?? []
  return four ? `${four}.0.0/16` : `${network.split(':').slice(0, 2).join(':')}::/32`
}

const sampleOf = (sighting: Sighting): Sample => ({
  requests: sighting.allowed,
  refusals: sighting.probes,
  bytes: sighting.bytes,
  uses: [...sighting.uses.keys()],
  scopes: sighting.used,
  countries: sighting.countries,
  networks: [...new Set(sighting.networks.map(widened))],
  tokens: [...sighting.tokens].flatMap(([token, places]) =>
    places.flatMap((place) => {
      const [, country] = /^([A-Z][A-Z0-9])(?: |$)/.exec(place) ?? []
      return country ? [[token, country] as const] : []
    }),
  ),
})
