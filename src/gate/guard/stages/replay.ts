import { sha256Name } from '../../base/bytes.ts'
import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Claim, Failure, ReplayStore } from '../../model/ports.ts'
import type { ProofUse } from '../../model/token.ts'
import { mayUseProof } from './possession.ts'

const deny = denials({
  token_replayed: [
    'invalidToken',
    'The token was used before, and this route takes each token once',
    'Get a new token for each request to this route',
  ],
  proof_replayed: [
    'invalidProof',
    'The proof was used before',
    'Make a new proof, with a new jti, for each request',
  ],
  replay_unavailable: [
    'unavailable',
    'The gate cannot find out at the moment whether the proof was used before',
    'Try again after Retry-After, with a new proof',
  ],
  single_use_unavailable: [
    'unavailable',
    'The gate cannot find out at the moment whether the token was used before',
    'Try again after Retry-After, with a new token: this one may have been used up',
  ],
})

interface Needs extends Pick<LineFacts, 'route' | 'access'> {
  readonly proof: ProofUse | undefined
}

export interface ReplayPorts {
  readonly replays: ReplayStore
}

export interface Used {
  /** The token's use, to which the gate adds a failure of the request. */
  readonly used?: Claim
}

type Unused = Outcome<Used, CodeOf<typeof deny>>

/** What a request uses up: the name in the store, when the store may drop the name, and the codes of the denials. */
interface Use {
  readonly name: () => Promise<string>
  readonly expires: number
  readonly replayed: CodeOf<typeof deny>
  readonly unavailable: CodeOf<typeof deny>
}

/**
 * Records the use of the token, where the rule accepts each token once, or else of the request's proof; denies what was
 * used before. Runs before the rate limit, so that simultaneous requests with one token count once. A request that is
 * refused later, or fails at the origin, has used it up. All rules with `single_use` share the record; uses on other
 * rules are not recorded. In shadow mode it only checks.
 */
export const replay = stage({
  name: 'replay',
  establishes: 'the token was not used before, on a rule with `single_use`, nor the DPoP proof',
  without: (facts: Pick<Needs, 'route' | 'access'>): Used | undefined =>
    facts.route.singleUse || mayUseProof(facts) ? undefined : {},
  found: ({ route, proof }: Needs) => ({
    ...(route.singleUse && { single_use: true }),
    ...(proof && { replay: route.replay ?? 'exact' }),
  }),
  denials: [deny],
  run(needs: Needs, { replays }: ReplayPorts): Unused | Promise<Unused> {
    const use = useOf(needs)
    return use ? recorded(use, needs.route, replays) : ok({})
  },
})

/** A proof is for one token, so that a token that is accepted once needs no record of its proof. */
const useOf = ({ route, access: { issuer, id, expires }, proof }: Needs): Use | undefined => {
  if (route.singleUse) {
    return {
      async name() {
        if (id === undefined) throw new Error('the token has no jti')
        return replayName(issuer, id)
      },
      // Another gate, or this gate's next deployment, may accept the token for longer.
      expires: Math.ceil(expires + LIMITS.lateTokenSeconds),
      replayed: 'token_replayed',
      unavailable: 'single_use_unavailable',
    }
  }
  if (!proof || route.replay === 'window') return undefined
  return {
    name: () => proofName(proof),
    expires: proof.expires,
    replayed: 'proof_replayed',
    unavailable: 'replay_unavailable',
  }
}

/** Only a clear answer of the store allows the request. */
const recorded = async (
  { name, expires, replayed, unavailable }: Use,
  { mode }: Pick<LineFacts['route'], 'mode'>,
  replays: ReplayStore,
): Promise<Unused> => {
  try {
    const use = { name: await name(), expires }
    const isFirst =
      mode === 'shadow'
        ? (await replays.isClaimed(use.name)) === false
        : (await replays.claim(use.name, expires)) === true
    const isToken = replayed === 'token_replayed'
    if (isFirst) return ok(isToken && mode !== 'shadow' ? { used: use } : {})
    const first = isToken ? await failureOf(use.name, replays) : undefined
    if (!first) return fail(deny(replayed))
    const { status, requestId } = first
    const detail = { first_status: status, first_request_id: requestId }
    return fail(deny(replayed, detail, { first }))
  } catch (error) {
    return fail(deny(unavailable, { error: String(error) }))
  }
}

/** The request is refused in any case, so a store that fails only makes the refusal say less. */
const failureOf = async (name: string, replays: ReplayStore): Promise<Failure | undefined> => {
  try {
    return await replays.failureOf?.(name)
  } catch {
    return undefined
  }
}

/**
 * The storage key of a token's use: SHA-256 over issuer and `jti`, unambiguously joined. Different issuers give
 * different keys, and a key does not reveal its parts.
 */
export function replayName(issuer: string, id: string): Promise<string> {
  return sha256Name(JSON.stringify(['token', issuer, id]))
}

/**
 * The storage key of a proof's use, as {@link replayName}: over its key, its id and its URL. The first character, which
 * chooses the object, is that of the thumbprint: the proofs of one key are at one object.
 */
export async function proofName({ jkt, jti, htu }: ProofUse): Promise<string> {
  return jkt.slice(0, 1) + (await sha256Name(JSON.stringify(['proof', jkt, jti, htu])))
}
