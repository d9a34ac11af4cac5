import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { fail, ok } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { SigningKey, SigningKeys } from '../../model/ports.ts'

/** Codes for failed signing, also for code outside this stage that signs. */
export const signingDenials = denials({
  assertion_unavailable: [
    'unavailable',
    'The gate has no key at the moment to sign the assertion for the origin',
    'Keep the token and try again after Retry-After',
  ],
})

type Needs = Pick<LineFacts, 'policy' | 'route'>

export interface SigningPorts {
  readonly signingKeys: Pick<SigningKeys, 'signing'>
}

export interface SigningFacts {
  readonly signing: SigningKey | undefined
}

type Ready = Outcome<SigningFacts, CodeOf<typeof signingDenials>>

/**
 * Gets the key for the assertion, if the origin gets one. Runs before anything is spent and before revocation is
 * checked, since nothing may be awaited after that. Signs nothing yet.
 */
export const signing = stage({
  name: 'signing',
  establishes: 'the gate has a key to sign the assertion, if it sends one',
  without: (needs: Needs) => (signs(needs) ? undefined : { signing: undefined }),
  found: ({ signing }: SigningFacts) => (signing ? { kid: signing.kid } : {}),
  denials: [signingDenials],
  run({ policy, route }: Needs, { signingKeys }: SigningPorts): Ready | Promise<Ready> {
    if (!signs({ policy, route })) return ok({ signing: undefined })
    const key = signingKeys.signing()
    return key instanceof Promise
      ? key.then((signing) => ok({ signing }), without)
      : ok({ signing: key })
  },
})

const signs = ({ policy, route }: Needs): boolean =>
  policy.gate.assertion !== undefined && !route.endpoint

const without = (error: unknown): Ready =>
  fail(signingDenials('assertion_unavailable', { error: String(error) }))
