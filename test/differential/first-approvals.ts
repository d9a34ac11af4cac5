/** The gate's approvals in this process: its own store over SQLite, without an object around it. */
import { DatabaseSync } from 'node:sqlite'
import type { Sql } from '../../src/gate/approvals/object/rows.ts'
import { createApprovalStore } from '../../src/gate/approvals/object/store.ts'
import type { Approvals, ApprovalTerms } from '../../src/gate/model/approval.ts'
import type { Decided, Request, World } from '../reference/types.ts'
import type { Change } from './shapes.ts'
import { standingAgent } from './world.ts'

/** SQLite as an object has it. */
function openSql(): Sql {
  const database = new DatabaseSync(':memory:')
  const exec = (query: string, ...bound: (string | number | null)[]) => {
    if (query.startsWith('CREATE')) database.exec(query)
    const rows = query.startsWith('CREATE') ? [] : database.prepare(query).all(...bound)
    return Object.assign(rows.values(), { toArray: () => rows, one: () => rows[0] })
  }
  return { exec } as unknown as Sql
}

type Store = ReturnType<typeof createApprovalStore>

/** Everything that the gate needs of approvals, and what people do meanwhile. */
export interface FirstApprovals {
  readonly port: Approvals
  /** The policy in force, as text. */
  deploy(policy: string): void
  /** The world and the request from now on. */
  ask(world: World, request: Request): void
  /** What people decide, how other calls wait, and what ends approvals. */
  change(change: Change, ended: readonly string[]): void
}

const PERSON = { issuer: 'https://people.example', subject: 'maria' }

/** Terms of calls that have room. */
const ANY: Omit<ApprovalTerms, 'within'> = {
  ...{ anHour: 1e6, aDay: 1e6, waiting: { agent: 1e6, issuer: 1e6, all: 1e6 } },
}

export function createFirstApprovals(clock: { at: number; now: () => number }): FirstApprovals {
  let opened: Store | undefined
  const store = () => {
    opened ??= createApprovalStore({ sql: openSql() }, clock)
    return opened
  }
  let policy = ''
  let world: World
  let request: Request
  let others = 0
  const digests = new Map<string, string>()
  const reach = () => {
    if (world.unavailable.approvals) throw new Error('down')
    return store()
  }
  const decide = (id: string, does: Decided) => {
    const state = does === 'refused' ? does : 'granted'
    const standing = typeof does === 'object' && { standing: does }
    const decision = { by: PERSON, digest: 'shown', reason: 'so', state, ...standing } as const
    store().decide(id, decision, () => {})
    if (does === 'taken') store().take(digests.get(id) ?? '', 'a copy')
  }
  return {
    deploy(next) {
      policy = next
    },
    ask(now, sent) {
      world = now
      request = sent
    },
    change({ decided, withdrawn, others: more = [] }, ended) {
      const is = (state: string) => (id: string) => store().get(id)?.state === state
      const waiting = decided ? [...digests.keys()].filter(is('waiting')).reverse() : []
      for (const [i, id] of waiting.slice(0, decided?.length).entries()) {
        decide(id, decided?.[i] ?? 'granted')
      }
      const granted = withdrawn && [...digests.keys()].findLast(is('granted'))
      if (granted) store().withdraw(granted, () => {})
      for (const { issuer, agent: first, count, within, standing } of more) {
        for (let i = 0; i < count; i++) {
          const agent = standing ? standingAgent(first, i) : first
          const digest = `other-${others++}`
          const call = { digest, alike: digest, policy: '', issuer, agent, shown: '{}' }
          const asked = store().ask({ ...call, subjects: [] }, { ...ANY, within }, () => {})
          if (standing && asked.ok) decide(asked.value.id, { uses: 1, ms: within })
        }
      }
      if (ended.length > 0 && opened) opened.end(ended)
    },
    port: {
      policyHash: async () => policy,
      async ask(call, terms) {
        const asked = reach().ask(call, terms, () => {})
        if (asked.ok) digests.set(asked.value.id, call.digest)
        return asked
      },
      get: async (id) => reach().get(id),
      list: async (query) => reach().list(query),
      counts: async () => reach().counts(),
      decide: async (id, decision) => reach().decide(id, decision, () => {}),
      withdraw: async (id) => reach().withdraw(id, () => {}),
      async hold(approval, { ms }) {
        const { person } = request
        const most = Math.min(ms, approval.expires - clock.at)
        const waited = Math.min(most, person?.after ?? most)
        clock.at += waited
        if (person && waited < most) decide(approval.id, person.does)
        return { ok: true, value: reach().get(approval.id) ?? approval }
      },
      take: async (digest, standing) => reach().take(digest, crypto.randomUUID(), standing),
    },
  }
}
