import { request } from '../test/kit/request.ts'
import type { Contender } from './lineup.ts'
import { callOf, HEADERS } from './load.ts'
import { HOST, PATH } from './policy.ts'

/** What a contender did when it was asked twice, before anything is measured. */
export type Rehearsal =
  | { readonly outcome: 'ready'; readonly body: string }
  /** This build of the gate does not know a key of the variant's policy. */
  | { readonly outcome: 'policy_invalid' }

/** What a contender is asked with. */
export interface RehearsalTokens {
  readonly good: string
  /** One that the large set revokes. */
  readonly revoked: string
}

/**
 * Asks a contender with a good token, which it must let through, with a forged one, which it must
 * refuse unless it verifies nothing, and with a revoked one where it has the large set. Throws when it
 * does otherwise.
 */
export const rehearse = async (
  { id, verifies = true, largeSet = false, toolCall }: Contender,
  port: number,
  tokens: RehearsalTokens,
): Promise<Rehearsal> => {
  const ask = async (authorization: string) => {
    const asked = callOf(toolCall)
    const headers = { ...HEADERS, ...asked?.headers, host: HOST, authorization }
    const response = await request(port, asked?.path ?? PATH, { ...asked, headers })
    return { status: response.status, body: await response.text() }
  }
  const good = await ask(`Bearer ${tokens.good}`)
  if (good.status === 503 && /"code":"policy_invalid"/.test(good.body)) {
    return { outcome: 'policy_invalid' }
  }
  if (good.status !== 200) throw new Error(`${id} answers a good token with ${describe(good)}`)
  const forged = await ask(`Bearer ${forge(tokens.good)}`)
  const refused = forged.status === 401 || forged.status === 403
  if (refused !== verifies) {
    throw new Error(`${id} answers a forged token with ${describe(forged)}`)
  }
  const revoked = largeSet ? await ask(`Bearer ${tokens.revoked}`) : undefined
  if (revoked && !/"code":"token_revoked"/.test(revoked.body)) {
    throw new Error(`${id} answers a revoked token with ${describe(revoked)}`)
  }
  return { outcome: 'ready', body: good.body }
}

/** The same token with another signature of the same length. */
const forge = (token: string): string => {
  const end = token.lastIndexOf('.') + 1
  return token.slice(0, end) + [...token.slice(end)].reverse().join('')
}

const describe = ({ status, body }: { status: number; body: string }): string =>
  `${status}: ${body.slice(0, 300)}`
