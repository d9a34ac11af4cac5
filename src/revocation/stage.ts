import { type Outcome, stage } from '../core/chain.ts'
import { type CodeOf, type Denial, denials } from '../core/denial.ts'
import type { Policy } from '../core/model/policy.ts'
import type { Clock, Revocations } from '../core/model/ports.ts'
import { isRevoked, type Revocation, type RevocationTerms } from '../core/model/revocation.ts'
import type { Route } from '../core/model/route.ts'
import type { AccessToken } from '../core/model/token.ts'
import { fail, ok } from '../core/result.ts'
import type { DelegationFacts } from '../core/stages/delegation.ts'

const deny = denials({
  token_revoked: [
    'invalidToken',
    'The token, or the agent or key behind it, has been revoked',
    'Stop using this token; a new one helps only if the agent itself was not revoked',
  ],
  revocations_unavailable: [
    'unavailable',
    'Whether the token was revoked cannot be known at the moment',
    'Keep the token and try again after Retry-After',
  ],
  token_expired_during_request: [
    'invalidToken',
    'The token expired while the request was being decided',
    'Get a new token from the authorization server',
  ],
})

export interface Needs extends Pick<DelegationFacts, 'subjects'> {
  readonly policy: Policy
  readonly route: Route
  readonly access: AccessToken
}

export type Checked = Outcome<object, CodeOf<typeof deny>>

export interface Ports {
  readonly clock: Clock
  readonly revocations: Revocations
}

/**
 * The token still stands: nothing about it is revoked, and it has not expired while the request
 * waited. The last wait before a request is forwarded, as fresh as the rule asks; a revocation set
 * that cannot be read denies.
 */
export const revocation = stage({
  name: 'revocation',
  establishes:
    'nothing about the token is revoked, as of this request or of the bound that the rule allows, and it has not expired meanwhile',
  found: ({ subjects }) => ({ asked: [...new Set(subjects.map(({ kind }) => kind))] }),
  denials: [deny],
  run: (needs: Needs, ports: Ports): Checked | Promise<Checked> =>
    checkRevocation(needs, ports, needs.route.revocation),
})

/** Whether a token stands, by a revocation set that is as fresh as the terms ask. */
export function checkRevocation(
  needs: Omit<Needs, 'route'>,
  { clock, revocations }: Ports,
  terms: RevocationTerms,
): Checked | Promise<Checked> {
  const judge = (entries: readonly Revocation[]) => judged(entries, needs, clock)
  let entries: ReturnType<Revocations['lookup']>
  try {
    entries = revocations.lookup(needs.subjects, terms)
  } catch (error) {
    return unreadable(error)
  }
  return 'then' in entries ? Promise.resolve(entries).then(judge, unreadable) : judge(entries)
}

const unreadable = (error: unknown): Checked =>
  fail(deny('revocations_unavailable', { error: String(error) }))

const judged = (
  entries: readonly Revocation[],
  needs: Omit<Needs, 'route'>,
  clock: Clock,
): Checked => {
  const denial = revocationDenial(needs, entries, clock.now())
  return denial ? fail(denial) : ok({})
}

type RevocationDenial = Denial<Exclude<CodeOf<typeof deny>, 'revocations_unavailable'>>

/**
 * Why a token does not stand at `now`, in milliseconds, where `entries` are those about its subjects;
 * `undefined` where it does.
 */
export function revocationDenial(
  { policy, access }: Pick<Needs, 'policy' | 'access'>,
  entries: readonly Revocation[],
  now: number,
): RevocationDenial | undefined {
  const { clockTolerance: tolerance, lift } = policy.gate
  const seconds = Math.floor(now / 1000)
  const token = { issuedAt: access.issuedAt, now: seconds, tolerance }
  const entry = entries.find((one) => !lift.has(one.id) && isRevoked(one, token))
  if (entry) return deny('token_revoked', { id: entry.id, kind: entry.kind })
  return access.expires <= seconds - tolerance ? deny('token_expired_during_request') : undefined
}

/** The codes of this check, for those who read the revocation set elsewhere. */
export const revokedDenials = deny
