import type { GuardPorts } from '../guard.ts'
import type { Limits, Revocations, SigningKeys } from '../model/ports.ts'
import { createKeyReader, type KeySourceOptions } from './keys/source.ts'
import { peeking } from './limits/client.ts'
import { openingOnly } from './sessions.ts'

/**
 * Ports to explain decisions with: the line on them writes nothing, remembers no token, and asks
 * no issuer. Keys are those of memory, their keeper and KV, those that sessions are sealed with of memory only; revocations are read as for any request, and limits looked at.
 */
export const explainingPorts = (
  keys: KeySourceOptions,
  revocations: Revocations,
  limits: Limits,
  signingKeys: Pick<SigningKeys, 'held'>,
): GuardPorts => ({
  clock: keys.clock,
  keys: createKeyReader(keys),
  tokens: { find: () => undefined, keep: () => {} },
  revocations,
  limits: peeking(limits),
  // Nothing is signed for an explanation, and no key is asked for.
  signingKeys: { signing: () => undefined },
  sessions: openingOnly(signingKeys, keys.clock),
  // The text of an error may quote what is explained, which is for no log.
  onError: (stage, error) =>
    keys.log({
      event: 'unexpected_error',
      stage: `explain ${stage}`,
      error: error instanceof Error ? error.name : typeof error,
    }),
})
