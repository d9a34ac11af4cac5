import { inject } from 'vitest'
import type { Members } from '../kit/signing.ts'
import { type GateName, GRANTED } from './denial-cases.ts'
import { withLimits } from './hurried.ts'
import { OPENING } from './sealed.ts'
import { sharedShards } from './shards.ts'
import { type Sender, startWorld, type World } from './world.ts'

/** Every gate that the denial cases happen at, before the issuers and the origin of one world. */
export interface DenialGates {
  readonly world: World
  readonly gates: Readonly<Record<GateName, Sender>>
  close(): Promise<void>
}

/** A server that has no method to ask how often an address was seen, were it there. */
const NO_COUNTER = 'http://127.0.0.1:9'

/** Starts them in one process, all with this laid over GATE; there are few, as each takes its time. */
export async function startDenialGates(
  options: { readonly gate?: Members; readonly routes?: readonly Members[] } = {},
): Promise<DenialGates> {
  const [bundle, hurry] = await Promise.all([
    sharedShards(),
    withLimits(inject('bundle'), { bodyReadMs: 1_000, ofOne: 1_024 }),
  ])
  const world = await startWorld({
    ...options,
    issuers: GRANTED.issuers,
    start: {
      ...OPENING,
      vars: { ...OPENING.vars, GRANTS: GRANTED.grants },
      bundle,
      services: { RL_ADDRESS: NO_COUNTER },
    },
    beside: [
      { gate: { insecure_http: false } },
      { gate: { no_such_key: 'confidential-value' } },
      {
        gate: { assertion: 'body' },
        bundle: hurry.path,
        durableObjects: {
          REVOCATIONS: 'FaultyShard',
          RATE_LIMITER: 'UnreachableShard',
          REPLAYS: 'UnreachableShard',
          AGENTS: 'FaultyShard',
        },
      },
      { gate: { dpop_nonce: true }, durableObjects: { ASSERTION_KEY_SERVICE: 'UnreachableShard' } },
      { gate: { address_limit: { limit: 1, period: '1d' } } },
      { gate: { address_limit: { binding: 'RL_ADDRESS' } } },
      { durableObjects: { AUDIT_LOG: 'AuditLog' } },
      { durableObjects: { AUDIT_LOG: 'UnreachableShard' } },
      { gate: { dpop_nonce: true } },
    ],
  })
  const [strictHttp, invalid, faulty, unsigned, flooded, unaddressed, audited, unaudited, nonces] =
    world.beside as Senders
  await flooded.send({})
  return {
    world,
    gates: {
      main: world,
      strictHttp,
      invalid,
      faulty,
      unsigned,
      flooded,
      unaddressed,
      audited,
      unaudited,
      nonces,
    },
    async close() {
      await world.close()
      await hurry.remove()
    },
  }
}

type Senders = [Sender, Sender, Sender, Sender, Sender, Sender, Sender, Sender, Sender]
