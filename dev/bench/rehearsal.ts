import { request } from '../../test/kit/request.ts'
import { HEADERS } from './kinds.ts'
import type { Row } from './lineup.ts'
import { authorized, type Credential } from './tokens.ts'

/** What a row is asked with before anything is measured. */
export interface RehearsalTokens {
  readonly good: Credential
  /** One that the large set revokes. */
  readonly revoked: Credential
}

/**
 * Asks with a good token, which must be let through, with a forged one, which must be refused except by the
 * pass-through, and with a revoked one where there is the large set. Gives the body of the good answer.
 * Throws when one of them is answered otherwise.
 */
export const rehearse = async (
  { id, name, kind, largeSet }: Row,
  port: number,
  tokens: RehearsalTokens,
): Promise<string> => {
  const { method, path, body } = kind
  const ask = async (credential: Credential) => {
    const headers = { ...HEADERS, ...kind.headers, ...authorized(credential) }
    const response = await request(port, path, { method, headers, ...(body && { body }) })
    return { status: response.status, body: await response.text() }
  }
  const good = await ask(tokens.good)
  if (good.status !== 200) throw new Error(`${id} answers a good token with ${describe(good)}`)
  const { token, proof } = tokens.good
  const forgeries = {
    token: { ...tokens.good, token: forge(token) },
    ...(proof !== undefined && { proof: { token, proof: forge(proof) } }),
  }
  for (const [what, credential] of Object.entries(forgeries)) {
    const forged = await ask(credential)
    if (forged.status !== (name === 'a' ? 200 : 401)) {
      throw new Error(`${id} answers a forged ${what} with ${describe(forged)}`)
    }
  }
  const again = kind.hasProof ? await ask(tokens.good) : good
  if (again.status !== (name === 'gate-exact' ? 401 : 200)) {
    throw new Error(`${id} answers a proof that is sent again with ${describe(again)}`)
  }
  const revoked = largeSet ? await ask(tokens.revoked) : undefined
  if (revoked && !/"code":"token_revoked"/.test(revoked.body)) {
    throw new Error(`${id} answers a revoked token with ${describe(revoked)}`)
  }
  return good.body
}

/** The same token with another signature of the same length. */
const forge = (token: string): string => {
  const end = token.lastIndexOf('.') + 1
  return token.slice(0, end) + [...token.slice(end)].reverse().join('')
}

const describe = ({ status, body }: { status: number; body: string }): string =>
  `${status}: ${body.slice(0, 300)}`
