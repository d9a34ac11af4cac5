import type { Denial } from '../base/denial.ts'
import { copyOf, type RequestParts, SentHeaders } from '../base/request.ts'
import { mismatchOf, type NewToken, type Renew, renewalDenials } from '../guard/checks/renewal.ts'
import {
  type Decision,
  type Guard,
  type GuardContext,
  type Passed,
  refusalOf,
} from '../guard/guard.ts'
import { AUTHORIZATION } from '../model/token.ts'

/** What the renewal of a token needs of the exchange that it is written as. */
interface Exchange {
  readonly clientIp: string | undefined
  refuse(denial: Denial, decision: Decision | undefined): Response
  end(
    answer: Response,
    decision: Decision,
    what: { readonly denial?: Denial | undefined; readonly renews: string },
  ): unknown
}

/** What a {@link Renew} is made of. */
interface Renewed {
  readonly decision: Passed
  /** Of the handshake. */
  readonly requestId: string
  readonly guard: Guard
  readonly connection: GuardContext['connection']
  /** Begins an exchange of its own for each new token. */
  readonly begin: (request: RequestParts) => Exchange
}

/**
 * Decides the handshake of an open WebSocket again with a new token: every check, limit and record is that of a request.
 * The new token must be of the same holder as the token before, see {@link mismatchOf}.
 */
export function renewer(
  handshake: RequestParts,
  { decision, requestId, guard, connection, begin }: Renewed,
): Renew<Passed['known']> {
  let before = decision.known
  return async (sent) => {
    const request = withToken(handshake, before.route, sent)
    const { clientIp, refuse, end } = begin(request)
    const decided = await guard(request, { caller: clientIp, connection })
    const isPassed = decided.outcome === 'passed'
    const part = isPassed ? mismatchOf(before, decided.known) : 'rule'
    const ofGuard = refusalOf(decided)
    const other = part === undefined ? undefined : renewalDenials('renewal_mismatch', { part })
    const denial = ofGuard ?? other
    const answer = denial ? refuse(denial, decided) : new Response(null, { status: 204 })
    const said = denial ? await answer.clone().text() : undefined
    await end(answer, decided, { ...(!ofGuard && denial && { denial }), renews: requestId })
    if (said !== undefined || !isPassed) return { refused: said ?? '' }
    before = decided.known
    return { facts: before }
  }
}

/** The handshake with the new token, where the rule takes tokens, in place of all that it had. */
const withToken = (
  { method, url, headers, signal }: RequestParts,
  { credential }: Passed['known']['route'],
  { token, proof }: NewToken,
): RequestParts => {
  const names = credential?.headers ?? [AUTHORIZATION]
  const changed = copyOf(headers)
  for (const name of [AUTHORIZATION, 'dpop', 'sec-websocket-protocol', 'x-request-id', ...names]) {
    changed.delete(name)
  }
  const [name = AUTHORIZATION] = names.includes(AUTHORIZATION) ? [AUTHORIZATION] : names
  const scheme = proof === undefined ? 'Bearer' : 'DPoP'
  changed.set(name, name === AUTHORIZATION ? `${scheme} ${token}` : token)
  if (proof !== undefined) changed.set('dpop', proof)
  return { method, url, headers: new SentHeaders(changed), signal, body: null, bodyUsed: false }
}
