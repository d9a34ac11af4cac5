import { isObject, type JsonObject, objectOf, own, ownText } from '../../gate/base/json.ts'
import { decodeJwsPart, hasJweParts, splitJws } from '../../gate/base/jws.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { claimPath, firstPresent } from '../../gate/model/claims.ts'
import type { Process } from '../base/command.ts'
import { utc } from '../base/times.ts'
import type { EntryOptions } from './revocation-entry.ts'

/** What a token names that can be revoked, by the kind; the widest last. Nothing of it is verified. */
export interface Leaked {
  readonly issuer: string
  readonly found: ReadonlyMap<string, string | undefined>
  /** Seconds since the epoch. */
  readonly expires?: number
}

/**
 * Reads whom a leaked token belongs to, by the policy that the gate shows. Verifies nothing: whoever can change the
 * text can name another agent. No reason of a failure contains any part of the token.
 */
export function readLeaked(text: string, policy: JsonObject): Result<Leaked, string> {
  const token = text.trim().replace(/^Bearer\s+/i, '')
  if (hasJweParts(token))
    return fail('The token is encrypted: only the gate can read it. Name what to revoke')
  const parts = splitJws(token)
  const [header, claims] = [parts?.header, parts?.payload].map(
    (part) => part && decodeJwsPart(part),
  )
  if (!header || !claims) return fail('This is not a JWT. Name what to revoke')
  const issuer = ownText(claims, 'iss')
  const entries = Object.values(objectOf(own(policy, 'issuers'))).filter(isObject)
  const entry = entries.find((one) => own(one, 'issuer') === issuer)
  if (issuer === undefined || !entry) {
    return fail(
      'The token is from none of the issuers that this gate shows, so the gate does not accept it',
    )
  }
  const first = (...names: readonly string[]) => {
    const value = firstPresent(claims, names.map(claimPath))
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const pathsOf = (key: string) => [own(entry, key)].flat().filter((one) => typeof one === 'string')
  const found = new Map(
    Object.entries({
      token: first('jti'),
      agent: first(...pathsOf('agent_id')),
      client: first('client_id', 'azp', 'cid', 'appid'),
      session: first(...pathsOf('session_id')),
      workflow: first(...pathsOf('workflow_id')),
      subject: first('sub'),
      key: ownText(header, 'kid'),
    }).filter(([, value]) => value !== undefined),
  ).set('issuer', undefined)
  const exp = own(claims, 'exp')
  return ok({ issuer, found, ...(typeof exp === 'number' && { expires: exp }) })
}

/** Which of a token's names to revoke: by the option, or by the answer of a person at the terminal. */
export async function chosenKind(
  { issuer, found, expires }: Leaked,
  kill: string | undefined,
  { waiting, converse, now }: Pick<Process, 'waiting' | 'now'> & { converse: Process['converse'] },
): Promise<Result<Pick<EntryOptions, 'kind' | 'value' | 'issuer'>, string>> {
  const kinds = [...found.keys()]
  if (expires !== undefined && expires < now())
    waiting.tell(`This token expired at ${utc(expires)}; its agent may have got others since.`)
  let kind = kill
  if (kind === undefined) {
    await converse?.(async (ask) => {
      waiting.tell(
        `Nothing in the token is verified. The token says that it is from ${issuer}, and names`,
      )
      for (const [name, value] of found) waiting.tell(`  ${name} ${value ?? '(every token of it)'}`)
      kind = (await ask(`Which to revoke (${kinds.join(', ')})? `))?.trim() ?? ''
    })
  }
  if (kind === undefined || kind === '') {
    return fail(`Say which to revoke: --kill ${kinds.join('|')}`)
  }
  return found.has(kind)
    ? ok({ kind, issuer, ...(kind !== 'issuer' && { value: found.get(kind) ?? '' }) })
    : fail(`The token names no ${kind}; it names: ${kinds.join(', ')}`)
}
