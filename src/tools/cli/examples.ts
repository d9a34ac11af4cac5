import { chain, type Step } from '../../core/chain.ts'
import { isObject, own } from '../../core/json.ts'
import { acceptedAudiences } from '../../core/model/audience.ts'
import type { Connection } from '../../core/model/connection.ts'
import type { Issuer } from '../../core/model/issuer.ts'
import type { Policy } from '../../core/model/policy.ts'
import { longestLife, type Route, takesIssuer } from '../../core/model/route.ts'
import type { VerifiedToken } from '../../core/model/token.ts'
import { readAddress } from '../../core/request.ts'
import type { Room } from '../../core/room.ts'
import { claims } from '../../core/stages/claims.ts'
import { condition, useCondition } from '../../core/stages/condition.ts'
import { delegation } from '../../core/stages/delegation.ts'
import { operation } from '../../core/stages/operation.ts'
import { route } from '../../core/stages/route.ts'
import { mcpAccess, ONE_OF } from '../../mcp/access.ts'
import { type RequestToExplain, toExplain } from '../../mcp/explain.ts'
import type { PolicyIssue } from '../../policy/issues.ts'
import type { Example } from './example-file.ts'

interface Given {
  readonly policy: Policy
  readonly request: RequestToExplain['request']
  readonly issuer: Issuer
  readonly token: VerifiedToken
  readonly caller?: string | undefined
  readonly connection?: Connection | undefined
  readonly hold: () => Room
}

/** The stages that a condition gets what it looks at from. */
const LINE = chain<Given>()
  .and(route)
  .and(claims)
  .and(delegation)
  .by('policy', 'route')
  .admitted()
  .and(condition)
  .and(operation)
  .and(mcpAccess)
  .and(useCondition)

/** There is room for the body of each example; none has a session. */
const hold = () => ({ take: () => true, leave: () => {} })
const sessions = { open: async () => undefined }

/** What examples say of a policy. */
export interface Judgement {
  readonly mistakes: readonly PolicyIssue[]
  readonly warnings: readonly PolicyIssue[]
}

/**
 * Evaluates the conditions of a policy against examples: a mistake is a condition that errors, that is
 * otherwise than expected, or that an example does not get to. Verifies no signature, asks for no
 * scope. Passes over an example that is for one of the others and not for this one.
 */
export async function judgeExamples(
  policy: Policy,
  examples: readonly Example[],
  others: readonly Policy[],
): Promise<Judgement> {
  const mine = examples.filter(
    (one) => isFor(policy, one) || !others.some((other) => isFor(other, one)),
  )
  const found = await Promise.all(mine.map((one) => judgeExample(policy, one)))
  const of = (isMistake: boolean) =>
    found.flatMap((one) => (one && one.isMistake === isMistake ? [one.issue] : []))
  return { mistakes: of(true), warnings: of(false) }
}

/** Whether a policy knows an example's host, and the issuer that its claims name. */
const isFor = ({ gate, issuers }: Policy, { request, claims }: Example): boolean => {
  const address = readAddress(request)
  const iss = own(claims, 'iss')
  return (
    address.ok &&
    gate.hosts.has(address.value.host) &&
    (typeof iss !== 'string' || issuers.has(iss))
  )
}

interface Finding {
  readonly isMistake: boolean
  readonly issue: PolicyIssue
}

const judgeExample = async (policy: Policy, example: Example): Promise<Finding | undefined> => {
  const { path, expect } = example
  const found = (message: string, isMistake = true) => ({ isMistake, issue: { path, message } })
  const rule = ruleOf(policy, example)
  const iss = own(example.claims, 'iss')
  const issuer = [...policy.issuers.values()].find(
    (one) =>
      (typeof iss !== 'string' || one.issuer === iss) && (!rule || takesIssuer(rule, one.issuer)),
  )
  if (!issuer) {
    const isKnown = typeof iss === 'string' && policy.issuers.has(iss)
    const which = isKnown ? 'that its rule does not take' : 'that is none of the policy'
    return found(`has claims of an issuer ${which}`)
  }
  const steps: Step[] = []
  const decision = await LINE.run(
    {
      policy,
      request: toExplain(policy, example.request, example.asked).request,
      issuer,
      token: tokenOf(example, issuer, rule),
      ...example.around,
      hold,
    },
    { clock: { now: () => example.at * 1000 }, sessions },
    { now: () => 0, onError: () => {}, trace: (step) => void steps.push(step) },
  )
  const { route } = decision.known
  const evaluated = [...(decision.known.evaluated ?? []), ...(decision.known.evaluatedUses ?? [])]
  const name = text(route?.name ?? '')
  const isDenied = decision.outcome === 'denied'
  // Of an MCP server there may be one for what is used, which is found late.
  if (route && !route.when && (!route.mcp || (!isDenied && evaluated.length === 0))) {
    const none = `which has no condition${route.mcp ? ' for it' : ''}`
    return found(`is of the rule ${name}, ${none}`, false)
  }
  const [last] = evaluated.slice(-1)
  const named = last?.used?.named
  const used = named ? `${ONE_OF[named.kind]} ${text(named.name)} of ` : ''
  const one = `the condition of ${used}${name}`
  if (!isDenied) {
    if (expect !== false) return undefined
    const isOne = evaluated.length === 1
    return found(
      isOne ? `${one} holds, and is not to` : `the conditions of ${name} hold, and are not to`,
    )
  }
  const { code, detail } = decision.denial
  const operand = text(String(detail?.operand))
  switch (code) {
    case 'condition_error':
      return found(`${one} cannot be judged: ${operand}: ${faultOf(steps)}`)
    case 'condition_failed':
      return expect === true ? found(`${one} does not hold: ${operand}`) : undefined
    default:
      return found(`is denied before any condition is judged: ${code}${detailText(detail)}`)
  }
}

const text = (value: string): string => JSON.stringify(value)

const detailText = (detail: unknown): string => (detail ? ` ${JSON.stringify(detail)}` : '')

/** What is told of the first operand that has no value. */
const faultOf = (steps: readonly Step[]): string => {
  const operands = steps.at(-1)?.detail.operands
  const failed = Array.isArray(operands)
    ? operands.filter(isObject).find((one) => Object.hasOwn(one, 'error'))
    : undefined
  return String(failed?.error ?? steps.at(-1)?.detail.error)
}

/** The rule that an example falls under, also where the request is not as the rule wants it. */
const ruleOf = (policy: Policy, { request }: Example): Route | undefined => {
  const found = route.run({ request, policy }, undefined)
  return 'value' in found ? found.value?.route : undefined
}

/** Its claims as if they were verified, with what no condition is likely to be about put in. */
const tokenOf = (
  { claims, at }: Example,
  issuer: Issuer,
  rule: Route | undefined,
): VerifiedToken => {
  const [audience = rule?.resource] = rule ? acceptedAudiences(issuer, rule) : []
  const now = Math.floor(at)
  const iat = own(claims, 'iat') ?? now
  return {
    claims: {
      iss: issuer.issuer,
      sub: 'example',
      client_id: 'example',
      [issuer.audienceClaim]: audience,
      jti: 'example',
      iat,
      exp: Math.min(now + 60, Number(iat) + longestLife(issuer, rule ?? {})),
      ...claims,
    },
    issuer,
    key: {},
  } as unknown as VerifiedToken
}
