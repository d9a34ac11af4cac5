import type { Issuer } from '../../model/issuer.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { quoteAll, type Report } from '../reading/issues.ts'
import type { RouteEntry } from './route-keys.ts'

/** Reports conflicts of `single_use`: such a rule requires a token for each request, and cannot have `mcp`. */
export function checkSingleUse(
  { single_use: isOnce, access = 'required' }: RouteEntry,
  has: (key: string) => boolean,
  report: Report,
): void {
  if (!isOnce) return
  if (access !== 'required') {
    report(['single_use'], `is only for rules with access = "required": this one is ${access}`)
  }
  if (has('mcp')) {
    report(['single_use'], 'cannot be used with mcp: every message would need its own token')
  }
}

/** Warns of issuers that need not give their tokens a `jti`, by which a used token is recognised. */
export function warnSingleUse(
  { single_use: isOnce }: RouteEntry,
  issuers: readonly Issuer[],
  report: Report,
): void {
  const without = isOnce ? issuers.filter((one) => !one.requiredClaims.includes('jti')) : []
  if (without.length === 0) return
  report(
    ['single_use'],
    `refuses tokens without jti, and tokens of ${quoteAll(without.map(({ name }) => name))} may have none; leave these out of issuers, or make sure that their tokens have it`,
  )
}

/**
 * Warns of a rule that accepts a proof again and may change something, and of a rule that expects proofs and cannot
 * record them. A rule without `possession` and `replay` gets no warning: it may never see a bound token.
 */
export function warnProofs(
  { match, access, single_use: isOnce, possession, replay }: RouteEntry,
  issuers: readonly Issuer[],
  env: PolicyEnv,
  report: Report,
): void {
  if (access === 'public' || isOnce) return
  const writing = match?.methods.filter((one) => !READING.has(one)) ?? []
  if (replay === 'window' && writing.length > 0) {
    report(
      ['replay'],
      `lets anyone who copies a request repeat its proof until the proof is too old, and ${writing.join(', ')} may change something; leave it out, or put reading methods into a rule of their own`,
    )
  }
  const isExpected =
    replay === 'exact' ||
    (replay === undefined &&
      [possession, ...issuers.map((one) => one.possession)].includes('required'))
  if (isExpected && !env.has('durable_object', 'REPLAYS')) {
    report(
      ['replay'],
      'is `exact`, and without the Durable Object namespace REPLAYS each request with a DPoP proof is 503 `replay_unavailable`; bind it, or write replay = "window"',
    )
  }
}

/** Methods that change nothing (RFC 9110 §9.2.1). */
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
