import type { CryptoKey } from 'jose'
import { readBody } from '../../../src/gate/base/body.ts'
import { utf8Decode } from '../../../src/gate/base/bytes.ts'
import { freshnessOf } from '../../../src/gate/base/freshness.ts'
import { parseJsonObject } from '../../../src/gate/base/json.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { fail, ok } from '../../../src/gate/base/result.ts'
import { type InFlight, isInFlight, share } from '../../../src/gate/base/single-flight.ts'
import { fetchedWithin } from '../../../src/gate/base/timeout.ts'
import type { Algorithm } from '../../../src/gate/model/issuer.ts'
import { createKeySet, type KeySet, publicKeys } from '../../../src/gate/model/key-set.ts'
import type { Clock } from '../../../src/gate/model/ports.ts'
import { AgentError } from './errors.ts'

/** The options of a key request. */
export interface KeyRequestInit {
  readonly headers: Readonly<Record<string, string>>
  readonly redirect: 'manual'
  readonly signal: AbortSignal
}

/** The part of `fetch` that keys need. */
export type KeyFetch = (url: string, init: KeyRequestInit) => Promise<Response>

/** Seconds for which a key set is fresh: minimum, maximum and default. */
const FRESH = { least: 60, most: 3_600, usual: 600 } as const

/** The request's tools for fetching keys. */
export interface KeyTools {
  readonly fetch: KeyFetch
  readonly clock: Clock
  /** Keeps a renewal alive after the answer, on runtimes that would end it. */
  readonly waitUntil: (promise: Promise<unknown>) => void
}

/** Finds keys of the gate. Rejects with `key_unknown` or `keys_unavailable`. */
export interface GateKeys {
  find(kid: string, algorithm: Algorithm, tools: KeyTools): Promise<CryptoKey>
}

/** All times are in milliseconds. */
const TIMES = {
  /** Pause between fetches for unknown key ids. */
  cooldown: 30_000,
  /** Pause after a failed fetch. */
  failure: 5_000,
  /** The age limit of keys while fetches fail (RFC 5861 §4). */
  staleIfError: 24 * 3_600_000,
  /** Time until a fetch counts as lost: its request may have ended. */
  lost: LIMITS.fetchMs + 1_000,
} as const

interface Held {
  readonly set: KeySet
  readonly fetchedAt: number
  readonly freshMs: number
}

const FETCH = 'fetch'

/**
 * Caches the keys of one address in memory. At most one fetch runs at a time. Keys are renewed in
 * the background after half their freshness, and for an unknown `kid` once per cooldown. They last
 * a day while fetches fail. Create one per process, not per request.
 */
export function createGateKeys(uri: string, algorithms: readonly Algorithm[]): GateKeys {
  let held: Held | undefined
  const inFlight: InFlight<true> = new Map()
  let askedAt = Number.NEGATIVE_INFINITY
  /** The failure of the last fetch. */
  let failure: { readonly at: number; readonly reason: string } | undefined

  const load = async ({ fetch, clock }: KeyTools): Promise<true> => {
    askedAt = clock.now()
    const fetched = await fetchKeys(uri, fetch)
    const at = clock.now()
    failure = fetched.ok ? undefined : { at, reason: fetched.reason }
    if (fetched.ok) {
      const { keys, freshMs } = fetched.value
      held = { set: createKeySet(keys, algorithms, held?.set), fetchedAt: at, freshMs }
    }
    return true
  }

  const isWaitedOut = ({ clock }: KeyTools) =>
    failure !== undefined && clock.now() - failure.at < TIMES.failure

  /** Joins the running fetch, or starts one; starts another if the first was lost with its request. */
  const ask = async (tools: KeyTools): Promise<void> => {
    const terms = { ...tools, maxAgeMs: TIMES.lost }
    const isAnswered = await share(inFlight, FETCH, terms, () => load(tools))
    if (!isAnswered) failure = { at: tools.clock.now(), reason: 'timeout' }
  }

  const unavailable = () => {
    const detail = `${uri}: ${failure?.reason ?? 'too old'}`
    return new AgentError('keys_unavailable', { detail })
  }

  /** Usable keys. Waits for a fetch unless they are fresh, or stale while fetches fail. */
  const present = async (tools: KeyTools): Promise<Held> => {
    const { clock } = tools
    const age = held ? clock.now() - held.fetchedAt : Number.POSITIVE_INFINITY
    const freshMs = held?.freshMs ?? 0
    const isWaiting = age >= freshMs && !(failure && age < TIMES.staleIfError)
    if (age >= freshMs / 2 && !isWaitedOut(tools)) {
      const asked = ask(tools)
      if (isWaiting) await asked
    }
    if (held && clock.now() - held.fetchedAt < TIMES.staleIfError) return held
    throw unavailable()
  }

  return {
    async find(kid, algorithm, tools) {
      const { set } = await present(tools)
      const known = await set.find({ algorithm, kid })
      if (typeof known !== 'string') return known.key
      const isDue = tools.clock.now() - askedAt >= TIMES.cooldown
      if (isDue || isInFlight(inFlight, FETCH, tools)) await ask(tools)
      const found = await held?.set.find({ algorithm, kid })
      if (found && typeof found !== 'string') return found.key
      // After a failed fetch the key may exist: it could be new.
      throw failure ? unavailable() : new AgentError('key_unknown')
    },
  }
}

/**
 * Fetches a JWK set (RFC 7517 §5). Accepts only status 200, without redirects, within
 * {@link LIMITS.fetchMs} and {@link LIMITS.documentBytes}. A reason contains no data of the
 * response. Does not check the entries. Never rejects.
 */
const fetchKeys = (uri: string, fetch: KeyFetch) =>
  fetchedWithin(LIMITS.fetchMs, async (signal) => {
    const headers = { accept: 'application/jwk-set+json, application/json' }
    const response = await fetch(uri, { headers, redirect: 'manual', signal })
    if (response.status !== 200) {
      response.body?.cancel().catch(() => {})
      return fail(`status ${response.status}`)
    }
    const bounds = { bytes: LIMITS.documentBytes, ms: LIMITS.fetchMs }
    const body = await readBody(response.body, bounds)
    if (!body.ok) return fail(signal.aborted ? 'timeout' : body.reason)
    const keys = publicKeys(parseJsonObject(utf8Decode(body.value) ?? ''))
    const { maxAge = FRESH.usual } = freshnessOf(response.headers)
    const freshMs = 1_000 * Math.min(Math.max(maxAge, FRESH.least), FRESH.most)
    return keys ? ok({ keys, freshMs }) : fail('not a JWK set')
  })
