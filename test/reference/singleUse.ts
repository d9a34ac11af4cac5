/** The stage `replay`: tokens that are accepted once, and DPoP proofs (docs/possession.md, "Replay"). */
import type { Identity } from './identity.ts'
import type { Rule } from './rule.ts'
import { refuse, type World } from './types.ts'

/** Uses up the token on a rule with `single_use`, or else the proof; in shadow mode it only looks. */
export function checkReplay(
  rule: Rule,
  identity: Identity,
  proof: string | undefined,
  world: World,
  counts: boolean,
): void {
  if (rule.singleUse) {
    if (world.unavailable.replays) refuse('single_use_unavailable')
    const key = [identity.issuer.issuer, identity.claims.jti as string].join('\n')
    if (world.usedTokens[key]) refuse('token_replayed')
    if (counts) world.usedTokens[key] = true
    return
  }
  if (proof === undefined || rule.replay === 'window') return
  if (world.unavailable.replays) refuse('replay_unavailable')
  if (world.usedProofs[proof]) refuse('proof_replayed')
  if (counts) world.usedProofs[proof] = true
}
