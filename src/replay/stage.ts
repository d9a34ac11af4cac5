import { sha256Name } from '../core/bytes.ts'
import { type Outcome, stage } from '../core/chain.ts'
import { type CodeOf, denials } from '../core/denial.ts'
import { LIMITS } from '../core/limits.ts'
import type { ReplayStore } from '../core/model/ports.ts'
import type { Route } from '../core/model/route.ts'
import type { AccessToken } from '../core/model/token.ts'
import { fail, ok } from '../core/result.ts'

const deny = denials({
  token_replayed: [
    'invalidToken',
    'The token was used before, and this route takes each token once',
    'Get a new token for each request to this route',
  ],
  single_use_unavailable: [
    'unavailable',
    'The gate cannot find out at the moment whether the token was used before',
    'Try again after Retry-After, with a new token: this one may have been used up',
  ],
})

interface Needs {
  readonly route: Route
  readonly access: AccessToken
}

export interface ReplayPorts {
  readonly replays: ReplayStore
}

type Unused = Outcome<object, CodeOf<typeof deny>>

/**
 * Records the token's use, where the rule accepts each token once; denies a used token. Runs before the rate limit, so
 * that simultaneous requests with one token count once. A request that is refused later, or fails at the origin, has
 * used its token. All rules with `single_use` share the record; uses on other rules are not recorded. In shadow mode it
 * only checks.
 */
export const replay = stage({
  name: 'replay',
  establishes: 'the token was not used before, on a rule with `single_use`',
  without: ({ route }: Pick<Needs, 'route'>) => (route.singleUse ? undefined : {}),
  found: ({ route }: Needs) => (route.singleUse ? { single_use: true } : {}),
  denials: [deny],
  run(needs: Needs, ports: ReplayPorts): Unused | Promise<Unused> {
    const { route, access } = needs
    if (!route.singleUse) return ok({})
    if (route.mode === 'shadow') return unused(needs, ports)
    // Another gate, or this gate's next deployment, may accept the token for longer.
    const expires = Math.ceil(access.expires + LIMITS.lateTokenSeconds)
    return judged(access, async (name) => (await ports.replays.claim(name, expires)) === true)
  },
})

/** Checks that the token was not used; records nothing. */
const unused = ({ access }: Pick<Needs, 'access'>, { replays }: ReplayPorts): Promise<Unused> =>
  judged(access, async (name) => (await replays.isClaimed(name)) === false)

/** Only a clear `true` of `isFirst` allows the request. */
const judged = async (
  { issuer, id }: AccessToken,
  isFirst: (name: string) => Promise<boolean>,
): Promise<Unused> => {
  try {
    if (id === undefined) throw new Error('the token has no jti')
    return (await isFirst(await replayName(issuer, id))) ? ok({}) : fail(deny('token_replayed'))
  } catch (error) {
    return fail(deny('single_use_unavailable', { error: String(error) }))
  }
}

/**
 * The storage key of a token's use: SHA-256 over issuer and `jti`, unambiguously joined. Different issuers give
 * different keys, and a key does not reveal its parts.
 */
export function replayName(issuer: string, id: string): Promise<string> {
  return sha256Name(JSON.stringify(['token', issuer, id]))
}
