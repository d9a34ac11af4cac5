import { type Denial, denials } from '../../base/denial.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import { tokenIn } from '../../model/subprotocols.ts'
import { AUTHORIZATION, type Credential, credentialText } from '../../model/token.ts'
import { bearer } from '../possession/bearer.ts'
import type { Routed } from './route.ts'

/** Denials about the place of a token: it is in none, or in several. */
export const placeDenials = denials({
  credential_missing: [
    'unauthenticated',
    'No access token was sent',
    'Send Authorization: Bearer with an access token; the challenge names the metadata that says where to get one',
  ],
  credential_header_malformed: [
    'invalidRequest',
    'The token is in several headers, or its header has something beside the token',
    'Send the token in one of the headers that this rule names, alone where it is not Authorization, and in no other',
  ],
  subprotocols_malformed: [
    'invalidRequest',
    'The WebSocket subprotocols are malformed or have only the token, or there is a second credential',
    'Offer one subprotocol with the token and at least one without, like `realtime`, and send no Authorization header',
  ],
})

/** A token as it was sent. */
export type Sent = Pick<Credential, 'header' | 'authorization' | 'scheme' | 'token' | 'opened'>

type Needs = Pick<Routed, 'route'> & Pick<LineFacts, 'request' | 'policy'>

type Authorization = Result<
  string | Sent | null,
  Denial<'subprotocols_malformed' | 'credential_header_malformed' | 'credential_missing'>
>

/** The denial of a request without a token. `names`: the headers that may have it. */
export function missing(names: readonly string[] = [AUTHORIZATION]): Denial<'credential_missing'> {
  const denial = placeDenials('credential_missing')
  if (names.includes(AUTHORIZATION)) return denial
  return { ...denial, hint: `Send the access token, and nothing else, in ${names.join(' or ')}` }
}

/** A token alone (RFC 9110 §11.2). */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/

/** What is in the one header of a rule's `credential.headers`; null if it is in none. */
const headerOf = ({ request: { headers } }: Needs, names: readonly string[]): Authorization => {
  const sent = [...new Set([AUTHORIZATION, ...names])].filter((name) => headers.get(name) !== null)
  const [header] = sent
  if (header === undefined) return ok(null)
  if (sent.length > 1) return fail(placeDenials('credential_header_malformed', { headers: sent }))
  const value = headers.get(header) ?? ''
  if (header === AUTHORIZATION) return names.includes(header) ? ok(value) : fail(missing(names))
  const token = value.trim()
  if (!TOKEN.test(token))
    return fail(placeDenials('credential_header_malformed', { headers: sent }))
  const scheme = bearer.scheme
  return ok({ header, scheme, token, authorization: credentialText({ header, scheme, token }) })
}

/** The Authorization header, or what it would be with the token of a subprotocol; or the token of another header. */
export function credentialSent(needs: Needs): Authorization {
  const { request, route, policy } = needs
  const { method, headers } = request
  const { tokenSubprotocols, mcp, credential } = route
  const found = credential ? headerOf(needs, credential.headers) : ok(headers.get(AUTHORIZATION))
  if (!found.ok) return found
  const header = found.value
  if (!tokenSubprotocols || mcp || method !== 'GET') return ok(header)
  const list = headers.get('sec-websocket-protocol')
  if (list === null || headers.get('upgrade')?.toLowerCase() !== 'websocket') return ok(header)
  const offered = tokenIn(list, tokenSubprotocols, policy)
  if (!offered.ok) return fail(placeDenials('subprotocols_malformed', { fault: offered.reason }))
  if (offered.value === undefined) return ok(header)
  return header === null
    ? ok(`Bearer ${offered.value}`)
    : fail(placeDenials('subprotocols_malformed', { fault: 'several' }))
}
