import type { GatePorts } from '../../gate/app/platform/ports.ts'
import { createSeals } from '../../gate/app/platform/sessions.ts'
import { chain, stage } from '../../gate/base/chain.ts'
import { denials } from '../../gate/base/denial.ts'
import { isObject, type JsonObject, own } from '../../gate/base/json.ts'
import type { RequestHead } from '../../gate/base/request.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Decision, Guard, GuardContext } from '../../gate/guard/guard.ts'
import { address } from '../../gate/guard/stages/address.ts'
import { replayName } from '../../gate/guard/stages/replay.ts'
import { revocation } from '../../gate/guard/stages/revocation.ts'
import { route } from '../../gate/guard/stages/route.ts'
import { scope } from '../../gate/guard/stages/scope.ts'
import type { SignedPerson } from '../../gate/model/approval.ts'
import type { LineFacts } from '../../gate/model/facts.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { revocableSubjects } from '../../gate/model/revocation.ts'
import { longestLife } from '../../gate/model/route.ts'
import type { AccessToken, AgentIdentity, Intent } from '../../gate/model/token.ts'
import { OWN_SCOPES } from '../../gate/policy/endpoints.ts'

export const consoleDenials = denials({
  console_session_missing: [
    'forbidden',
    'Nobody is signed in to the console, or the session has ended',
    'Sign in again: run npx edgewarden console, or come through Cloudflare Access',
  ],
  console_code_invalid: [
    'forbidden',
    'The code is not from this console, was already used, or is older than 60 seconds',
    'Run npx edgewarden console again for a new code',
  ],
  console_unavailable: [
    'unavailable',
    'At the moment the console can neither sign anybody in nor read a session',
    'Try again after Retry-After',
  ],
  console_request_foreign: [
    'forbidden',
    "The request does not come from the console's own page",
    'Use the console itself; programs call the endpoints of the gate with a token',
  ],
  console_person_unknown: [
    'forbidden',
    'The policy has no issuer of this name at which people sign in',
    'Choose one that the page offers',
  ],
  console_person_invalid: [
    'forbidden',
    'The sign-in was begun in another browser, was already used, is older than ten minutes, or its answer is not from the issuer',
    'Sign in again',
  ],
  console_person_stale: [
    'forbidden',
    'The issuer does not say that the person has just signed in',
    'Sign in again; the issuer must ask again (max_age=0), and put auth_time into its ID tokens',
  ],
  console_person_refused: [
    'forbidden',
    'The issuer or the gate does not let this person sign in',
    'Ask an administrator: the journal has the reason under the id of this request',
  ],
  console_person_busy: [
    'tooMany',
    'Too many people sign in at the moment',
    'Try again in a minute',
  ],
  console_person_unavailable: [
    'unavailable',
    'The issuer cannot be reached, or does not sign people in',
    'Try again after Retry-After',
  ],
  console_diff_invalid: [
    'badRequest',
    'The text contains no policy that can be compared',
    'Correct what `problems` names; nothing was changed',
  ],
  console_diff_too_large: [
    'tooLarge',
    'The policies are too large to be compared by the gate',
    'Compare them on your machine: npx edgewarden diff OLD NEW',
  ],
  console_diff_busy: [
    'tooMany',
    'The gate compares another policy at the moment',
    'Try again in some seconds, or compare on your machine: npx edgewarden diff OLD NEW',
  ],
  console_diff_reach: [
    'forbidden',
    'Only an administrator of every issuer may compare policies',
    'Use a token of an issuer that may administer every issuer',
  ],
})

const deny = consoleDenials

/** Seconds: of a code until it is used, of a session until it is used again, and of a session in all. */
const TIMES = { code: 60, idle: 15 * 60, longest: 8 * 60 * 60 }

/** Browsers drop cookies of more than 4,096 bytes. */
const MOST = 3_800

/** Who is signed in: what the guard has verified of the operator's token. It contains neither token nor secret. */
export interface Session {
  readonly access: Pick<AccessToken, 'issuer' | 'scopes' | 'issuedAt' | 'expires'> &
    Partial<Pick<AccessToken, 'id' | 'kid' | 'subject' | 'clientId'>>
  readonly intent: Intent
  readonly agent: AgentIdentity
  /** The person who has signed in; absent where a token began the session. */
  readonly person?: SignedPerson
  /** When it ends at the latest, in seconds since the epoch. */
  readonly ends: number
}

type Ports = Pick<GatePorts, 'clock' | 'signingKeys' | 'replays'>
type Host = { readonly host: string }

const sealsOf = ({ signingKeys }: Ports) => ({
  codes: createSeals(signingKeys, 'edgewarden-console-code+jwt'),
  sessions: createSeals(signingKeys, 'edgewarden-console-session+jwt'),
})
const nowOf = ({ clock }: Ports): number => Math.floor(clock.now() / 1000)

