import * as oauth from 'oauth4webapi'
import type { GatePorts } from '../../gate/app/platform/ports.ts'
import { createSeals } from '../../gate/app/platform/sessions.ts'
import type { JsonObject } from '../../gate/base/json.ts'
import { networkOf } from '../../gate/base/network.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { isIdentityText } from '../../gate/base/text.ts'
import { replayName } from '../../gate/guard/stages/replay.ts'
import type { SignedPerson } from '../../gate/model/approval.ts'
import { readClaim } from '../../gate/model/claims.ts'
import type { Issuer, SignIn } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { createBuckets } from '../../gate/platform/buckets.ts'
import { system } from '../../gate/platform/system.ts'
import { logoutUrl, personOfAccess } from './person-access.ts'
import { authorizationServerOf, sendBounded, Unreachable, verifiedClaims } from './person-issuer.ts'
import { consoleDenials, type Session } from './session.ts'

const deny = consoleDenials
type Refused = ReturnType<typeof deny>

/** The last part of the path of each address to which issuers send people back. */
export const CALLBACK = '/person/callback/'

/** Seconds for which a sign-in may last. */
const LONGEST = 600
/** Sign-ins of a network, and of all: each asks an issuer at most twice. */
const NETWORK = { limit: 20, period: 300_000 }
const TOGETHER = { limit: 120, period: 60_000 }
/** Authentication that resists phishing, the strongest first (OpenID EAP ACR Values §4). */
const STRONGEST = ['phrh', 'phr']

const ofNetwork = createBuckets({ clock: system.clock, most: 1_024 })
const ofAll = createBuckets({ clock: system.clock, most: 1 })

/** What both halves of a sign-in need. */
export interface Around {
  readonly policy: Policy
  readonly ports: Pick<GatePorts, 'clock' | 'keys' | 'replays' | 'signingKeys'>
  /** Scheme, host and port of the console. */
  readonly origin: string
  /** The address of the caller, if it is known. */
  readonly caller: string | undefined
}

/** A sign-in that is not complete: sealed in a cookie of the browser that began it. */
interface Pending {
  readonly issuer: string
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  readonly origin: string
  readonly begun: number
}

type Signing = Issuer & { readonly person: SignIn }

const sealsOf = ({ ports }: Around) =>
  createSeals(ports.signingKeys, 'edgewarden-console-sign-in+jwt')
const nowOf = ({ ports }: Around): number => Math.floor(ports.clock.now() / 1000)
const redirectOf = (origin: string, { name }: Issuer): string =>
  `${origin}${CALLBACK}${encodeURIComponent(name)}`
const withPerson = (issuer: Issuer | undefined): issuer is Signing => issuer?.person !== undefined

/** Names of the issuers at which people sign in. */
export function signInNames({ issuers }: Policy): readonly string[] {
  return [...issuers.values()].filter(withPerson).map(({ name }) => name)
}

/**
 * Begins a sign-in by the authorization code flow, with PKCE (RFC 7636), or by Cloudflare Access: where to send the
 * person, and what the browser keeps meanwhile. Asks for an authentication that is new. `text`: the cookie of the browser.
 */
export async function beginSignIn(
  name: string,
  text: string,
  around: Around,
): Promise<
  Result<{ readonly url: string; readonly pending: string; readonly seconds: number }, Refused>
