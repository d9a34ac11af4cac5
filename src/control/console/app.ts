import { problem } from '../../gate/answer/problem.ts'
import { requestIdOf } from '../../gate/answer/respond.ts'
import { addressOf, gateway, OWN, own } from '../../gate/app/gateway.ts'
import type { Opened } from '../../gate/app/platform/ports.ts'
import { readJsonBody } from '../../gate/app/request.ts'
import { utf8Decode } from '../../gate/base/bytes.ts'
import type { Denial } from '../../gate/base/denial.ts'
import { own as member, parseJsonObject } from '../../gate/base/json.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { networkOf } from '../../gate/base/network.ts'
import { readAddress } from '../../gate/base/request.ts'
import { fail, ok } from '../../gate/base/result.ts'
import { type Address, hostOf } from '../../gate/base/url.ts'
import { routeDenials } from '../../gate/guard/stages/route.ts'
import type { SignedPerson } from '../../gate/model/approval.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { changesOfAct } from './changes.ts'
import { cookieIn, cookieOf, withoutCookies } from './cookies.ts'
import { diffOfFile } from './diff.ts'
import { newCode, whoIsIn } from './endpoints.ts'
import { fileAt } from './files.ts'
import { type Around, beginSignIn, CALLBACK, completeSignIn, signInNames } from './person.ts'
import { ASSERTION } from './person-access.ts'
import { reach } from './reach.ts'
import {
  consoleDenials,
  openSession,
  type Session,
  sealedSession,
  sessionGuard,
  sessionOf,
} from './session.ts'

/**
 * A header that every request of the console which changes something must have. A page of another origin needs a
 * preflight to send it.
 */
const ACT = 'x-edgewarden-console'

/** The page loads only its own files. Text in the page cannot become script, style or markup. */
const SECURED = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
}

/** Two years, without subdomains. */
const LASTING = 'max-age=63072000'

/** A request to the console's host. */
interface Asked {
  readonly request: Request
  readonly requestId: string
  readonly opened: Opened
  readonly policy: Policy
  readonly address: Address
  readonly console: { readonly host: string }
}

/** The gateway with a console. The console's host serves only the console, and other hosts only the API. */
export async function consoleGateway(request: Request, opened: Opened): Promise<Response> {
  const { policy } = opened
  const console = policy?.gate.console
  const reading = readAddress(request)
  const host = reading.ok ? reading.value.host : hostOf(request.headers.get('host') ?? '')
  if (!policy || !console || host !== console.host) return gateway(withoutCookies(request), opened)
  const address = reading.ok && reading.value
  const requestId = requestIdOf(request)
  // The gateway refuses an address that cannot be read.
  const answer = address
    ? await answered({ request, requestId, opened, policy, console, address })
    : await gateway(withoutCookies(request), opened)
  for (const [name, value] of Object.entries(SECURED)) answer.headers.set(name, value)
  if (/^https:/i.test(request.url)) answer.headers.set('Strict-Transport-Security', LASTING)
  return answer
}

const answered = async (asked: Asked): Promise<Response> => {
  const { request, opened, policy, address } = asked
  const { path, scheme } = address
  const { gate } = policy
  if (scheme !== 'https' && !gate.insecureHttp && gate.resource.startsWith('https:')) {
    return refused(asked, routeDenials('insecure_transport'))
  }
  if (isRead(request)) {
    const file = await fileAt(path)
    if (file) return new Response(request.method === 'HEAD' ? null : file.text, file)
  }
  try {
    if (path.startsWith(CALLBACK) && request.method === 'GET') return await returned(asked)
    if (['/session', '/person', '/person/start'].includes(path) || path.startsWith('/api/')) {
      if (!isOfPage(request, address)) {
        return refused(asked, consoleDenials('console_request_foreign'))
      }
      if (path.startsWith('/api/')) return await passed(asked)
      if (path === '/person' && request.method === 'GET') {
        return json({ issuers: signInNames(policy) })
      }
      if (path === '/person/start' && request.method === 'POST') return await started(asked)
      if (path === '/session' && request.method === 'POST') return await begun(asked)
      if (path === '/session' && request.method === 'DELETE')
        return done(cookieOf('session', '', 0))
    }
    // Somebody who opened the address in a browser reads a page.
    const page = isRead(request) && isNavigation(request) && (await fileAt('/'))
    if (page)
      return new Response(request.method === 'HEAD' ? null : page.text, { ...page, status: 404 })
    return refused(asked, routeDenials('route_unknown'))
  } catch (error) {
    opened.ports.onError('console', error)
    return refused(asked, consoleDenials('console_unavailable'))
  }
}

