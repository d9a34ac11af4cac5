import type { Issuer } from '../core/model/issuer.ts'
import type { PolicyEnv } from '../policy/env.ts'
import { quoteAll, type Report } from '../policy/issues.ts'
import type { RouteEntry } from '../policy/route-keys.ts'

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
    report(['single_use'], 'cannot stand beside mcp: every message would need a token of its own')
  }
}

/** Reports a missing store for used tokens. */
export function checkReplays(
  rules: readonly { readonly entry: RouteEntry }[],
  env: PolicyEnv,
  report: Report,
): void {
  if (!rules.some(({ entry }) => entry.single_use) || env.has('durable_object', 'REPLAYS')) return
  report(
    ['REPLAYS'],
    'is not there: the Durable Object namespace of ReplayShard, needed by rules with single_use',
  )
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
    `refuses tokens without jti, which those of ${quoteAll(without.map(({ name }) => name))} need not have; leave these out of issuers, or see to it that they have it`,
  )
}