> {
  const issuer = [...around.policy.issuers.values()].find((one) => one.name === name)
  if (!withPerson(issuer)) return fail(deny('console_person_unknown'))
  if (!isAllowed(around)) return fail(deny('console_person_busy'))
  const { origin } = around
  const pending: Pending = {
    issuer: issuer.issuer,
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
    origin,
    begun: nowOf(around),
  }
  const sealed = (one: Pending) => sealsOf(around).seal({ ...one, exp: one.begun + LONGEST })
  if (issuer.person.access) {
    // Whoever was not sent on after the logout has authenticated since, and completes what they began.
    const before = await pendingOf(text, around)
    const one = before?.issuer === issuer.issuer ? before : pending
    const back = `${redirectOf(origin, issuer)}?state=${one.state}`
    const url = one === before ? back : logoutUrl(origin, back)
    return ok({ url, pending: await sealed(one), seconds: LONGEST })
  }
  const server = await authorizationServerOf(issuer, around.ports)
  if (!server?.authorization_endpoint) return fail(deny('console_person_unavailable'))
  const url = new URL(server.authorization_endpoint)
  const offered = STRONGEST.filter((acr) => server.acr_values_supported?.includes(acr))
  const asked = {
    response_type: 'code',
    client_id: issuer.person.clientId,
    redirect_uri: redirectOf(origin, issuer),
    scope: ['openid', ...issuer.person.scopes].join(' '),
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
    max_age: '0',
    prompt: 'login',
    ...(offered.length > 0 && { acr_values: offered.join(' ') }),
    ...audienceOf(issuer, around.policy),
  }
  for (const [key, value] of Object.entries(asked)) url.searchParams.set(key, value)
  return ok({ url: url.href, pending: await sealed(pending), seconds: LONGEST })
}

/** The sign-in that a cookie's text seals, unless it is too old. */
const pendingOf = async (text: string, around: Around): Promise<Pending | undefined> => {
  const sealed = await sealsOf(around).open(text)
  return Number(sealed?.exp) > nowOf(around) ? (sealed as unknown as Pending) : undefined
}

const audienceOf = ({ person, audiences }: Signing, { gate }: Policy): Record<string, string> =>
  person.audienceParameter === 'none'
    ? {}
    : { [person.audienceParameter]: audiences?.[0] ?? gate.resource }

const isAllowed = ({ caller }: Around): boolean =>
  ofNetwork(networkOf(caller ?? ''), NETWORK).ok && ofAll('', TOGETHER).ok

/** What the browser brings back: the address with the issuer's answer, its cookie, and the assertion of Access. */
interface Returned {
  readonly url: URL
  readonly text: string
  readonly assertion: string | undefined
}

/**
 * Completes a sign-in: by the issuer's answer, whose code is exchanged and whose ID token is verified, or by the assertion
 * of Cloudflare Access. Has `enter` accept the token as that of any operator. The person must have authenticated after
 * the sign-in began, and nobody may act for them. A sign-in is completed once.
 */
export async function completeSignIn(
  { url, text, assertion }: Returned,
  around: Around,
  enter: (token: string, person: SignedPerson) => Promise<Session | undefined>,
): Promise<Result<Session, Refused>> {
  const invalid = fail(deny('console_person_invalid'))
  const pending = await pendingOf(text, around)
  const issuer = pending && around.policy.issuers.get(pending.issuer)
  if (!withPerson(issuer) || redirectOf(around.origin, issuer) !== url.origin + url.pathname) {
    return invalid
  }
  if (pending?.origin !== around.origin || url.searchParams.get('state') !== pending.state) {
    return invalid
  }
  if (!isAllowed(around)) return fail(deny('console_person_busy'))
  const once = await isFirst(pending.state, pending.begun + LONGEST, around)
  if (!once) return invalid
  const proof = issuer.person.access
    ? await proofOfAccess(assertion ?? '', issuer, around)
    : await proofOfCode(url, pending, issuer, around)
  if (!proof.ok) return proof
  const { claims, authenticated, token } = proof.value
  if (!(authenticated >= pending.begun - around.policy.gate.clockTolerance)) {
    return fail(deny('console_person_stale'))
  }
  const refused = fail(deny('console_person_refused'))
  const subject = readClaim(claims, issuer.person.claim)
  if (typeof subject !== 'string' || !isIdentityText(subject) || Object.hasOwn(claims, 'act')) {
    return refused
  }
  const at = Math.min(authenticated, nowOf(around))
  const person = { issuer: issuer.issuer, subject, at }
  const session = await enter(token, person)
  if (!session) return refused
  const { access, agent } = session
  const isTheirs =
    access.issuer === issuer.issuer &&
    access.subject === claims.sub &&
    (access.clientId ?? issuer.person.clientId) === issuer.person.clientId
  if (!isTheirs || agent.actors.length > 0) return refused
  return ok({ ...session, person })
}