const isRead = ({ method }: Request): boolean => method === 'GET' || method === 'HEAD'

/** Whether a browser asks for an address that somebody opened. */
const isNavigation = ({ headers }: Request): boolean =>
  headers.get('sec-fetch-mode') === 'navigate' || /text\/html/i.test(headers.get('accept') ?? '')

/** Whether a request comes from the console's own page. An act needs a header, and the page's origin. */
const isOfPage = (request: Request, { scheme, authority }: Address): boolean => {
  const { headers } = request
  const site = headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin') return false
  return (
    isRead(request) || (headers.has(ACT) && headers.get('origin') === `${scheme}://${authority}`)
  )
}

const refused = (asked: Asked, denial: Denial): Response => {
  const { requestId, request, policy } = asked
  const { code } = denial
  if (Object.hasOwn(consoleDenials.rows, code)) tell(asked, { event: 'console_refused', code })
  const { method } = request
  return problem(denial, { requestId, method, docs: policy.gate.denialDocs })
}

/** The address of one of the gate's own endpoints, and headers for a request to it, without any credential. */
const toGate = ({ request, policy, address }: Asked, path: string) => {
  const headers = new Headers(request.headers)
  for (const name of ['authorization', 'cookie', 'host', 'dpop', ASSERTION]) headers.delete(name)
  const { host } = new URL(policy.gate.resource)
  return { url: `${address.scheme}://${host}${policy.gate.prefix}/${path}`, headers }
}

/** Passes a request on to the gate's own endpoints, as the operator who is signed in. */
const passed = async (asked: Asked): Promise<Response> => {
  const { request, opened, policy, address, console } = asked
  const { ports } = opened
  const text = cookieIn(request, 'session')
  const session = text === undefined ? undefined : await openSession(text, console, ports)
  const path = address.path.slice('/api/'.length)
  const { url: place, headers } = toGate(asked, path)
  const assertion = request.headers.get(ASSERTION)
  const isAsserted = !session && assertion !== null
  if (isAsserted) headers.set('authorization', `Bearer ${assertion}`)
  const url = `${place}${address.query}`
  const sent = new Request(url, new Request(request, { headers }))
  // A session gets no code for another session, which would last longer.
  const isCode = path === 'console' && request.method !== 'GET'
  const guard = isAsserted ? opened.guard : sessionGuard(policy, ports, session)
  if (isCode || sent.url !== url) return refused(asked, routeDenials('route_unknown'))
  const { person } = session ?? {}
  const answer = await own.fetch(sent, { ...opened, guard, ...(person && { person }) })
  // A session is renewed only after the guard has accepted it: a revoked one must end.
  const isSeen = session && path === 'console' && answer.status === 200
  const renewed = isSeen && (await renewedCookie(session, asked))
  if (renewed) answer.headers.append('Set-Cookie', renewed)
  return answer
}

/** A new cookie in the second half of a session's idle time. */
const renewedCookie = async (session: Session, { opened, policy, console }: Asked) => {
  const left = session.access.expires - opened.ports.clock.now() / 1000
  const sealed = await sealedSession(session, policy, console, opened.ports)
  return sealed && left < sealed.seconds / 2
    ? cookieOf('session', sealed.text, sealed.seconds)
    : undefined
}

/** `POST /session`: exchanges a code for a session. */
const begun = async (asked: Asked): Promise<Response> => {
  const { request, opened, policy, console } = asked
  const { ports } = opened
  // Each address has its own share: bodies that never end leave room for others.
  const address = addressOf(request, policy.gate, opened.cf)
  const { signInBytes: most, signInMs, signInMoreMs } = LIMITS
  // Many that began together do not end together: agents would wait for all their answers.
  const ms = signInMs + signInMoreMs * Math.random()
  const room = ports.bodies.open(`console ${networkOf(address ?? '')}`, ms + LIMITS.heldSlackMs)
  const body = await readJsonBody(request, room, most, ms).finally(() => room.leave())
  if (!body.ok) return refused(asked, body.reason)
  const code = member(parseJsonObject(utf8Decode(body.value) ?? '') ?? {}, 'code')
  const session = await sessionOf(typeof code === 'string' ? code : '', policy, console, ports)
  if (!session.ok) return refused(asked, session.reason)
  const cookie = await entered(session.value, asked)
  return cookie ? done(cookie) : refused(asked, consoleDenials('console_code_invalid'))
}

