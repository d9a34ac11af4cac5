import type { GuardPorts } from '../../guard/guard.ts'
import { createKeyReader, type KeySourceOptions } from '../../keys/source.ts'
import { peeking } from '../../limit/client.ts'
import { ASKING_NOBODY } from '../../model/approval.ts'
import type { SigningKeys } from '../../model/ports.ts'
import { lookingOnly } from '../../replay/client.ts'
import { explainingSeals } from './sessions.ts'

/** The request ports that explanations read from. */
interface Explained extends Pick<GuardPorts, 'revocations' | 'limits' | 'replays' | 'bodies'> {
  readonly signingKeys: Pick<SigningKeys, 'held'>
}

/**
 * Ports for explanations: they write nothing, remember no token and fetch no keys. Keys come from
 * memory, key service and KV; session keys from memory only. Limits and replays are only read.
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
    approvals: ASKING_NOBODY,
    // Explanations sign nothing.
    signingKeys: { signing: () => undefined },
    ...explainingSeals(signingKeys, keys.clock),
    // The message may quote the explained request, so only the error's name is logged.
    onError: (stage, error) =>
      keys.log({
        event: 'unexpected_error',
        stage: `explain ${stage}`,
        error: error instanceof Error ? error.name : typeof error,
      }),
  }
}
