/** The stage `replay`: tokens that are accepted once, and DPoP proofs (docs/possession.md, "Replay"). */
import type { Identity } from './identity.ts'
import type { Policy } from './policy.ts'
import type { Rule } from './rule.ts'
import { refuse, type World } from './types.ts'

/** A proof: the key of its record in `World.usedProofs`, and its `iat`. */
export interface Proof {
  use: string
  issued: number
}

/** Uses up the token on a rule with `single_use`, or else the proof; in shadow mode it only looks. */
export function checkReplay(
  rule: Rule,
  identity: Identity,
  proof: Proof | undefined,
  policy: Policy,
  world: World,
  now: number,
  counts: boolean,
): void {
  if (rule.singleUse) {
    if (world.unavailable.replays) refuse('single_use_unavailable')
    const key = [identity.issuer.issuer, identity.claims.jti as string].join('\n')
    if (world.usedTokens[key]) refuse('token_replayed')
    if (counts) world.usedTokens[key] = true
    return
  }
  if (rule.replay === 'exact') checkProofUse(policy, proof, world, now, counts)
}

/** How long a record is kept after the proof is too old, in seconds (docs/possession.md, "Replay"). */
const KEPT = 65

/** Uses up the proof. `now` is in milliseconds. */
export function checkProofUse(
  policy: Policy,
  proof: Proof | undefined,
  world: World,
  now: number,
  counts: boolean,
): void {
  if (proof === undefined) return
  if (world.unavailable.replays) refuse('replay_unavailable')
  const until = world.usedProofs[proof.use]
  if (until !== undefined && now < until * 1000) refuse('proof_replayed')
  if (counts) world.usedProofs[proof.use] = proof.issued + policy.gate.proofMaxAge + KEPT
}