/** The cookie of a session that begins; `undefined` where it could not last. */
const entered = async (session: Session, asked: Asked): Promise<string | undefined> => {
  const { opened, policy, console } = asked
  const sealed = await sealedSession(session, policy, console, opened.ports)
  if (!sealed) return undefined
  const { agent, access, person } = session
  const { operator } = policy.issuers.get(agent.issuer) ?? {}
  const who = { issuer: agent.issuer, agent: agent.id, operator, person: person?.subject }
  tell(asked, { event: 'console_signed_in', ...who, jti: access.id })
  return cookieOf('session', sealed.text, sealed.seconds)
}

const around = ({ request, opened, policy, address }: Asked): Around => ({
  policy,
  ports: opened.ports,
  origin: `${address.scheme}://${address.authority}`,
  caller: addressOf(request, policy.gate, opened.cf),
})

/** `POST /person/start?issuer=NAME`: where the person signs in. */
const started = async (asked: Asked): Promise<Response> => {
  const name = new URLSearchParams(asked.address.query).get('issuer') ?? ''
  const begun = await beginSignIn(name, cookieIn(asked.request, 'signIn') ?? '', around(asked))
  if (!begun.ok) return refused(asked, begun.reason)
  const { url, pending, seconds } = begun.value
  return json({ url }, { 'Set-Cookie': cookieOf('signIn', pending, seconds) })
}

/** `GET /person/callback/NAME`: the issuer has sent the person back. The page shows a refusal; the next sign-in begins anew. */
const returned = async (asked: Asked): Promise<Response> => {
  const { request, opened, policy, console } = asked
  const enter = async (token: string, person: SignedPerson) => {
    const { url, headers } = toGate(asked, 'console')
    headers.set('authorization', `Bearer ${token}`)
    const sent = new Request(url, { method: 'POST', headers })
    const answer = await own.fetch(sent, { ...opened, person })
    if (answer.status !== 200) return undefined
    const { hash } = new URL(((await answer.json()) as { url: string }).url)
    const session = await sessionOf(hash.slice('#code='.length), policy, console, opened.ports)
    return session.ok ? session.value : undefined
  }
  const about = around(asked)
  const { path, query } = asked.address
  const brought = {
    url: new URL(`${about.origin}${path}${query}`),
    text: cookieIn(request, 'signIn') ?? '',
    assertion: request.headers.get(ASSERTION) ?? undefined,
  }
  const completed = async () => {
    const session = await completeSignIn(brought, about, enter)
    const cookie = session.ok && (await entered(session.value, asked))
    if (cookie) return ok(cookie)
    return session.ok ? fail(consoleDenials('console_person_refused')) : session
  }
  const cookie = await completed().catch((error) => {
    opened.ports.onError('console', error)
    return fail(consoleDenials('console_unavailable'))
  })
  const answer = cookie.ok ? to('/') : refused(asked, cookie.reason)
  const told = !cookie.ok && isNavigation(request) ? to(`/#refused=${cookie.reason.code}`) : answer
  if (cookie.ok) told.headers.append('Set-Cookie', cookie.value)
  // Also after a failure: the page would complete a sign-in that is used up.
  told.headers.append('Set-Cookie', cookieOf('signIn', '', 0))
  return told
}

const to = (location: string): Response =>
  new Response(null, {
    status: 303,
    headers: { Location: location, 'Cache-Control': 'no-store' },
  })

const json = (body: object, headers: Record<string, string> = {}): Response =>
  Response.json(body, { headers: { 'Cache-Control': 'no-store', ...headers } })

/** Writes an event that is not a decision of the guard to the journal. */
const tell = ({ requestId, opened: { ports } }: Asked, event: object): void => {
  const time = new Date(ports.clock.now()).toISOString()
  ports.journal.record(JSON.stringify({ ...event, time, request_id: requestId }))
}

const done = (cookie: string): Response =>
  new Response(null, {
    status: 204,
    headers: { 'Cache-Control': 'no-store', 'Set-Cookie': cookie },
  })

own.get(`${OWN}/console`, whoIsIn)
own.post(`${OWN}/console`, newCode)
own.post(`${OWN}/console/diff`, diffOfFile)
own.get(`${OWN}/console/reach`, reach)
own.get(`${OWN}/console/changes/:id`, changesOfAct)
