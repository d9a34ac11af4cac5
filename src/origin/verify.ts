import { assertionOf, signedClaims } from './assertion.ts'
import { checkBinding } from './binding.ts'
import { checkPlainHeaders, readClaims, type VerifiedAgent } from './claims.ts'
import { AgentError } from './errors.ts'
import type { GateKeys } from './keys.ts'
import type { Settings } from './options.ts'
import type { AgentRequest } from './request.ts'

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
