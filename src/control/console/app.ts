import { problem } from '../../gate/answer/problem.ts'
import { requestIdOf } from '../../gate/answer/respond.ts'
import type { Admin } from '../../gate/app/context.ts'
import { addressOf, gateway, OWN, own } from '../../gate/app/gateway.ts'
import type { Opened } from '../../gate/app/platform/ports.ts'
import { readJsonBody } from '../../gate/app/request.ts'
import { utf8Decode } from '../../gate/base/bytes.ts'
import type { Denial } from '../../gate/base/denial.ts'
import { own as member, parseJsonObject } from '../../gate/base/json.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { networkOf } from '../../gate/base/network.ts'
import { readAddress } from '../../gate/base/request.ts'
import { type Address, hostOf } from '../../gate/base/url.ts'
import { routeDenials } from '../../gate/guard/stages/route.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { changesOfAct } from './changes.ts'
import { diffOfFile } from './diff.ts'
import { fileAt } from './files.ts'
import { reach } from './reach.ts'
import {
  codeFor,
  consoleDenials,
  openSession,
  type Session,
  sealedSession,
  sessionGuard,
  sessionOf,
} from './session.ts'

const COOKIE = '__Host-edgewarden-console'
/**
 * A header that every request of the console which changes something must have. A page of another origin needs a
 * preflight to send it.
 */
const ACT = 'x-edgewarden-console'
/** Cloudflare Access puts its token here. */
const ASSERTION = 'cf-access-jwt-assertion'

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
  if (!policy || !console || host !== console.host) return gateway(withoutCookie(request), opened)
  const address = reading.ok && reading.value
  const requestId = requestIdOf(request)
  // The gateway refuses an address that cannot be read.
  const answer = address
    ? await answered({ request, requestId, opened, policy, console, address })
    : await gateway(withoutCookie(request), opened)
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
    if (path === '/session' || path.startsWith('/api/')) {
      if (!isOfPage(request, address)) {
        return refused(asked, consoleDenials('console_request_foreign'))
      }
      if (path.startsWith('/api/')) return await passed(asked)
      if (request.method === 'POST') return await begun(asked)
      if (request.method === 'DELETE') return done(cookieOf('', 0))
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

/** Passes a request on to the gate's own endpoints, as the operator who is signed in. */
const passed = async (asked: Asked): Promise<Response> => {
  const { request, opened, policy, address, console } = asked
  const { ports } = opened
  const text = cookieIn(request)
  const session = text === undefined ? undefined : await openSession(text, console, ports)
  const headers = new Headers(request.headers)
  const assertion = headers.get(ASSERTION)
  for (const name of ['authorization', 'cookie', 'host', 'dpop', ASSERTION]) headers.delete(name)
  const isAsserted = !session && assertion !== null
  if (isAsserted) headers.set('authorization', `Bearer ${assertion}`)
  const path = `${policy.gate.prefix}/${address.path.slice('/api/'.length)}`
  const { host } = new URL(policy.gate.resource)
  const url = `${address.scheme}://${host}${path}${address.query}`
  const sent = new Request(url, new Request(request, { headers }))
  // A session gets no code for another session, which would last longer.
  const isCode = path === `${policy.gate.prefix}/console` && request.method !== 'GET'
  const guard = isAsserted ? opened.guard : sessionGuard(policy, ports, session)
  if (isCode || sent.url !== url) return refused(asked, routeDenials('route_unknown'))
  const answer = await own.fetch(sent, { ...opened, guard })
  // A session is renewed only after the guard has accepted it: a revoked one must end.
  const isSeen = session && path === `${policy.gate.prefix}/console` && answer.status === 200
  const renewed = isSeen && (await renewedCookie(session, asked))
  if (renewed) answer.headers.append('Set-Cookie', renewed)
  return answer
}

/** A new cookie in the second half of a session's idle time. */
const renewedCookie = async (session: Session, { opened, policy, console }: Asked) => {
  const left = session.access.expires - opened.ports.clock.now() / 1000
  const sealed = await sealedSession(session, policy, console, opened.ports)
  return sealed && left < sealed.seconds / 2 ? cookieOf(sealed.text, sealed.seconds) : undefined
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
  const sealed = await sealedSession(session.value, policy, console, ports)
  if (!sealed) return refused(asked, consoleDenials('console_code_invalid'))
  const { issuer, id: agent } = session.value.agent
  const who = { issuer, agent, operator: policy.issuers.get(issuer)?.operator }
  tell(asked, { event: 'console_signed_in', ...who, jti: session.value.access.id })
  return done(cookieOf(sealed.text, sealed.seconds))
}

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

const cookieOf = (text: string, seconds: number): string =>
  `${COOKIE}=${text}; Path=/; Max-Age=${seconds}; Secure; HttpOnly; SameSite=Strict`

/**
 * The console's cookie as browsers send it. A cookie of this name behind a comma or another kind of space can only come
 * from another host.
 */
const OURS = new RegExp(`(?:^|;[ \\t]*)${COOKIE}=([^;]*)`, 'g')

/** The text of the console's cookie; `undefined` if there are two, since one may be somebody else's. */
const cookieIn = ({ headers }: Request): string | undefined => {
  const [cookie, ...others] = (headers.get('cookie') ?? '').matchAll(OURS)
  return others.length > 0 ? undefined : cookie?.[1]
}

/** All that a server could read as the console's cookie, also in header lines that were joined by commas. */
const LIKE_OURS = new RegExp(`(?:^|[;,]\\s*)${COOKIE}=[^;,\\s]*`, 'g')

/** A request without the console's cookie, which no origin may see. */
const withoutCookie = (request: Request): Request => {
  const sent = request.headers.get('cookie') ?? ''
  const rest = sent.replace(LIKE_OURS, '').replace(/^[;,]\s*/, '')
  if (rest === sent) return request
  const headers = new Headers(request.headers)
  if (rest === '') headers.delete('cookie')
  else headers.set('cookie', rest)
  return new Request(request, { headers })
}

own.get(`${OWN}/console`, (c: Admin) => {
  const { name, issuer } = c.get('agent')
  const { scopes, expires, entry } = c.get('access')
  const { prefix } = c.get('policy').gate
  // The page asks every minute.
  c.set('isUnwritten', true)
  const who = { agent: name, issuer, operator: entry.operator }
  return c.json({ ...who, scopes, expires, prefix }, 200, { 'Cache-Control': 'no-store' })
})

own.post(`${OWN}/console`, async (c: Admin) => {
  const { gate } = c.get('policy')
  const { address, intent = {} } = c.get('decision').known
  if (!gate.console || !address) throw new Error('no console')
  const about = { access: c.get('access'), intent, agent: c.get('agent') }
  const { code, expires } = await codeFor(about, c.get('policy'), gate.console, c.get('ports'))
  const port = /:\d+$/.exec(address.authority)?.[0] ?? ''
  const url = `${address.scheme}://${gate.console.host}${port}/#code=${code}`
  return c.json({ url, expires }, 200, { 'Cache-Control': 'no-store' })
})

own.post(`${OWN}/console/diff`, diffOfFile)
own.get(`${OWN}/console/reach`, reach)
own.get(`${OWN}/console/changes/:id`, changesOfAct)
