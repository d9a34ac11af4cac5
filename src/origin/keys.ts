import { type CryptoKey, importJWK } from 'jose'
import type { JsonObject } from '../core/json.ts'
import { isKid } from '../core/jws.ts'
import { LIMITS } from '../core/limits.ts'
import type { Algorithm } from '../core/model/issuer.ts'
import { type PublicKey, publicKeyOf } from '../core/model/jwk.ts'
import type { Clock } from '../core/model/ports.ts'
import { AgentError } from './errors.ts'
import { fetchKeys, type KeyFetch } from './key-document.ts'

/** What a request lends to the search for a key. */
export interface KeyTools {
  readonly fetch: KeyFetch
  readonly clock: Clock
  /** Keeps a renewal alive after the answer, where a runtime would end it. */
  readonly waitUntil: (promise: Promise<unknown>) => void
}

/** The gate's keys. Rejects with `key_unknown` or `keys_unavailable`. */
export interface GateKeys {
  find(kid: string, algorithm: Algorithm, tools: KeyTools): Promise<CryptoKey>
}

/** Milliseconds. */
const TIMES = {
  /** Between two questions that unknown key ids may cause. */
  cooldown: 30_000,
  /** A failure is waited out. */
  failure: 5_000,
  /** Age up to which keys serve while the gate cannot be asked (RFC 5861 §4). */
  staleIfError: 24 * 3_600_000,
  /** After which a question counts as lost: the request that asked it may be gone. */
  lost: LIMITS.fetchMs + 1_000,
} as const

interface Imported {
  readonly algorithm: Algorithm
  readonly key: CryptoKey
}

interface Held {
  /** By key id and by all that makes a key the one it is. */
  readonly keys: ReadonlyMap<string, ReadonlyMap<string, Imported>>
  readonly fetchedAt: number
  readonly freshMs: number
}

interface Question {
  readonly promise: Promise<void>
  readonly askedAt: number
}

/**
 * The keys at one address, in memory: one question at a time; renewed behind requests in the second
 * half of their freshness; asked for an unknown key id once per cooldown; and good for a day where
 * the gate cannot be asked. Each key is imported once. Make one per process, not per request.
 */
export function createGateKeys(uri: string, algorithms: readonly Algorithm[]): GateKeys {
  let held: Held | undefined
  let question: Question | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  /** Of the last question, where it failed. */
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

  /** Joins the question that is under way, or asks one. */
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

  /** A question of a request that is gone may never be answered: then it is asked once more. */
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

  /** Keys that may serve now; asks for them where there are none, or none that are fresh. */
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
      // Nobody waits for what is known to fail, where there is something to go on with.
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
      // A key that was just rotated in must not be called unknown because the gate was not reached.
      throw failure ? unavailable() : new AgentError('key_unknown')
    },
  }
}

/** Whether it ends in time; what workerd rejects, because its request is over, has not. */
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

/** The one key of that name and algorithm; several are none. */
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

/** `undefined` for a point that is on no curve, and for what this runtime cannot verify with. */
const importKey = async ({ jwk, algorithm }: PublicKey): Promise<Imported | undefined> => {
  try {
    return { algorithm, key: (await importJWK({ ...jwk }, algorithm)) as CryptoKey }
  } catch {
    return undefined
  }
}
