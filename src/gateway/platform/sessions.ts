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

/** The most verified sessions an isolate remembers, and the most characters of each. */
const KEPT = { entries: 1_000, length: 4_096 }

/** A verified session: its key and its claims. */
interface Opened {
  readonly key: JWK
  readonly claims: JsonObject
}

/** Options of {@link createSessions}. */
export interface SessionsOptions {
  /** Without `published` no session can be opened. */
  readonly keys: Pick<SigningKeys, 'signing'> & Partial<SigningKeys>
  readonly clock: Clock
}

/**
 * Seals session ids of MCP servers as compact JWS with the gate's signing key. Any published key
 * opens them, so a session ends at the latest when its key is withdrawn. A session names its
 * holder; the token is verified separately on each request. Only verified sessions are remembered.
 */
export function createSessions({ keys, clock }: SessionsOptions): Sessions {
  const opened = new Map<string, Opened>()

  const claimsOf = async (sealed: string): Promise<JsonObject | undefined> => {
    const shape = shapeOf(sealed)
    // Keys are read only for well-formed sessions.
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
  // Omitted if `undefined`; then it opens only for tokens without a subject.
  agent_sub: subject,
  route,
  resource,
})

/** The unverified content of a session. */
interface Shape {
  readonly claims: JsonObject
  readonly kid: string
  readonly algorithm: AssertionAlgorithm
}

/** Decodes a session by its form; refuses other JWS types (RFC 8725 §3.11). Verifies nothing. */
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

/** Verifies the signature by a published key; `undefined` if that fails. */
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

/** Keeps the imported key, not the promise: workerd forbids awaiting another request's promise. */
const importedOf = async (jwk: JWK, algorithm: AssertionAlgorithm): Promise<CryptoKey> => {
  const known = imported.get(jwk)
  if (known) return known
  const key = (await importJWK({ ...jwk }, algorithm)) as CryptoKey
  imported.set(jwk, key)
  return key
}

/**
 * Sessions for explanations: opens with keys in memory only, and rejects without any. Seals
 * nothing.
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
