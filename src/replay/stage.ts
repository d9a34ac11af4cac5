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
 * The token was not used before, and now it is, where the rule takes each token once. Before the rule counts, so
 * that many requests at once with one token count once; a request that is refused further on, or fails at the
 * origin, has used its token all the same. A use counts for all such rules together; what other rules let through is not
 * known here. In shadow mode nothing is used: it is only looked whether it was.
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
    // Another gate, or the next deployment of this one, may take it for longer than this.
    const expires = Math.ceil(access.expires + LIMITS.lateTokenSeconds)
    return judged(access, async (name) => (await ports.replays.claim(name, expires)) === true)
  },
})

/** The token was not used before. Uses nothing. */
const unused = ({ access }: Pick<Needs, 'access'>, { replays }: ReplayPorts): Promise<Unused> =>
  judged(access, async (name) => (await replays.isClaimed(name)) === false)

/** What is no clear yes of `isFirst` is none. */
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
 * A name for the one use of a token: SHA-256 over its issuer and `jti`, told apart by their quotes. Two
 * issuers never have one name, and none can be read from it.
 */
export function replayName(issuer: string, id: string): Promise<string> {
  return sha256Name(JSON.stringify(['token', issuer, id]))
}
