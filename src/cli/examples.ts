import { chain, type Step } from '../base/chain.ts'
import { isObject, own } from '../base/json.ts'
import type { RequestHead } from '../base/request.ts'
import type { Connection } from '../model/connection.ts'
import type { Issuer } from '../model/issuer.ts'
import type { Policy } from '../model/policy.ts'
import type { VerifiedToken } from '../model/token.ts'
import type { PolicyIssue } from '../policy/issues.ts'
import { claims } from '../stages/claims.ts'
import { condition } from '../stages/condition.ts'
import { delegation } from '../stages/delegation.ts'
import { route } from '../stages/route.ts'
import type { Uses } from '../stages/tool.ts'
import type { Example } from './example-file.ts'

interface Given extends Uses {
  readonly policy: Policy
  readonly request: RequestHead
  readonly issuer: Issuer
  readonly token: VerifiedToken
  readonly caller?: string | undefined
  readonly connection?: Connection | undefined
}

/** The stages that a condition gets what it looks at from. */
const LINE = chain<Given>().and(route).and(claims).and(delegation).and(condition)

/** What examples say of a policy. */
export interface Judgement {
  readonly mistakes: readonly PolicyIssue[]
  readonly warnings: readonly PolicyIssue[]
}

/**
 * Evaluates the conditions of a policy against examples: a mistake is a condition that errors, that is
 * otherwise than expected, or that an example does not get to. Verifies no signature, asks for no
 * scope.
 */
export const judgeExamples = async (
  policy: Policy,
  examples: readonly Example[],
): Promise<Judgement> => {
  const found = await Promise.all(examples.map((one) => judgeExample(policy, one)))
  const of = (isMistake: boolean) =>
    found.flatMap((one) => (one && one.isMistake === isMistake ? [one.issue] : []))
  return { mistakes: of(true), warnings: of(false) }
}

interface Finding {
  readonly isMistake: boolean
  readonly issue: PolicyIssue
}

const judgeExample = async (policy: Policy, example: Example): Promise<Finding | undefined> => {
  const { path, expect } = example
  const found = (message: string, isMistake = true) => ({ isMistake, issue: { path, message } })
  const iss = own(example.claims, 'iss')
  const issuer = typeof iss === 'string' ? policy.issuers.get(iss) : [...policy.issuers.values()][0]
  if (!issuer) return found('has claims of an issuer that is none of the policy')
  const steps: Step[] = []
  const decision = await LINE.run(
    {
      policy,
      request: example.request,
      issuer,
      token: tokenOf(example, issuer, policy),
      // Examples are of requests, and say of no call what it uses.
      uses: [],
      ...example.around,
    },
    { clock: { now: () => example.at * 1000 } },
    { now: () => 0, onError: () => {}, trace: (step) => void steps.push(step) },
  )
  const { route } = decision.known
  if (route && !route.when)
    return found(`is of the rule ${text(route.name)}, which has no condition`, false)
  if (decision.outcome !== 'denied')
    return expect === false ? found(`${of(route?.name)} holds, and is not to`) : undefined
  const { code, detail } = decision.denial
  const operand = text(String(detail?.operand))
  switch (code) {
    case 'condition_error':
      return found(`${of(route?.name)} cannot be judged: ${operand}: ${faultOf(steps)}`)
    case 'condition_unmet':
      return expect === true ? found(`${of(route?.name)} does not hold: ${operand}`) : undefined
    default:
      return found(`is denied before any condition is judged: ${code}${detailText(detail)}`)
  }
}

const text = (value: string): string => JSON.stringify(value)

const of = (name = ''): string => `the condition of ${text(name)}`

const detailText = (detail: unknown): string => (detail ? ` ${JSON.stringify(detail)}` : '')

/** What is told of the first operand that has no value. */
const faultOf = (steps: readonly Step[]): string => {
  const operands = steps.at(-1)?.detail.operands
  const failed = Array.isArray(operands)
    ? operands.filter(isObject).find((one) => Object.hasOwn(one, 'error'))
    : undefined
  return String(failed?.error ?? steps.at(-1)?.detail.error)
}

/** Its claims as if they were verified, with what no condition is likely to be about put in. */
const tokenOf = ({ claims, at }: Example, issuer: Issuer, { gate }: Policy): VerifiedToken =>
  ({
    claims: {
      iss: issuer.issuer,
      aud: gate.resource,
      sub: 'example',
      client_id: 'example',
      jti: 'example',
      iat: Math.floor(at),
      exp: Math.floor(at) + 60,
      ...claims,
    },
    issuer,
    key: {},
  }) as unknown as VerifiedToken
