import { type Outcome, stage } from '../base/chain.ts'
import { type CodeOf, denials } from '../base/denial.ts'
import type { RequestHead } from '../base/request.ts'
import { fail, ok } from '../base/result.ts'
import type { ConditionFacts } from '../model/condition.ts'
import type { Connection } from '../model/connection.ts'
import type { Clock } from '../model/ports.ts'
import type { AccessToken, AgentIdentity } from '../model/token.ts'
import type { Routed } from './route.ts'

const deny = denials({
  condition_unmet: [
    'forbidden',
    'A condition of this route does not hold for the request',
    'Ask the operator when, from where and with what this route may be called',
  ],
  condition_error: [
    'forbidden',
    'A condition of this route cannot be judged for the request',
    'Ask the operator what this route has to know of a token and its request',
  ],
})

interface Needs extends Pick<Routed, 'route' | 'params' | 'address'> {
  readonly request: RequestHead
  readonly caller?: string | undefined
  readonly connection?: Connection | undefined
  readonly access: AccessToken
  readonly agent: AgentIdentity
}

/** What the condition of the rule looked at; `undefined` where it has none. */
export interface Weighed {
  readonly weighed: ConditionFacts | undefined
}

const UNWEIGHED = ok({ weighed: undefined })

const operandsOf = ({ route, weighed }: Pick<Needs, 'route'> & Partial<Weighed>) =>
  route.when && weighed ? { operands: route.when.operands(weighed) } : {}

/**
 * The rule's condition holds for this token, request and moment. One that cannot be evaluated denies.
 * What a denial says of it names the operand as it is written, and nothing that was read.
 */
export const condition = stage({
  name: 'condition',
  establishes: 'what the rule wants of token, request and time beside all else holds',
  found: operandsOf,
  missed: operandsOf,
  denials: [deny],
  run(needs: Needs, { clock }: { readonly clock: Clock }): Outcome<Weighed, CodeOf<typeof deny>> {
    const { when } = needs.route
    if (!when) return UNWEIGHED
    const weighed = factsOf(needs, clock.now())
    const judged = when.evaluate(weighed)
    if (judged.ok && judged.value) return ok({ weighed })
    const operand = when.blamed(weighed, !judged.ok)
    return {
      ...fail(
        judged.ok
          ? deny('condition_unmet', { operand })
          : deny('condition_error', { operand, error: judged.reason }),
      ),
      value: { weighed },
    }
  },
})

const factsOf = (
  { request, address, params, caller, connection, access, agent }: Needs,
  now: number,
): ConditionFacts => ({
  access,
  agent,
  request,
  host: address.host,
  path: address.path,
  query: address.query,
  params,
  caller,
  connection,
  now,
})
