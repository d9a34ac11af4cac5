import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, type Denial, denials, joined } from '../../base/denial.ts'
import { own } from '../../base/json.ts'
import {
  decodeJwsPart,
  decodeSplitPart,
  FORBIDDEN_PARAMETERS,
  FORBIDDEN_TYPES,
  hasJweParts,
  isKid,
  mediaType,
  splitJws,
} from '../../base/jws.ts'
import { LIMITS } from '../../base/limits.ts'
import { createTextMemo } from '../../base/memo.ts'
import { hasAccessToken } from '../../base/query.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import { algorithmOf } from '../../model/issuer.ts'
import type { RememberedToken, TokenMemory } from '../../model/ports.ts'
import { trustDomainOf } from '../../model/spiffe.ts'
import { type Credential, seal } from '../../model/token.ts'
import { credentialSent, missing, placeDenials, type Sent } from './credential-places.ts'
import { isStillOpened, openersOf, openToken } from './decryption.ts'
import { schemeOf } from './possession.ts'
import type { Routed } from './route.ts'

const malformed = 'Get a new token from the authorization server and send it unchanged'

const deny = denials({
  credential_malformed: [
    'invalidRequest',
    'The Authorization header is not one token',
    'Send exactly one Authorization header: the word Bearer or DPoP, a space, the token',
  ],
  scheme_unsupported: [
    'unauthenticated',
    'The Authorization header has a scheme that is not accepted here',
    'Send Authorization: Bearer with an access token, or Authorization: DPoP with a token that is bound to a key',
  ],
  credential_in_query: [
    'invalidRequest',
    'An access token was sent in the query',
    'Send the token in the Authorization header only, and get a new one: URLs are logged',
  ],
  token_too_long: ['invalidToken', 'The token is longer than this gate reads', malformed],
  token_malformed: [
    'invalidToken',
    'The token is not a well-formed compact JWS, alone or encrypted',
    malformed,
  ],
  token_encrypted: [
    'invalidToken',
    'Encrypted tokens are not accepted here',
    'Ask the authorization server for signed tokens that are not encrypted',
  ],
  encryption_not_accepted: [
    'invalidToken',
    'The token is not encrypted in a way that is accepted here',
    'The authorization server must encrypt a signed JWT (cty JWT) with algorithms that the operator has allowed',
  ],
  decryption_failed: [
    'invalidToken',
    'The encrypted token cannot be decrypted',
    "Get a new token; if the problem persists, the authorization server must encrypt with this gate's current key, and name it (kid)",
  ],
  decryption_unavailable: [
    'unavailable',
    'The key that decrypts the token cannot be used at the moment',
    'Keep the token, try again after Retry-After, and tell the operator if the problem persists',
  ],
  header_forbidden: [
    'invalidToken',
    'The token header has a parameter that this gate refuses',
    malformed,
  ],
  algorithm_forbidden: [
    'invalidToken',
    'The token is not signed with an algorithm this gate accepts',
    malformed,
  ],
  type_forbidden: [
    'invalidToken',
    'The token is of a kind that is never an access token',
    'Send an access token, not another JWT of the same server',
  ],
})

