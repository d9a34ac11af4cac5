import {
  type AgentIdentity,
  createGuard,
  type Decision,
  forward,
  parsePolicy,
  respond,
} from 'edgewarden'
import { type AgentVariables, agentGuard } from 'edgewarden/hono'
import { Hono } from 'hono'

/** What the compiler tells a user of the package; each expected error is one, or the check fails. */

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_ extends true>(): void => {}

const GATE = { resource: 'https://api.example.com', origin: 'https://origin.example.com' }
const parsed = parsePolicy({ GATE, ISSUERS: {}, ROUTES: [] })
// @ts-expect-error: no such key of GATE
parsePolicy({ GATE: { ...GATE, orign_via: 'CERT' }, ROUTES: [] })
// @ts-expect-error: there is no value before the mistakes have been looked at
parsed.value
if (!parsed.ok) throw new Error(parsed.reason.map(({ path, message }) => path + message).join())

const guard = createGuard(parsed.value.policy)
// @ts-expect-error: a policy is made by parsePolicy
createGuard({ GATE: {} })
// @ts-expect-error: no such port
createGuard(parsed.value.policy, { nothing: true })

export const handler = async (request: Request): Promise<Response> => {
  const decision: Decision = await guard(request)
  // @ts-expect-error: nobody is known before it is known that the request passed
  decision.known.agent.id
  if (decision.outcome === 'passed') holds<Equal<typeof decision.known.agent.id, string>>()
  const answer = respond(request, decision)
  holds<Equal<typeof answer, Response | undefined>>()
  return answer ?? forward(request, decision)
}

/** Per route: behind the guard the agent is typed, elsewhere it is not there. */
export const app = new Hono()
  .get('/notes/:id', agentGuard(guard), (c) => {
    const agent = c.get('agent')
    holds<Equal<typeof agent, AgentIdentity | undefined>>()
    // @ts-expect-error: where no token was read there is none
    agent.id
    // @ts-expect-error: nothing else is set
    c.get('agents')
    return c.json({ by: agent?.name, id: c.req.param('id') })
  })
  .get('/', (c) => {
    // @ts-expect-error: this route is not guarded
    return c.text(c.get('agent')?.name ?? '')
  })

/** In an app with variables of its own. */
export const typed = new Hono<{ Variables: AgentVariables & { mine: number } }>()
  .use(agentGuard(guard))
  .get('/', (c) => {
    const mine = c.get('mine')
    holds<Equal<typeof mine, number>>()
    return c.text(c.get('agent')?.name ?? '')
  })
