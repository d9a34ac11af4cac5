import { CompactSign, type CryptoKey, compactVerify, importJWK, type JWK } from 'jose'
import { utf8Encode } from '../../core/bytes.ts'
import { type JsonObject, own } from '../../core/json.ts'
import { decodeJwsPart, FORBIDDEN_PARAMETERS, isKid, splitJws } from '../../core/jws.ts'
import { LIMITS } from '../../core/limits.ts'
import { ASSERTION_ALGORITHMS, type AssertionAlgorithm } from '../../core/model/assertion.ts'
import {
  isSessionId,
  SESSION_TYP,
  type SessionHolder,
  type Sessions,
} from '../../core/model/mcp.ts'
import type { Clock, SigningKeys } from '../../core/model/ports.ts'

/** Sessions that an isolate remembers to be good, and the characters of one at most. */
const KEPT = { entries: 1_000, length: 4_096 }

/** What was signed once, and by which of the gate's keys. */
interface Opened {
  readonly key: JWK
  readonly claims: JsonObject
}

/** What sessions are sealed with. */
export interface SessionsOptions {
  /** Without `published` nothing can be opened. */
  readonly keys: Pick<SigningKeys, 'signing'> & Partial<SigningKeys>
  readonly clock: Clock
}

/**
 * Session ids of servers as compact JWS by the key that the gate signs with, opened with any that it
 * publishes: a session ends for its holder at the latest when its key is withdrawn. Says who it belongs to
 * and nothing of the token, which is judged on each request. Nothing is kept but what was verified.
 */
export function createSessions({ keys, clock }: SessionsOptions): Sessions {
  const opened = new Map<string, Opened>()

  const claimsOf = async (sealed: string): Promise<JsonObject | undefined> => {
    const shape = shapeOf(sealed)
    // Keys are asked for what could be a session only.
    if (!shape) return undefined
    const published = await keys.published?.()
    if (!published) throw new Error('the keys that are published are not known here')
    const known = opened.get(sealed)
    if (known && published.some(({ kid, x }) => kid === known.key.kid && x === known.key.x)) {
      return known.claims
    }
    const found = await verified(sealed, shape, published)
    if (found && sealed.length <= KEPT.length) {
      if (opened.size >= KEPT.entries) opened.clear()
      opened.set(sealed, found)
    }
    return found?.claims
  }

  return {
    async seal(session, holder) {
      if (!isSessionId(session)) throw new TypeError('not the id of a session')
      const signer = await keys.signing()
      if (!signer) throw new Error('there is no key to sign with')
      const { kid, algorithm, key } = signer
      const iat = Math.floor(clock.now() / 1000)
      return new CompactSign(utf8Encode(JSON.stringify({ session, ...namesOf(holder), iat })))
        .setProtectedHeader({ alg: algorithm, typ: SESSION_TYP, kid })
        .sign(key)
    },
    async open(sealed, holder) {
      const claims = await claimsOf(sealed)
      const session = claims && own(claims, 'session')
      if (typeof session !== 'string' || !isSessionId(session)) return undefined
      const isTheirs = Object.entries(namesOf(holder)).every(
        ([name, value]) => claims?.[name] === value,
      )
      return isTheirs ? session : undefined
    },
  }
}

const namesOf = ({ issuer, agent, subject, route, resource }: SessionHolder) => ({
  agent_iss: issuer,
  agent,
  // Of none it is not written, and then it is none that opens it.
  agent_sub: subject,
  route,
  resource,
})

/** What says to be a session, and by which key. */
interface Shape {
  readonly claims: JsonObject
  readonly kid: string
  readonly algorithm: AssertionAlgorithm
}

/** Whether a text is of the form that is handed out, a session and nothing else (RFC 8725 §3.11). */
const shapeOf = (sealed: string): Shape | undefined => {
  const parts = sealed.length <= LIMITS.tokenLength ? splitJws(sealed) : undefined
  const header = parts && decodeJwsPart(parts.header)
  const claims = parts && decodeJwsPart(parts.payload)
  if (!header || !claims || own(header, 'typ') !== SESSION_TYP) return undefined
  if (FORBIDDEN_PARAMETERS.some((name) => Object.hasOwn(header, name))) return undefined
  const [kid, alg] = [own(header, 'kid'), own(header, 'alg')]
  const algorithm = ASSERTION_ALGORITHMS.find((one) => one === alg)
  return algorithm && isKid(kid) ? { claims, kid, algorithm } : undefined
}

/** A JWS of the gate's own. */
const verified = async (
  sealed: string,
  { claims, kid, algorithm }: Shape,
  published: readonly JWK[],
): Promise<Opened | undefined> => {
  const key = published.find((one) => one.kid === kid && one.alg === algorithm)
  if (!key) return undefined
  try {
    await compactVerify(sealed, await importedOf(key, algorithm), { algorithms: [algorithm] })
    return { key, claims }
  } catch {
    return undefined
  }
}

const imported = new WeakMap<JWK, CryptoKey>()

/** Kept when it is there, and not while it is made: workerd lets no request wait for another's promise. */
const importedOf = async (jwk: JWK, algorithm: AssertionAlgorithm): Promise<CryptoKey> => {
  const known = imported.get(jwk)
  if (known) return known
  const key = (await importJWK({ ...jwk }, algorithm)) as CryptoKey
  imported.set(jwk, key)
  return key
}

/**
 * Opens what others have sealed, for explanations, with the keys in memory: none is asked for, and where
 * there are none it cannot be told. Hands nothing out.
 */
export function openingOnly(keys: Pick<SigningKeys, 'held'>, clock: Clock): Sessions {
  const published = () =>
    keys.held?.() ?? Promise.reject(new Error('no keys are in memory, and none are asked for'))
  const signing = () => Promise.reject(new Error('nothing is signed for an explanation'))
  return {
    open: createSessions({ keys: { signing, published }, clock }).open,
    seal: () => Promise.reject(new Error('nothing is sealed for an explanation')),
  }
}