/** Whether nobody has used this before; `until` in seconds since the epoch. */
const isFirst = async (what: string, until: number, { ports }: Around): Promise<boolean> =>
  ports.replays.claim(await replayName('console', what), until)

/** Who has authenticated, and when, in seconds since the epoch; `token` is that of the session. */
interface Proof {
  readonly claims: JsonObject
  readonly authenticated: number
  readonly token: string
}

const proofOfCode = async (
  url: URL,
  pending: Pending,
  issuer: Signing,
  around: Around,
): Promise<Result<Proof, Refused>> => {
  const server = await authorizationServerOf(issuer, around.ports)
  if (!server) return fail(deny('console_person_unavailable'))
  const tokens = await tokensOf(url, { pending, issuer, server }, around)
  if (!tokens.ok) return tokens
  const { id_token, access_token: token } = tokens.value
  const claims = await verifiedClaims(id_token, issuer, around)
  if (!claims) return fail(deny('console_person_invalid'))
  return ok({ claims, authenticated: Number(claims.auth_time), token })
}

/** One login at Access makes one session: whoever else has its assertion is refused. */
const proofOfAccess = async (
  token: string,
  issuer: Signing,
  around: Around,
): Promise<Result<Proof, Refused>> => {
  try {
    const found = await personOfAccess(token, issuer, around)
    if (!found.ok) return fail(deny(found.reason))
    const { claims, authenticated } = found.value
    const login = `${issuer.issuer} ${claims.sub} ${authenticated}`
    const until = nowOf(around) + 2 * LONGEST
    const isUnused = Number.isNaN(authenticated) || (await isFirst(login, until, around))
    return isUnused ? ok({ ...found.value, token }) : fail(deny('console_person_invalid'))
  } catch (error) {
    if (error instanceof Unreachable) return fail(deny('console_person_unavailable'))
    throw error
  }
}

interface Exchange {
  readonly pending: Pending
  readonly issuer: Signing
  readonly server: oauth.AuthorizationServer
}

/** Exchanges the code (RFC 6749 §4.1.3). Checks `state`, `iss` (RFC 9207) and the claims of the ID token, not its signature. */
const tokensOf = async (
  url: URL,
  { pending, issuer, server }: Exchange,
  { policy, origin }: Around,
): Promise<Result<oauth.TokenEndpointResponse & { readonly id_token: string }, Refused>> => {
  const client: oauth.Client = {
    client_id: issuer.person.clientId,
    [oauth.clockTolerance]: policy.gate.clockTolerance,
  }
  try {
    const answer = oauth.validateAuthResponse(server, client, url, pending.state)
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      answer,
      redirectOf(origin, issuer),
      pending.verifier,
      {
        [oauth.customFetch]: sendBounded,
        [oauth.allowInsecureRequests]: issuer.allowInsecureHttp,
        additionalParameters: audienceOf(issuer, policy),
      },
    )
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: pending.nonce,
      maxAge: LONGEST,
      requireIdToken: true,
    })
    return ok({ ...tokens, id_token: String(tokens.id_token) })
  } catch (error) {
    return fail(deny(codeOf(error)))
  }
}

const codeOf = (error: unknown) => {
  if (error instanceof Unreachable) return 'console_person_unavailable'
  if (error instanceof oauth.AuthorizationResponseError) return 'console_person_refused'
  if (error instanceof oauth.ResponseBodyError) return 'console_person_refused'
  const isOfTime = error instanceof Error && /auth_time|authentication/i.test(error.message)
  return isOfTime ? 'console_person_stale' : 'console_person_invalid'
}
