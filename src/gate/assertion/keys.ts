import type { JWK } from 'jose'
import { onceKnown } from '../base/result.ts'
import { type InFlight, isInFlight, share } from '../base/single-flight.ts'
import type { AssertionRule, KeyRule } from '../model/assertion.ts'
import type { SigningKey, SigningKeys } from '../model/ports.ts'
import { type Breaker, createBreaker } from '../platform/breaker.ts'
import type { Background } from '../platform/system.ts'
import { type ImportedKey, importOperatorKeys, importPrivate } from './key-material.ts'
import type { AskForKeys, KeptKeys } from './key-service.ts'
import type { PublicKey } from './plan.ts'

/** The keys in memory; the private key is not exportable. */
interface Held {
  readonly rule: KeyRule
  readonly askedAt: number
  readonly refreshAt: number
  readonly key: SigningKey
  readonly published: readonly JWK[]
}

/** The signing keys that an isolate remembers between requests. */
export interface AssertionMemory {
  held: Held | undefined
  /** The operator's own keys, imported once. */
  operatorKeys: { readonly rule: KeyRule; readonly keys: readonly ImportedKey[] } | undefined
  /** Milliseconds since the epoch of the last failure. */
  failedAt: number
  readonly inFlight: InFlight
  readonly breaker: Breaker
}

/** Creates an empty memory. */
export function createAssertionMemory(waitUntil?: Background['waitUntil']): AssertionMemory {
  return {
    held: undefined,
    operatorKeys: undefined,
    failedAt: Number.NEGATIVE_INFINITY,
    inFlight: new Map(),
    breaker: createBreaker({ ...(waitUntil && { waitUntil }) }),
  }
}

export interface AssertionKeysOptions extends Background {
  readonly memory: AssertionMemory
  readonly rule: KeyRule | AssertionRule
  /** Absent where only the operator's own keys exist. */
  readonly service?: AskForKeys
}

/**
 * In milliseconds: the age at which an answer is renewed in the background; its maximum age, which is less than
 * the time for which a retired key is published; the time limit of a call, and of a call with what follows it; and the
 * pause after a failed call.
 */
const TIMES = { fresh: 5 * 60_000, usable: 55 * 60_000, ask: 5_000, flight: 6_000, pause: 1_000 }

const ASK = 'ask'

/**
 * The signing key and the published keys, from the key service. An isolate asks once for all its requests, and renews
 * them in the background. Without a key service, the operator's first key signs and all are published. Rejects if there
 * is no key, and if the key may no longer be published.
 */
export function createAssertionKeys(options: AssertionKeysOptions): SigningKeys {
  const { memory, rule, clock, waitUntil, log } = options
  const terms = { clock, waitUntil, maxAgeMs: TIMES.flight }

  const ask = () =>
    share(memory.inFlight, ASK, terms, async () => {
      try {
        memory.held = await have(options)
      } catch (error) {
        memory.failedAt = clock.now()
        log({ event: 'assertion_keys_unavailable', error: String(error) })
        throw error
      }
    })

  const usable = (): Held | undefined => {
    const { held } = memory
    const isUsable = held?.rule === rule && clock.now() - held.askedAt < TIMES.usable
    return isUsable ? held : undefined
  }

  const current = (): Held | Promise<Held> => {
    const held = usable()
    if (!held) return askAndWait()
    if (clock.now() >= held.refreshAt && !isPaused()) waitUntil(ask().catch(() => {}))
    return held
  }

  /** Whether a call failed a moment ago, and none is in progress. */
  const isPaused = (): boolean =>
    Math.abs(clock.now() - memory.failedAt) < TIMES.pause &&
    !isInFlight(memory.inFlight, ASK, terms)

  const askAndWait = async (): Promise<Held> => {
    // Shared answers of other requests may be for another policy.
    for (let asked = 0; asked < 2; asked++) {
      if (isPaused()) throw new Error('the key service failed a moment ago')
      await ask()
      const held = usable()
      if (held) return held
    }
    throw new Error('no signing key was available in time')
  }

  return {
    signing: () => onceKnown(current(), ({ key }) => key),
    published: () => onceKnown(current(), ({ published }) => published),
    held: () => usable()?.published,
  }
}

const have = async (options: AssertionKeysOptions): Promise<Held> => {
  const { memory, rule, service, clock } = options
  const askedAt = clock.now()
  const { algorithm, withdrawn } = rule
  const own = await operatorKeysOf(options)
  const operatorKeys: readonly PublicKey[] = own.map(({ key: _, ...rest }) => rest)
  const kept = service
    ? await memory.breaker.call(
        ASK,
        () => service({ algorithm, operatorKeys, withdrawn }),
        TIMES.ask,
      )
    : withoutService(operatorKeys)
  const { signer } = kept
  // The key service may run another deployment's code than the isolates.
  if (withdrawn.includes(signer.kid)) throw new Error('the key service signs with a withdrawn key')
  const key = signer.privateJwk
    ? await importPrivate(signer.privateJwk, signer.algorithm)
    : own.find(({ kid }) => kid === signer.kid)?.key
  if (!key) throw new Error('the gate does not have the current signing key')
  return {
    rule,
    askedAt,
    refreshAt: Math.min(askedAt + TIMES.fresh, kept.changesAt),
    key: { kid: signer.kid, algorithm: signer.algorithm, key },
    published: kept.published.filter(({ kid }) => !withdrawn.includes(kid ?? '')),
  }
}

const operatorKeysOf = async ({ memory, rule }: AssertionKeysOptions) => {
  if (memory.operatorKeys?.rule !== rule) {
    memory.operatorKeys = { rule, keys: await importOperatorKeys(rule) }
  }
  return memory.operatorKeys.keys
}

const withoutService = (own: readonly PublicKey[]): KeptKeys => {
  const [first] = own
  if (!first) throw new Error('there is no key service, and the secret has no signing key')
  const { kid, algorithm } = first
  return {
    signer: { kid, algorithm },
    published: own.map(({ jwk }) => jwk),
    changesAt: Number.POSITIVE_INFINITY,
  }
}
