import type { Decision, Facts } from '../../src/gate/guard/guard.ts'
import type { Route, Target } from '../../src/gate/model/route.ts'
import { type ForwardContext, forward } from '../../src/gate/relay/forward.ts'
import { createMemoryRevocations } from '../../src/gate/revocation/memory.ts'
import {
  accessOf,
  addressOf,
  admissionFor,
  agentOf,
  anyRooms,
  clock,
  policyOf,
  routeOf,
} from './facts.ts'

const GRANT = ['docs:read']

/** What the line has found out of an agent that passed, with these changes. */
export const passed = (changes: Partial<Facts> = {}): Decision =>
  ({
    outcome: 'passed',
    waits: {},
    ports: { clock, revocations: createMemoryRevocations({ clock }), bodies: anyRooms },
    known: {
      policy: policyOf(),
      route: routeOf('* /*'),
      admission: admissionFor(),
      agent: agentOf(),
      access: accessOf(),
      grant: GRANT,
      routeGrant: GRANT,
      possession: 'bearer',
      ...changes,
    },
  }) as unknown as Decision

/** An origin, asked with the request that a `fetch` would make. */
export type Origin = (to: Target, request: Request, isRead: boolean) => Promise<Response>

/** What is not as usual about a request and its rule. */
export interface Given extends Partial<Omit<ForwardContext, 'route' | 'address' | 'send'>> {
  readonly send?: Origin
  readonly url?: string
  readonly route?: Partial<Route>
  readonly target?: Partial<Target>
  /** Of an agent that passed. */
  readonly known?: Partial<Facts>
  readonly init?: RequestInit & { readonly duplex?: 'half' }
  /** In place of one that is made of `init`. */
  readonly inbound?: Request
}

/** Forwards one request of an agent that passed, with what was sent to the origin. */
export const forwarded = async ({
  url,
  route = {},
  target = {},
  init = {},
  inbound = new Request('https://api.example.com/x', init),
  ...context
}: Given = {}) => {
  const sent: [Target, Request][] = []
  const { send = async () => new Response('hello') } = context
  const { policy = policyOf(), known } = context
  const rule = routeOf('* /*', route)
  const whole = { ...rule, target: { ...rule.target, ...target } }
  const result = await forward(inbound, {
    policy,
    route: whole,
    address: addressOf(url ?? 'https://api.example.com/x'),
    decision: passed({ policy, route: whole, ...known }),
    requestId: 'request-1',
    ...context,
    send: (to, url, outbound, isRead) => {
      const request = new Request(url, outbound)
      sent.push([to, request])
      return send(to, request, isRead)
    },
  })
  const [to, request] = sent[0] ?? []
  if (!to || !request) throw new Error('nothing was sent')
  return { result, to, request, sent: sent.length }
}