/** At most 16 spaces, so that a remembered header is not mostly spaces. */
const ONE_TOKEN = /^([!#$%&'*+\-.^_`|~\dA-Za-z]+) {1,16}([A-Za-z0-9\-._~+/]+=*)$/
/**
 * A quoted string (RFC 9110 §5.6.4). A string without a closing quote matches too, so that matching takes linear time.
 */
const QUOTED = /"(?:[^"\\]|\\.?)*("?)/g
const PARAMETER = /^\s*[\w!#$%&'*+\-.^`|~]+\s*=/

/** The token of a request, and the remembered token of an equal header. */
export interface CredentialFacts {
  readonly credential: Credential
  /** Present where an earlier request with the same header passed the line. */
  readonly remembered: RememberedToken | undefined
}

type Read = Outcome<CredentialFacts, CodeOf<typeof deny>>
type Presented = Read | Outcome<never, CodeOf<typeof placeDenials>>

type Needs = Pick<Routed, 'route' | 'address'> & Pick<LineFacts, 'request' | 'policy'>

/**
 * Reads exactly one token of bounded length from the Authorization header (RFC 6750 §2.1, RFC 9449 §7.1), or where the
 * rule allows it from another header or a WebSocket subprotocol: a compact JWS with an acceptable header, or one inside a JWE that a key
 * for this rule decrypts. Refuses a token in the query, on a public route too. Verifies nothing, not even the claimed
 * issuer. Ends the line on a public route, and on an optional one without a credential.
 */
export const credential = stage({
  name: 'credential',
  establishes:
    'the Authorization header, or another header or a subprotocol where the rule takes one, has exactly one well-formed token of bounded length, decrypted if it was encrypted; nothing in it is verified yet',
  denials: [joined(placeDenials, deny)],
  found: ({ credential: { algorithm, type, kid, claimedIssuer } }) => ({
    alg: algorithm,
    typ: type,
    kid,
    claimed_issuer: claimedIssuer,
  }),
  run(needs: Needs, { tokens }: { readonly tokens: TokenMemory }): Presented | Promise<Presented> {
    const { route, address } = needs
    const anonymous = { ok: true, end: true, value: {} } as const
    if (hasAccessToken(address.query)) return fail(deny('credential_in_query'))
    if (route.access === 'public') return anonymous
    const sent = credentialSent(needs)
    if (!sent.ok) return sent
    const header = sent.value
    if (typeof header === 'object' && header !== null) {
      const remembered = rememberedOf(header.authorization, needs, tokens)
      return remembered ?? readToken(header, needs)
    }
    if (header === null) {
      return route.access === 'optional' ? anonymous : fail(missing(route.credential?.headers))
    }
    const remembered = rememberedOf(header, needs, tokens)
    if (remembered) return remembered
    const [, written = '', token = ''] = ONE_TOKEN.exec(header) ?? []
    const scheme = schemeOf(written)
    if (scheme !== undefined) return readToken({ authorization: header, scheme, token }, needs)
    const bare = header.replace(QUOTED, (all, end) => (end === '' ? all : '""'))
    if (isSeveral(bare) || hasTakenScheme(bare)) return fail(deny('credential_malformed'))
    return bare.trim() === ''
      ? fail(missing(route.credential?.headers))
      : fail(deny('scheme_unsupported'))
  },
})

/** A remembered credential, read from this exact header. A key for this rule must still decrypt it. */
const rememberedOf = (
  header: string,
  { policy, route }: Needs,
  tokens: TokenMemory,
): Read | undefined => {
  const remembered = tokens.find(header)
  const opened = remembered?.credential.opened
  return remembered && (!opened || isStillOpened(opened, policy, route))
    ? ok({ credential: remembered.credential, remembered })
    : undefined
}

/**
 * Whether a header has several credentials, of any scheme: text after a comma that is not a further parameter `name=`
 * (RFC 9110 §11.4). Call it without quoted strings.
 */
const isSeveral = (bare: string): boolean =>
  bare
    .split(',')
    .slice(1)
    .some((part) => part.trim() !== '' && !PARAMETER.test(part))

/** Whether a credential begins with a token scheme, but is not followed by exactly one token. */
const hasTakenScheme = (bare: string): boolean =>
  bare.split(',').some((part) => {
    const [scheme = ''] = part.trim().split(/\s/, 1)
    return schemeOf(scheme) !== undefined
  })

const readToken = (sent: Sent, needs: Needs): Read | Promise<Read> => {
  if (sent.token.length > LIMITS.tokenLength) return fail(deny('token_too_long'))
  return hasJweParts(sent.token) ? readEncrypted(sent, needs) : readSigned(sent.token, sent)
}

const readEncrypted = async (sent: Sent, needs: Needs): Promise<Read> => {
  const openers = openersOf(needs.policy, needs.route)
  if (openers.length === 0) return fail(deny('token_encrypted'))
  const opening = await openToken(sent.token, openers)
  if (!opening.ok) return fail(deny(...opening.reason))
  const inner = readSigned(opening.value.signed, { ...sent, opened: opening.value })
  // The sender may be unable to read the content, so its details are left out.
  return inner.ok ? inner : fail(deny(inner.reason.code))
}

/** What a JWS header says of its token. */
type HeaderFacts = Pick<Credential, 'algorithm' | 'type' | 'kid'>

/** Facts by the text of a JWS header, which is the same in all tokens of a key. Refused headers are not kept. */
const accepted = createTextMemo<HeaderFacts>()

/** Reads a compact JWS; `sent`: the token and header it was sent in. */
const readSigned = (signed: string, sent: Sent): Read => {
  const parts = signed.length <= LIMITS.tokenLength ? splitJws(signed) : undefined
  if (!parts) return fail(deny('token_malformed'))
  const header = readHeader(parts.header)
  const claims = decodeSplitPart(parts.payload)
  if (!header || !claims) return fail(deny('token_malformed'))
  const trustDomain = trustDomainOf(own(claims, 'sub'))
  const iss = own(claims, 'iss')
  const claimedIssuer = iss === undefined ? trustDomain : iss
  if (typeof claimedIssuer !== 'string') return fail(deny('token_malformed', { member: 'iss' }))
  if (!header.ok) return header
  const trusted = trustDomain !== undefined && { trustDomain }
  const read = { ...sent, ...header.value, claimedIssuer, ...trusted }
  return ok({ credential: seal(read, claims), remembered: undefined })
}

/** Reads a JWS header; `undefined` where it is not one JSON object. */
const readHeader = (text: string): Result<HeaderFacts, Denial<CodeOf<typeof deny>>> | undefined => {
  const known = accepted.get(text)
  if (known) return ok(known)
  const header = decodeJwsPart(text)
  if (!header) return undefined
  const forbidden = FORBIDDEN_PARAMETERS.find((name) => Object.hasOwn(header, name))
  if (forbidden) return fail(deny('header_forbidden', { parameter: forbidden }))
  const algorithm = algorithmOf(own(header, 'alg'))
  if (!algorithm) return fail(deny('algorithm_forbidden'))
  const kid = own(header, 'kid')
  if (kid !== undefined && !isKid(kid)) return fail(deny('token_malformed', { member: 'kid' }))
  const type = typeOf(own(header, 'typ'))
  if (type === undefined) return fail(deny('token_malformed', { member: 'typ' }))
  if (FORBIDDEN_TYPES.has(type)) return fail(deny('type_forbidden', { type }))
  return ok(accepted.keep(text, { algorithm, type, ...(kid !== undefined && { kid }) }))
}

/** The `typ` without case and `application/` (RFC 7515 §4.1.9); `undefined` where it is malformed. */
const typeOf = (typ: unknown): string | undefined => {
  if (typ === undefined) return 'absent'
  if (typeof typ !== 'string' || typ === '') return undefined
  const type = mediaType(typ)
  // `absent` means a token without `typ`, so a `typ` of that name is refused.
  return type === 'absent' ? undefined : type
}
