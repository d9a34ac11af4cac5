import { type ForwardContext, forward } from '../../src/answer/forward.ts'
import type { Decision } from '../../src/guard.ts'
import type { Route, Target } from '../../src/model/route.ts'
import { accessOf, addressOf, agentOf, policyOf, routeOf } from './facts.ts'

const passed = {
  outcome: 'passed',
  waits: {},
  known: { agent: agentOf(), access: accessOf(), grant: ['docs:read'], possession: 'bearer' },
} as unknown as Decision

/** What is not as usual about a request and its rule. */
export interface Given extends Partial<Omit<ForwardContext, 'route' | 'address'>> {
  readonly url?: string
  readonly route?: Partial<Route>
  readonly target?: Partial<Target>
  readonly init?: RequestInit & { readonly duplex?: 'half' }
}

/** Forwards one request of an agent that passed, with what was sent to the origin. */
export const forwarded = async ({
  url,
  route = {},
  target = {},
  init = {},
  ...context
}: Given = {}) => {
  const sent: [Target, Request][] = []
  const { send = async () => new Response('hello') } = context
  const rule = routeOf('* /*', route)
  const result = await forward(new Request('https://api.example.com/x', init), {
    policy: policyOf(),
    route: { ...rule, target: { ...rule.target, ...target } },
    address: addressOf(url ?? 'https://api.example.com/x'),
    decision: passed,
    requestId: 'request-1',
    ...context,
    send: (to, request) => {
      sent.push([to, request])
      return send(to, request)
    },
  })
  const [to, request] = sent[0] ?? []
  if (!to || !request) throw new Error('nothing was sent')
  return { result, to, request, sent: sent.length }
}
