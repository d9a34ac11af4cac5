import { CompactSign, compactVerify, type JWK } from 'jose'
import { utf8Encode } from '../../base/bytes.ts'
import { type JsonObject, own } from '../../base/json.ts'
import { decodeJwsPart, FORBIDDEN_PARAMETERS, isKid, splitJws } from '../../base/jws.ts'
import { LIMITS } from '../../base/limits.ts'
import { createTextMemo } from '../../base/memo.ts'
import { ASSERTION_ALGORITHMS, type AssertionAlgorithm } from '../../model/assertion.ts'
import { isSessionId, SESSION_TYP, type SessionHolder, type Sessions } from '../../model/mcp.ts'
import type { Clock, Nonces, SigningKeys } from '../../model/ports.ts'

/** The most characters of text by which a seal is remembered. */
const KEPT_LENGTH = 4_096

/** The keys of {@link createSeals}. Without `published` nothing can be opened. */
export type SealKeys = Pick<SigningKeys, 'signing'> & Partial<SigningKeys>

interface SessionsOptions {
  readonly keys: SealKeys
  readonly clock: Clock
}

/**
 * Seals claims as compact JWS of one type with the gate's signing key. Any published key opens them, so a seal ends at
 * the latest when its key is withdrawn. Does not encrypt. Remembers what it has verified. `seal` rejects where there is no
 * key, and `open` where no published keys are known.
 */
export function createSeals(keys: SealKeys, typ: string) {
  const opened = createTextMemo<{ readonly key: JWK; readonly claims: JsonObject }>(KEPT_LENGTH)
  return {
    async seal(claims: JsonObject): Promise<string> {
      const { kid, algorithm, key } = await signerOf(keys)
      return new CompactSign(utf8Encode(JSON.stringify(claims)))
        .setProtectedHeader({ alg: algorithm, typ, kid })
        .sign(key)
    },
    async open(sealed: string): Promise<JsonObject | undefined> {
      const shape = shapeOf(sealed, typ)
      // Keys are read only for well-formed text.
      if (!shape) return undefined
      const published = await keys.published?.()
      if (!published) throw new Error('the published keys are not known here')
      const known = opened.get(sealed)
      if (known && published.some(({ kid, x }) => kid === known.key.kid && x === known.key.x)) {
        return known.claims
      }
      const key = await verified(sealed, shape, published)
      return key && opened.keep(sealed, { key, claims: shape.claims }).claims
    },
  }
}

const signerOf = async (keys: SealKeys) => {
  const signer = await keys.signing()
  if (!signer) throw new Error('there is no key to sign with')
  return signer
}

/**
 * Seals session ids and task ids of MCP servers: see {@link createSeals}. A seal names its holder; the token is verified
 * separately on each request. A task gets the same seal each time, as long as this isolate remembers it: clients compare
 * the ids of tasks, and ES256 signs the same claims differently each time.
 */
export function createSessions({ keys, clock }: SessionsOptions): Sessions {
  const seals = createSeals(keys, SESSION_TYP)
  const tasks = createTextMemo<string>(KEPT_LENGTH)
  return {
    async seal(session, holder) {
      if (!isSessionId(session)) throw new TypeError('not the id of a session')
      const claims = { session, ...namesOf(holder) }
      if (!holder.kind) return seals.seal({ ...claims, iat: Math.floor(clock.now() / 1000) })
      const task = JSON.stringify(claims)
      const known = tasks.get(task)
      if (known !== undefined && (await seals.open(known).catch(() => undefined))) return known
      return tasks.keep(task, await seals.seal(claims))
    },
    async open(sealed, holder) {
      const claims = await seals.open(sealed)
      const session = claims && own(claims, 'session')
      if (typeof session !== 'string' || !isSessionId(session)) return undefined
      const names = namesOf(holder)
      const isTheirs = Object.entries(names).every(([name, value]) => claims?.[name] === value)
      if (!isTheirs) return undefined
      if (holder.kind) tasks.keep(JSON.stringify({ session, ...names }), sealed)
      return session
    },
  }
}

