import { compactVerify } from 'jose'
import { deepFreeze, type JsonObject, own } from '../../../src/gate/base/json.ts'
import {
  decodeJwsPart,
  FORBIDDEN_PARAMETERS,
  isKid,
  mediaType,
  splitJws,
} from '../../../src/gate/base/jws.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { ASSERTION_HEADER, ASSERTION_TYP } from '../../../src/gate/model/assertion.ts'
import { algorithmOf } from '../../../src/gate/model/issuer.ts'
import { checkBinding } from './binding.ts'
import { checkPlainHeaders, readClaims, type VerifiedAgent } from './claims.ts'
import { AgentError } from './errors.ts'
import type { GateKeys, KeyTools } from './keys.ts'
import type { Settings } from './options.ts'
import { type AgentRequest, headerValues } from './request.ts'

export interface RequestExtras {
  /** The body's bytes as sent; needed for Node and Express requests. */
  readonly rawBody?: Uint8Array | undefined
  /** The `waitUntil` of Workers, to renew keys after the answer. */
  readonly waitUntil?: ((promise: Promise<unknown>) => void) | undefined
}

/** Runs all checks in order. The replay check is last, for valid requests only. */
export async function verify(
  request: AgentRequest,
  settings: Settings,
  keys: GateKeys,
  { rawBody, waitUntil = () => {} }: RequestExtras,
): Promise<VerifiedAgent> {
  const { fetch, clock, identityPrefix } = settings
  try {
    const assertion = assertionOf(request, identityPrefix)
    const claims = await signedClaims(assertion, settings, keys, { fetch, clock, waitUntil })
    const read = readClaims(claims, settings)
    checkPlainHeaders(request, read.agent, identityPrefix)
    await checkBinding(request, read, settings, rawBody)
    if (read.htm !== undefined) await claim(`${settings.gate} ${read.jti}`, read.agent, settings)
    return read.agent
  } catch (error) {
    if (error instanceof AgentError) throw error
    throw new AgentError('verification_failed', { cause: error })
  }
}

const claim = async (
  id: string,
  { expires }: VerifiedAgent,
  { replays, clockTolerance }: Settings,
): Promise<void> => {
  if (!replays) return
  let isFirst: unknown
  try {
    isFirst = await replays.claim(id, expires + clockTolerance)
  } catch (cause) {
    throw new AgentError('replays_unavailable', { cause })
  }
  if (isFirst !== true) throw new AgentError('assertion_replayed')
}

/** Reads the only assertion of a request, as text. Throws if there is none, or several. */
const assertionOf = (request: AgentRequest, identityPrefix: string): string => {
  const [value, ...more] = headerValues(request, identityPrefix + ASSERTION_HEADER)
  if (value === undefined || value === '') throw new AgentError('assertion_missing')
  // Repeated headers are joined by commas, which are not part of an assertion.
  if (more.length > 0 || value.includes(',')) throw new AgentError('assertion_repeated')
  return value
}

/**
 * The claims of an assertion whose signature is valid (RFC 7515 §5.2). Checks `typ` and the
 * algorithm against fixed lists, and finds the key by `kid` in the gate's key set. Does not check
 * claims.
 */
const signedClaims = async (
  assertion: string,
  { algorithms }: Settings,
  keys: GateKeys,
  tools: KeyTools,
): Promise<JsonObject> => {
  const parts = assertion.length <= 4 * LIMITS.tokenLength ? splitJws(assertion) : undefined
  const header = parts && decodeJwsPart(parts.header)
  const claims = parts && decodeJwsPart(parts.payload)
  if (!header || !claims) throw new AgentError('assertion_malformed')
  const typ = own(header, 'typ')
  if (typeof typ !== 'string' || mediaType(typ) !== ASSERTION_TYP)
    throw new AgentError('type_wrong')
  const algorithm = algorithmOf(own(header, 'alg'))
  if (!algorithm || !algorithms.includes(algorithm)) throw new AgentError('algorithm_refused')
  const kid = own(header, 'kid')
  if (!isKid(kid) || FORBIDDEN_PARAMETERS.some((name) => Object.hasOwn(header, name))) {
    throw new AgentError('assertion_malformed')
  }
  const key = await keys.find(kid, algorithm, tools)
  try {
    const names = algorithm === 'Ed25519' ? ['Ed25519', 'EdDSA'] : [algorithm]
    await compactVerify(assertion, key, { algorithms: names })
  } catch {
    throw new AgentError('signature_invalid')
  }
  return deepFreeze(claims)
}
