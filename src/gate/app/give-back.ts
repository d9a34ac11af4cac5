import { chain } from '../base/chain.ts'
import { denials } from '../base/denial.ts'
import { LIMITS } from '../base/limits.ts'
import { readForm } from '../base/query.ts'
import type { Facts } from '../guard/guard.ts'
import { wholeBody } from '../guard/operation/body.ts'
import { accessOf } from '../guard/stages/claims.ts'
import { credential } from '../guard/stages/credential.ts'
import { delegation } from '../guard/stages/delegation.ts'
import { issuer } from '../guard/stages/issuer.ts'
import { signature, signatureDenials } from '../guard/stages/signature.ts'
import type { AccessToken, AgentIdentity } from '../model/token.ts'
import { type Admin, answer, holds, isReached, refuse } from './context.ts'
import { readAdminText } from './request.ts'
import { LAST_EXPIRY, lateSeconds, toRevocations } from './revocation-request.ts'
import { addRevocations, findRevocation, shardsOf } from './revocations.ts'

export const giveBackDenials = denials({
  revoke_invalid: [
    'badRequest',
    'The request does not give a token back',
    'Send a body application/x-www-form-urlencoded of at most 64 KiB in UTF-8, with the parameter token, and each parameter once',
  ],
  revoke_unsupported: [
    'badRequest',
    'This gate cannot revoke that token alone',
    'Only a token with jti, and without encryption that the gate does not accept, can be given back; let it expire, or ask an administrator to revoke its agent',
  ],
  revoke_other: [
    'badRequest',
    'The token was not issued to the caller',
    'Give the token back with a token of the same agent and client, or with one of an administrator of its issuer',
  ],
})

const deny = giveBackDenials
const INVALID = deny('revoke_invalid')
const TYPE =
  /^application\/x-www-form-urlencoded[\t ]*(?:;[\t ]*charset=(?:utf-8|"utf-8")[\t ]*)?$/i

/** The stages that verify a token, without its times, its audience and the proof of its key. */
const VERIFIED = chain<Pick<Facts, 'request' | 'policy' | 'caller' | 'route' | 'address'>>()
  .and(credential)
  .and(issuer)
  .and(signature)

/**
 * `POST /revoke` (RFC 7009): revokes one token. An agent gives back tokens of itself, by issuer, id and client; an
 * administrator those of the issuers in reach. A token that no rule accepts needs no entry. The guard has checked the
 * caller.
 */
export async function giveBack(c: Admin): Promise<Response> {
  const found = await verified(c, await readToken(c))
  const now = Math.floor(c.get('ports').clock.now() / 1000)
  const done = () => c.body(null, 200, { 'cache-control': 'no-store' })
  const late = lateSeconds(c.get('policy'))
  // `exp` may be no number, which no rule accepts either.
  if (!found || !(found.access.expires + late > now)) return done()
  const { access, agent } = found
  const isAdmin = holds(c, 'edgewarden:revoke') && isReached(c, access.issuer)
  if (!isAdmin && !isOfCaller(c, access, agent)) {
    refuse(c, deny('revoke_other'), { error: 'invalid_grant' })
  }
  const { issuer, id: value } = access
  if (value === undefined) return unsupported(c)
  const expires = Math.min(Math.ceil(access.expires), LAST_EXPIRY - late)
  const wanted = { kind: 'token', issuer, value, expires } as const
  const given = { entries: [{ path: '', wanted }], force: true }
  // What agents give back counts as their issuer's, whatever its administrators may do.
  const entries = await toRevocations(c, given, now, INVALID, isAdmin ? undefined : true)
  const [entry] = entries
  const held = entry && (await findRevocation(c, entry.id))
  // An entry that lasts as long stays as it is, and leaves no further act.
  const isHeld = held && (held.revocation.expires ?? Infinity) >= (entry.expires ?? 0)
  const { shards } = isHeld ? held : await addRevocations(c, entries)
  return shards.pending.length === 0 ? done() : answer(c, shardsOf(shards), 202)
}

const unsupported = (c: Admin): never =>
  refuse(c, deny('revoke_unsupported'), { error: 'unsupported_token_type' })

/** The parameter `token`. Other parameters are ignored, but none may be sent twice (RFC 6749 §3.1, §3.2). */
const readToken = async (c: Admin): Promise<string> => {
  const { headers, body } = c.req.raw
  if (!TYPE.test(headers.get('content-type') ?? '') || headers.has('content-encoding')) {
    return refuse(c, INVALID)
  }
  const text = await readAdminText(c, (room) => wholeBody(body, LIMITS.adminBodyBytes, room))
  const form = text === undefined ? undefined : readForm(text)
  return form?.get('token') || refuse(c, INVALID)
}

/** What the token says, if an issuer of the policy has signed it. Refuses the request if that cannot be known. */
const verified = async (c: Admin, token: string) => {
  const { policy, route, address } = c.get('decision').known
  if (!policy || !route || !address) throw new TypeError('the request was not decided')
  // Header values have no such characters, and tokens neither.
  if (!/^[\x21-\x7e]+$/.test(token)) return undefined
  const headers = new Headers({ authorization: `Bearer ${token}` })
  const request = { url: c.req.url, method: 'POST', headers }
  const ports = c.get('ports')
  const given = { request, policy, route, address, caller: c.get('clientIp') }
  const watch = { now: () => ports.clock.now(), onError: ports.onError }
  const run = await VERIFIED.run(given, ports, watch)
  if (run.outcome === 'denied') {
    const { denial } = run
    if (denial.answer === 'unavailable') return refuse(c, denial)
    // The issuer may have a new key, with which the token would be accepted a moment later.
    if (denial.detail?.issuer_asked === false)
      return refuse(c, signatureDenials('keys_unavailable'))
    if (['token_encrypted', 'encryption_not_accepted'].includes(denial.code)) return unsupported(c)
  }
  if (run.outcome !== 'passed') return undefined
  const { token: read, issuer: entry } = run.known
  const access = accessOf(read)
  if (!access) return undefined
  const said = await delegation.run({ policy, route, issuer: entry, access }, {})
  return said.ok && !('end' in said) ? { access, agent: said.value.agent } : undefined
}

const isOfCaller = (c: Admin, access: AccessToken, { id }: Pick<AgentIdentity, 'id'>): boolean => {
  const [own, agent] = [c.get('access'), c.get('agent')]
  return own.issuer === access.issuer && agent.id === id && own.clientId === access.clientId
}
