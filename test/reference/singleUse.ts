/** The stage `replay`: tokens that are accepted once, and DPoP proofs (docs/possession.md, "Replay"). */
import type { Asked } from './asked.ts'
import type { Rule } from './rule.ts'
import { refuse } from './types.ts'
import type { Verified } from './verification.ts'

/** A proof: the key of its record in `World.usedProofs`, and its `iat`. */
export interface Proof {
  use: string
  issued: number
}

/** Uses up the token on a rule with `single_use`, or else the proof; in shadow mode it only looks. */
export function checkReplay(asked: Asked, rule: Rule, { identity, proof }: Verified): void {
  const { world, request } = asked
  const counts = rule.mode === 'enforce'
  if (rule.singleUse) {
    if (world.unavailable.replays) refuse('single_use_unavailable')
    const key = [identity.issuer.issuer, identity.claims.jti as string].join('\n')
    const until = (identity.claims.exp as number) + KEPT
    use(world.usedTokens, key, until, request.now, counts, 'token_replayed')
  } else if (rule.replay === 'exact') checkProofUse(asked, proof, counts)
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

/** Uses up the proof. */
export function checkProofUse(
  { policy, world, request }: Asked,
  proof: Proof | undefined,
  counts: boolean,
): void {
  if (proof === undefined) return
  if (world.unavailable.replays) refuse('replay_unavailable')
  const until = proof.issued + policy.gate.proofMaxAge + KEPT
  use(world.usedProofs, proof.use, until, request.now, counts, 'proof_replayed')
}
