import type { Gate } from '../kit/gate.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { usualObjects } from '../kit/repository.ts'
import type { Members } from '../kit/signing.ts'
import { askGate, outcome, type Setting, type SettingOptions, startSetting } from './setting.ts'
import { sharedShards } from './shards.ts'

/** A gate whose clock a test puts forward, and whose objects it can call. */
export const clocked = async (objects: Readonly<Record<string, string>> = {}) =>
  ({
    bundle: await sharedShards(),
    durableObjects: { ...usualObjects(), CLOCK: 'Clock', ...objects },
    reaching: true,
  }) as const satisfies SettingOptions

/** Puts a gate's clock forward, and that of its objects. */
export const forward = (gate: Gate, ms: number) => gate.call('CLOCK', 'clock', 'forward', ms)

/** Gives a gate other variables, as a deployment does to an isolate that outlives it. */
export const change = (gate: Gate, vars: Members) => gate.call('CLOCK', 'clock', 'change', vars)

/** Has a gate wait long for what it gives up soon otherwise, so that a slow machine is no outage. */
export const makePatient = (gate: Gate) => gate.call('CLOCK', 'clock', 'stretch', 30)

/** Has it give up as soon as it does otherwise. */
export const makeImpatient = (gate: Gate) => gate.call('CLOCK', 'clock', 'stretch', 1)

/** The classes that {@link malform} and {@link hang} have a hold of. */
export const MALFORMED = {
  REVOCATIONS: 'MalformedRevocationShard',
  RATE_LIMITER: 'MalformedRateLimiter',
  REPLAYS: 'MalformedReplayShard',
  AUDIT_LOG: 'MalformedAuditLog',
  AGENTS: 'MalformedAgentRegistry',
  ASSERTION_KEY_SERVICE: 'MalformedAssertionKeyService',
  KEY_SERVICE: 'MalformedKeyService',
}

/** Has an object's method give this answer from now on, in a gate whose classes are `Malformed…`. */
export const malform = (gate: Gate, method: string, answer?: unknown) =>
  gate.call('CLOCK', 'clock', 'malform', method, answer)

/** Has a method of its objects answer nothing until this is called without one. */
export const hang = (gate: Gate, method?: string) => gate.call('CLOCK', 'clock', 'hang', method)

/** Has it give up in a tenth of the time. */
export const makeHasty = (gate: Gate) => gate.call('CLOCK', 'clock', 'stretch', 0.1)

/** Has its objects gather records and sightings for a moment only, so that no test waits for that, or as long as usual. */
export const gather = (gate: Gate, how: 'soon' | 'as usual') =>
  gate.call('CLOCK', 'clock', 'gather', how === 'soon')

/** An answer as a test compares it. */
export type Outcome = Awaited<ReturnType<typeof outcome>>

export const ALLOWED: Outcome = { status: 200, code: undefined }
export const UNKNOWN: Outcome = { status: 401, code: 'key_unknown' }
export const UNAVAILABLE: Outcome = { status: 503, code: 'keys_unavailable' }

/** A setting whose gate trusts an issuer for each test, so that each may break its own. */
export interface Issued extends Setting {
  /** What all gates of it are started with. */
  readonly options: SettingOptions
  of(name: string): Issuer
  /** A good token of that issuer, for all of the test. */
  good(name: string, header?: Members): Promise<string>
  /** What a token comes to; a good one of that issuer unless given. */
  use(name: string, more?: { readonly token?: string; readonly gate?: Gate }): Promise<Outcome>
}

/**
 * Starts an issuer of each name, and a gate, and so many like it in the same process; what is given for a
 * name is laid over its entry.
 */
export async function startIssued(
  wanted: Readonly<Record<string, Members>>,
  options: SettingOptions = {},
  beside = 0,
): Promise<Issued> {
  const names = Object.keys(wanted)
  const made = await Promise.all(names.map(async (name) => [name, await createIssuer()] as const))
  const issuers = new Map(made)
  const entries = made.map(([name, { issuer, jwksUri: jwks_uri }]) => [
    name,
    {
      issuer,
      jwks_uri,
      allow_insecure_http: true,
      agent_prefix: `${name}/`,
      max_lifetime: '24h',
      ...wanted[name],
    },
  ])
  const more = { ...options.more, ISSUERS: Object.fromEntries(entries) }
  const others = Array.from({ length: beside }, () => ({ more }))
  const all = { ...options, more, beside: others }
  const setting = await startSetting(all)
  const of = (name: string): Issuer => {
    const issuer = issuers.get(name)
    if (!issuer) throw new Error(`no issuer ${name}`)
    return issuer
  }
  // It does not end however far the gate's clock is put forward.
  const good = (name: string, header?: Members) =>
    of(name).mint({ exp: Math.floor(Date.now() / 1000) + 23 * 3_600 }, header)
  return {
    ...setting,
    options: all,
    of,
    good,
    async use(name, { gate = setting.gate, token } = {}) {
      const path = `/v1/${name}`
      return outcome(await askGate(gate, path, { token: token ?? (await good(name)) }))
    },
    async close() {
      await setting.close()
      await Promise.all(made.map(([, issuer]) => issuer.close()))
    },
  }
}