/** A code for the operator whose token was accepted, and when it expires. {@link sessionOf} takes it once. */
export async function codeFor(
  { access, intent, agent }: Pick<LineFacts, 'access' | 'intent' | 'agent'>,
  { includedBy }: Policy,
  { host }: Host,
  ports: Ports,
): Promise<{ readonly code: string; readonly expires: number }> {
  const { claims: _, entry, granted: __, scopes: held, ...rest } = access
  const scopes = OWN_SCOPES.filter((one) => includedBy(one).some((name) => held.includes(name)))
  const expires = nowOf(ports) + TIMES.code
  const about = { host, jti: crypto.randomUUID(), exp: expires }
  // The page shows who signs in. A session takes the operator from the policy.
  const said = { access: { ...rest, scopes }, intent, agent, operator: entry.operator }
  const code = await sealsOf(ports).codes.seal({ ...about, ...said })
  return { code, expires }
}

/** Takes a code, and begins the session of its operator. The code cannot be used again. */
export async function sessionOf(
  code: string,
  policy: Policy,
  about: Host,
  ports: Ports,
): Promise<Result<Session, ReturnType<typeof deny>>> {
  const claims = await opened('codes', code, about, ports)
  const invalid = fail(deny('console_code_invalid'))
  if (!claims) return invalid
  const name = await replayName('console', String(claims.jti))
  if (!(await ports.replays.claim(name, Number(claims.exp)))) return invalid
  const ends = nowOf(ports) + TIMES.longest
  const { access, intent, agent } = claims as unknown as Session
  const session = { access, intent, agent, ends }
  return policy.issuers.has(access.issuer) ? ok(session) : invalid
}

/**
 * A session as text for a cookie, and its seconds: at most as many as a token of its issuer may live, because
 * revocations are kept for that time.
 */
export async function sealedSession(
  session: Session,
  policy: Policy,
  { host }: Host,
  ports: Ports,
): Promise<{ readonly text: string; readonly seconds: number } | undefined> {
  const entry = policy.issuers.get(session.access.issuer)
  const now = nowOf(ports)
  const seconds = Math.min(TIMES.idle, entry ? longestLife(entry, {}) : 0, session.ends - now)
  if (seconds <= 0) return undefined
  const access = { ...session.access, expires: now + seconds }
  const claims = { ...session, access, host, exp: now + seconds }
  const text = await sealsOf(ports).sessions.seal(claims)
  return text.length > MOST ? undefined : { text, seconds }
}

/** The session in a cookie's text; `undefined` for any other text, and after its end. */
export async function openSession(
  text: string,
  about: Host,
  ports: Ports,
): Promise<Session | undefined> {
  return (await opened('sessions', text, about, ports)) as Session | undefined
}

/** The claims that a text seals, if they are of this console and have not expired. */
const opened = async (
  kind: keyof ReturnType<typeof sealsOf>,
  text: string,
  { host }: Host,
  ports: Ports,
): Promise<JsonObject | undefined> => {
  const claims = await sealsOf(ports)[kind].open(text)
  return claims?.host === host && Number(claims?.exp) > nowOf(ports) ? claims : undefined
}

interface Given extends Pick<LineFacts, 'request' | 'policy' | 'caller' | 'connection'> {
  readonly session: Session | undefined
}

/** Reads who calls from a session. Only the gate's own endpoints accept one: their decisions have no token. */
const signedIn = stage({
  name: 'session',
  establishes:
    'somebody is signed in, by an issuer that still has admin, and a key that the policy still has',
  denials: [deny],
  run({ session, policy, route }: Given & Pick<LineFacts, 'route'>) {
    const entry = session && policy.issuers.get(session.access.issuer)
    if (!session || !entry?.admin || !route.endpoint || isKeyGone(entry, session)) {
      return fail(deny('console_session_missing'))
    }
    const access: AccessToken = { ...session.access, claims: {}, entry }
    const { intent, agent } = session
    return ok({
      access,
      intent,
      agent,
      subjects: revocableSubjects(access, agent),
      possession: 'bearer' as const,
    })
  },
})

const isKeyGone = ({ keys }: AccessToken['entry'], { access: { kid } }: Session): boolean =>
  keys.kind === 'inline' &&
  kid !== undefined &&
  !keys.keys.some((key) => isObject(key) && own(key, 'kid') === kid)

const LINE = chain<Given>().and(route).and(address).and(signedIn).and(scope).and(revocation)

/** A guard that decides requests to the gate's own endpoints by a session, as the guard of the API does by a token. */
export function sessionGuard(
  policy: Policy,
  ports: GatePorts,
  session: Session | undefined,
): Guard {
  const decide = async (request: RequestHead, { caller, connection }: GuardContext = {}) => {
    const watch = { now: () => ports.clock.now(), onError: ports.onError }
    const decision = await LINE.run({ request, policy, caller, connection, session }, ports, watch)
    return Object.assign(decision, { ports }) as unknown as Decision
  }
  return Object.assign(decide, { policy })
}
