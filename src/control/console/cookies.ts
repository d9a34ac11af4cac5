/** The cookie of a session, and that of a person's sign-in that is not complete. */
export const COOKIES = {
  session: { name: '__Host-edgewarden-console', site: 'Strict' },
  // The issuer's page sends the person back, and a strict cookie would not come with that.
  signIn: { name: '__Host-edgewarden-sign-in', site: 'Lax' },
} as const

type Kind = keyof typeof COOKIES

/** The value of a Set-Cookie header; the cookie is removed with 0 seconds. */
export function cookieOf(kind: Kind, text: string, seconds: number): string {
  const { name, site } = COOKIES[kind]
  return `${name}=${text}; Path=/; Max-Age=${seconds}; Secure; HttpOnly; SameSite=${site}`
}

/**
 * The text of a cookie as browsers send it; `undefined` if there are two, since one may be somebody else's. A cookie of
 * this name behind a comma or another kind of space can only come from another host.
 */
export function cookieIn({ headers }: Request, kind: Kind): string | undefined {
  const ours = new RegExp(`(?:^|;[ \\t]*)${COOKIES[kind].name}=([^;]*)`, 'g')
  const [cookie, ...others] = (headers.get('cookie') ?? '').matchAll(ours)
  return others.length > 0 ? undefined : cookie?.[1]
}

/** All that a server could read as a cookie of the console, also in header lines that were joined by commas. */
const LIKE_OURS = new RegExp(
  `(?:^|[;,]\\s*)(?:${COOKIES.session.name}|${COOKIES.signIn.name})=[^;,\\s]*`,
  'g',
)

/** A request without the console's cookies, which no origin may see. */
export function withoutCookies(request: Request): Request {
  const sent = request.headers.get('cookie') ?? ''
  const rest = sent.replace(LIKE_OURS, '').replace(/^[;,]\s*/, '')
  if (rest === sent) return request
  const headers = new Headers(request.headers)
  if (rest === '') headers.delete('cookie')
  else headers.set('cookie', rest)
  return new Request(request, { headers })
}
