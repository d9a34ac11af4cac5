import { type Outcome, stage } from '../chain.ts'
import { type CodeOf, denials } from '../denial.ts'
import type { AccessToken, Possession } from '../model/token.ts'
import { fail, ok } from '../result.ts'

const deny = denials({
  confirmation_unsupported: [
    'invalidToken',
    'The token is bound to a key, and this gate cannot check the proof',
    'Ask for a token that is not sender-constrained, without cnf',
  ],
})

/**
 * How the token was shown to belong to its sender. A token with `cnf` (RFC 7800 §3.1) is bound to
 * a key; no proof is understood here, so it is refused and never taken as a plain bearer token.
 */
export const possession = stage({
  name: 'possession',
  establishes: 'the token is a bearer token: it names no key whose proof would be needed',
  found: ({ possession }) => ({ possession }),
  denials: [deny],
  run({
    access,
  }: {
    readonly access: AccessToken
  }): Outcome<{ possession: Possession }, CodeOf<typeof deny>> {
    return Object.hasOwn(access.claims, 'cnf')
      ? fail(deny('confirmation_unsupported'))
      : ok({ possession: 'bearer' })
  },
})
