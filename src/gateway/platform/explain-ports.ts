import type { GuardPorts } from '../../core/guard.ts'
import type { SigningKeys } from '../../core/model/ports.ts'
import { createKeyReader, type KeySourceOptions } from '../../keys/source.ts'
import { peeking } from '../../limit/client.ts'
import { lookingOnly } from '../../replay/client.ts'
import { openingOnly } from './sessions.ts'

/** Those of requests that are looked at. */
interface Explained extends Pick<GuardPorts, 'revocations' | 'limits' | 'replays' | 'bodies'> {
  readonly signingKeys: Pick<SigningKeys, 'held'>
}

/**
 * Ports to explain decisions with: the line on them writes nothing, remembers no token, and asks
 * no issuer. Keys are those of memory, their keeper and KV, those that sessions are sealed with of memory only; revocations are read as for any request, and limits and uses of tokens looked at.
 */
export function explainingPorts(
  keys: KeySourceOptions,
  { revocations, limits, replays, signingKeys, bodies }: Explained,
): GuardPorts {
  return {
    clock: keys.clock,
    keys: createKeyReader(keys),
    tokens: { find: () => undefined, keep: () => {} },
    revocations,
    bodies,
    limits: peeking(limits),
    replays: lookingOnly(replays),
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
  }
}
