import { isPreflight } from '../base/request.ts'
import type { Decision } from '../guard/guard.ts'
import type { CorsRule } from '../model/route.ts'

/** The CORS rule of an answer. An OPTIONS request that is not an allowed preflight has none. */
export function corsFor(request: Request, { outcome, known }: Decision): CorsRule | undefined {
  const cors = known.route?.cors
  if (!cors || request.method !== 'OPTIONS') return cors
  return outcome === 'ended' && isPreflight(request) ? cors : undefined
}

/** The answer with the headers of the CORS protocol (Fetch standard), in place of its own. */
export function withCors({ headers: asked }: Request, rule: CorsRule, answer: Response): Response {
  const told = new Response(answer.body, answer)
  const { headers } = told
  const { origins, expose, credentials } = rule
  const origin = asked.get('origin') ?? ''
  const isAny = origins.includes('*')
  if (isAny || origins.includes(origin)) {
    headers.set('Access-Control-Allow-Origin', isAny ? '*' : origin)
  }
  if (credentials) headers.set('Access-Control-Allow-Credentials', 'true')
  headers.set('Access-Control-Expose-Headers', expose.join(','))
  if (!isAny) headers.append('Vary', 'Origin')
  return told
}

/** The answer to an allowed preflight, which no origin gets. */
export function preflightAnswer(request: Request, rule: CorsRule): Response {
  const answer = withCors(request, rule, new Response(null, { status: 204 }))
  const { headers } = answer
  const { methods, headers: allowed, maxAge } = rule
  headers.set('Access-Control-Allow-Methods', methods.join(','))
  if (allowed.length > 0) headers.set('Access-Control-Allow-Headers', allowed.join(','))
  if (maxAge !== undefined) headers.set('Access-Control-Max-Age', String(maxAge))
  headers.append('Vary', 'Access-Control-Request-Headers')
  return answer
}