const namesOf = ({ kind, issuer, agent, subject, route, resource }: SessionHolder) => ({
  kind,
  agent_iss: issuer,
  agent,
  // Omitted if `undefined`; then it opens only for tokens without a subject.
  agent_sub: subject,
  route,
  resource,
})

/** The unverified content of sealed text. */
interface Shape {
  readonly claims: JsonObject
  readonly kid: string
  readonly algorithm: AssertionAlgorithm
}

/** Decodes sealed text by its form; refuses other JWS types (RFC 8725 §3.11). Verifies nothing. */
const shapeOf = (sealed: string, typ: string): Shape | undefined => {
  const parts = sealed.length <= LIMITS.tokenLength ? splitJws(sealed) : undefined
  const header = parts && decodeJwsPart(parts.header)
  const claims = parts && decodeJwsPart(parts.payload)
  if (!header || !claims || own(header, 'typ') !== typ) return undefined
  if (FORBIDDEN_PARAMETERS.some((name) => Object.hasOwn(header, name))) return undefined
  const [kid, alg] = [own(header, 'kid'), own(header, 'alg')]
  const algorithm = ASSERTION_ALGORITHMS.find((one) => one === alg)
  return algorithm && isKid(kid) ? { claims, kid, algorithm } : undefined
}

/** The published key that verifies the signature; `undefined` if none does. */
const verified = async (
  sealed: string,
  { kid, algorithm }: Shape,
  published: readonly JWK[],
): Promise<JWK | undefined> => {
  const key = published.find((one) => one.kid === kid && one.alg === algorithm)
  if (!key) return undefined
  try {
    await compactVerify(sealed, key, { algorithms: [algorithm] })
    return key
  } catch {
    return undefined
  }
}

/** The `typ` of a nonce; no other token of the gate has it. */
const NONCE_TYP = 'dpop-nonce+jwt'

/** Seconds for which a nonce is accepted, and after which a new one is made. */
const NONCE_SECONDS = { accepted: 300, fresh: 100 }

/**
 * Nonces for DPoP proofs (RFC 9449 §9) without a store: each is sealed with its time and its resource, so that every
 * isolate of the gate accepts it, and no other gate does. See {@link createSeals} for `keys`.
 */
export function createNonces({ keys, clock }: SessionsOptions): Nonces {
  const seals = createSeals(keys, NONCE_TYP)
  const made = new Map<string, { nonce: string; iat: number; kid: string }>()
  const now = () => Math.floor(clock.now() / 1000)
  const issue = async (resource: string): Promise<string> => {
    const { kid } = await signerOf(keys)
    const known = made.get(resource)
    const iat = now()
    if (known?.kid === kid && iat - known.iat <= NONCE_SECONDS.fresh) return known.nonce
    const nonce = await seals.seal({ resource, iat })
    made.set(resource, { nonce, iat, kid })
    return nonce
  }
  return {
    issue,
    async check(nonce, resource) {
      const claims = await seals.open(nonce)
      const iat = claims && own(claims, 'iat')
      if (typeof iat !== 'number' || claims?.resource !== resource) return { isGood: false }
      const age = now() - iat
      // Clocks of data centres differ a little.
      if (age < -LIMITS.nonceAheadSeconds || age > NONCE_SECONDS.accepted) return { isGood: false }
      if (age <= NONCE_SECONDS.accepted / 2) return { isGood: true }
      const next = await issue(resource).catch(() => undefined)
      return { isGood: true, ...(next !== undefined && { next }) }
    },
  }
}

/**
 * Sessions and nonces for explanations: they open and check with the keys in memory only, and reject without any. They
 * seal nothing, and issue no nonce that is accepted.
 */
export function explainingSeals({ held }: Pick<SigningKeys, 'held'>, clock: Clock) {
  const keys: SealKeys = {
    signing: () => Promise.reject(new Error('nothing is signed for an explanation')),
    published: () =>
      held?.() ?? Promise.reject(new Error('no keys are in memory, and none are asked for')),
  }
  const nonces: Nonces = {
    ...createNonces({ keys, clock }),
    issue: async () => 'none-for-an-explanation',
  }
  return { sessions: createSessions({ keys, clock }), nonces }
}
