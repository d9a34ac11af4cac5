import { type AgentErrorCode, refusal, type VerifiedAgent, verifyAgent } from 'edgewarden-origin'
import { agentOf, expressAgent } from 'edgewarden-origin/express'
import { honoAgent } from 'edgewarden-origin/hono'
import { Hono } from 'hono'

/** What the compiler tells a user of the origin's package; each expected error is one, or the check fails. */

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_ extends true>(): void => {}

const gate = { gate: 'https://api.example.com', audience: 'https://origin.example.com' }
// @ts-expect-error: whom assertions are for must be said
verifyAgent(new Request('https://origin.example.com'), { gate: gate.gate })

export const origin = (request: Request): Promise<Response> =>
  verifyAgent(request, gate).then((agent) => new Response(agent.id), refusal)

export const codes: readonly AgentErrorCode[] = [
  'assertion_missing',
  // @ts-expect-error: no such code
  'assertion_missed',
]

export const verified = new Hono().use(honoAgent(gate)).get('/', (c) => {
  const agent = c.get('agent')
  holds<Equal<typeof agent, VerifiedAgent>>()
  // @ts-expect-error: what was verified stays as it is
  agent.id = 'root'
  return c.text(agent.id)
})

/** As Express has them, so far. */
interface ExpressRequest {
  readonly method: string
  readonly url: string
  readonly originalUrl: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
  readonly params: object
}
interface ExpressResponse {
  statusCode: number
  setHeader(name: string, value: number | string | readonly string[]): ExpressResponse
  end(chunk: unknown, callback?: () => void): ExpressResponse
}
export const middleware: (
  req: ExpressRequest,
  res: ExpressResponse,
  next: (error?: unknown) => void,
) => void | Promise<void> = expressAgent({ ...gate, rawBody: () => undefined })
export const who = (req: ExpressRequest): string => agentOf(req).id
