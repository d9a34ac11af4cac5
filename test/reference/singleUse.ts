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
    const until = (identity.claims.exp as number) + KEPT
    use(world.usedTokens, key, until, now, counts, 'token_replayed')
    return
  }
  if (rule.replay === 'exact') checkProofUse(policy, proof, world, now, counts)
}

/** How long a record is kept after the token has expired, or the proof is too old, in seconds. */
const KEPT = 65

/** Records a use. A use that is refused is remembered too: the record is kept until the later time. */
function use(
  used: Record<string, number>,
  key: string,
  until: number,
  now: number,
  counts: boolean,
  replayed: string,
): void {
  const before = used[key] ?? 0
  if (counts) used[key] = Math.max(before, Math.ceil(until))
  if (now < before * 1000) refuse(replayed)
}

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
  const until = proof.issued + policy.gate.proofMaxAge + KEPT
  use(world.usedProofs, proof.use, until, now, counts, 'proof_replayed')
}
