import { type CryptoKey, importJWK } from 'jose'
import type { JsonObject } from '../core/json.ts'
import { isKid } from '../core/jws.ts'
import { LIMITS } from '../core/limits.ts'
import type { Algorithm } from '../core/model/issuer.ts'
import { type PublicKey, publicKeyOf } from '../core/model/jwk.ts'
import type { Clock } from '../core/model/ports.ts'
import { AgentError } from './errors.ts'
import { fetchKeys, type KeyFetch } from './key-document.ts'

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

interface Imported {
  readonly algorithm: Algorithm
  readonly key: CryptoKey
}

interface Held {
  /** By `kid`, then by the JWK's JSON text. */
  readonly keys: ReadonlyMap<string, ReadonlyMap<string, Imported>>
  readonly fetchedAt: number
  readonly freshMs: number
}

interface Question {
  readonly promise: Promise<void>
  readonly askedAt: number
}

/**
 * Caches the keys of one address in memory. At most one fetch runs at a time. Keys are renewed in
 * the background after half their freshness, and for an unknown `kid` once per cooldown. They last
 * a day while fetches fail. Create one per process, not per request.
 */
export function createGateKeys(uri: string, algorithms: readonly Algorithm[]): GateKeys {
  let held: Held | undefined
  let question: Question | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  /** The failure of the last fetch. */
  let failure: { readonly at: number; readonly reason: string } | undefined

  const load = async ({ fetch, clock }: KeyTools): Promise<void> => {
    const fetched = await fetchKeys(uri, fetch)
    if (!fetched.ok) {
      failure = { at: clock.now(), reason: fetched.reason }
      return
    }
    const { keys, freshMs } = fetched.value
    const next = { keys: await importKeys(keys, algorithms, held), fetchedAt: clock.now(), freshMs }
    held = next
    failure = undefined
  }

  const isUnderWay = ({ clock }: KeyTools) =>
    question !== undefined && clock.now() - question.askedAt < TIMES.lost
  const isWaitedOut = ({ clock }: KeyTools) =>
    failure !== undefined && clock.now() - failure.at < TIMES.failure

  /** Joins the running fetch, or starts one. */
  const ask = (tools: KeyTools): Question => {
    if (question && isUnderWay(tools)) return question
    askedAt = tools.clock.now()
    const asked = { promise: load(tools), askedAt }
    const end = () => {
      if (question === asked) question = undefined
    }
    question = asked
    tools.waitUntil(asked.promise.then(end, end))
    return asked
  }

  /** Fetches once more if the first fetch was lost with its request. */
  const askAndWait = async (tools: KeyTools): Promise<void> => {
    const first = ask(tools)
    if (await isAnswered(first.promise)) return
    if (question === first) question = undefined
    if (await isAnswered(ask(tools).promise)) return
    failure = { at: tools.clock.now(), reason: 'timeout' }
  }

  const unavailable = () => {
    const detail = `${uri}: ${failure?.reason ?? 'too old'}`
    return new AgentError('keys_unavailable', { detail })
  }

  /** Usable keys; fetches if there are none or they are not fresh. */
  const present = async (tools: KeyTools): Promise<Held> => {
    const { clock } = tools
    const age = held ? clock.now() - held.fetchedAt : Number.POSITIVE_INFINITY
    if (held && age < held.freshMs) {
      if (age >= held.freshMs / 2 && !isWaitedOut(tools)) ask(tools)
      return held
    }
    const isUsable = held !== undefined && age < TIMES.staleIfError
    if (!isUsable) {
      if (!isWaitedOut(tools)) await askAndWait(tools)
    } else if (failure) {
      // Stale keys are used at once while fetches fail.
      if (!isWaitedOut(tools)) ask(tools)
    } else await askAndWait(tools)
    if (held && clock.now() - held.fetchedAt < TIMES.staleIfError) return held
    throw unavailable()
  }

  return {
    async find(kid, algorithm, tools) {
      const key = pick(await present(tools), kid, algorithm)
      if (key) return key
      const isDue = tools.clock.now() - askedAt >= TIMES.cooldown
      if (isDue || isUnderWay(tools)) await askAndWait(tools)
      const found = held && pick(held, kid, algorithm)
      if (found) return found
      // After a failed fetch the key may exist: it could be new.
      throw failure ? unavailable() : new AgentError('key_unknown')
    },
  }
}

/** Whether a fetch ends in time. workerd rejects one whose request is over. */
const isAnswered = async (promise: Promise<void>): Promise<boolean> => {
  let giveUp = () => {}
  const late = new Promise<boolean>((resolve) => {
    giveUp = () => resolve(false)
  })
  const timer = setTimeout(() => giveUp(), TIMES.lost)
  const answered = promise.then(
    () => true,
    () => false,
  )
  try {
    return await Promise.race([answered, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The only key with this id and algorithm; `undefined` if there are several. */
const pick = ({ keys }: Held, kid: string, algorithm: Algorithm): CryptoKey | undefined => {
  const fitting = [...(keys.get(kid)?.values() ?? [])].filter((one) => one.algorithm === algorithm)
  return fitting.length === 1 ? fitting[0]?.key : undefined
}

const importKeys = async (
  entries: readonly JsonObject[],
  algorithms: readonly Algorithm[],
  before: Held | undefined,
): Promise<Held['keys']> => {
  const all = new Map<string, Map<string, Imported>>()
  for (const entry of entries) {
    const key = publicKeyOf(entry, algorithms)
    const { kid } = key ?? {}
    if (!key || !isKid(kid)) continue
    const identity = JSON.stringify(key.jwk)
    const imported = before?.keys.get(kid)?.get(identity) ?? (await importKey(key))
    if (!imported) continue
    const named = all.get(kid) ?? new Map()
    all.set(kid, named.set(identity, imported))
  }
  return all
}

/** `undefined` for invalid keys, and for algorithms the runtime lacks. */
const importKey = async ({ jwk, algorithm }: PublicKey): Promise<Imported | undefined> => {
  try {
    return { algorithm, key: (await importJWK({ ...jwk }, algorithm)) as CryptoKey }
  } catch {
    return undefined
  }
}
