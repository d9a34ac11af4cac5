import type { Step } from '../../gate/base/chain.ts'
import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import { ok, type Result } from '../../gate/base/result.ts'
import { foldedName } from '../../gate/base/text.ts'
import { type Decision, refusalOf } from '../../gate/guard/guard.ts'
import { type Approval, type Approvals, ASKING_NOBODY } from '../../gate/model/approval.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { originHeaders } from '../../gate/relay/origin-headers.ts'
import { offlineGuard } from '../base/explain-offline.ts'
import type { Expected, TestCase } from './test-file.ts'
import { createRequestMaker } from './test-request.ts'

/** The decision on a case, and where it is not as expected. */
export interface Verdict extends Expected {
  readonly decision: NonNullable<Expected['decision']>
  /** What a denial says beside its code. */
  readonly detail?: JsonObject
  readonly failures: readonly string[]
  /** What the request reached: its rule, and what it used of an MCP server behind the rule. */
  readonly reached: ReadonlySet<object>
  /** The part of the result that a snapshot contains. */
  readonly snapshot: Expected
}

/** Replaces a value that is only known while a request is served, and the caller's credential. */
const placeholder = (name: string) => `\${${name}}`

const TAKEN: Approval = {
  ...{ id: '', issuer: '', agent: '', subjects: [], shown: '', asked: 0, expires: 0 },
  state: 'taken',
}

/** A person has approved every call. */
const GRANTING: Approvals = {
  ...ASKING_NOBODY,
  async ask(call, terms) {
    const asked = await ASKING_NOBODY.ask(call, terms)
    return asked.ok ? ok({ ...asked.value, state: 'granted' }) : asked
  },
  take: async () => ok(TAKEN),
}

/** Decides cases by the stages of a policy. A token is signed with a key that is made for this run. */
export function createJudge(
  policy: Policy,
  now: number,
): (test: TestCase) => Promise<Result<Verdict, string>> {
  const maker = createRequestMaker(policy, now)
  return async (test) => {
    const sent = await maker.request(test)
    if (!sent.ok) return sent
    const { request, headers, at } = sent.value
    const steps: Step[] = []
    const approvals = test.approval === 'granted' ? GRANTING : ASKING_NOBODY
    const guard = offlineGuard(policy, maker.keys, at, approvals)
    const trace = (step: Step) => void steps.push(step)
    const decision = await guard(request, { ...test.around, trace })
    if (headers.has('authorization')) headers.set('authorization', placeholder('token'))
    const head = { method: request.method, headers }
    return ok(verdictOf(test, decision, { head, policy, steps }))
  }
}

/** What a case was decided with. */
interface Seen {
  readonly head: Pick<Request, 'method' | 'headers'>
  readonly policy: Policy
  readonly steps: readonly Step[]
}

const verdictOf = (test: TestCase, decision: Decision, given: Seen): Verdict => {
  const { route, uses = [], approved } = decision.known
  const denial = decision.outcome === 'denied' ? decision.denial : undefined
  const word = denial ? (refusalOf(decision) ? 'denied' : 'would_deny') : 'allowed'
  const forwarded = word === 'denied' ? undefined : forwardedHeaders(test, decision, given)
  const found = {
    decision: word,
    ...(denial && { code: denial.code }),
    ...(route && { rule: route.name }),
    ...(denial?.code === 'approval_required' && { approval: 'required' as const }),
    ...(approved && { approval: 'granted' as const }),
  } as const
  const detail = denial?.detail && { ...denial.detail, ...faultOf(given.steps) }
  const told = Object.fromEntries(
    [...(forwarded ?? [])].filter(([name]) => isShown(name, given.policy, test)),
  )
  return {
    ...found,
    ...(detail && { detail }),
    ...(forwarded && { headers: told }),
    failures: failuresOf(test.expect ?? {}, found, detail, forwarded),
    reached: new Set<object>([...(route ? [route] : []), ...uses.map(({ use }) => use)]),
    snapshot: snapshotOf(test.expect, found, told, forwarded),
  }
}

/** What is reported of the first operand of a condition that has no value. */
const faultOf = (steps: readonly Step[]): JsonObject => {
  const operands = listOf(steps.at(-1)?.detail.operands).filter(isObject)
  const error = operands.flatMap((one) => own(one, 'error') ?? [])[0]
  return error === undefined ? {} : { error }
}

/** What is written into `expect`: everything, or only the expectations that differ. */
const snapshotOf = (
  expect: Expected | undefined,
  found: Expected,
  told: object,
  forwarded: Headers | undefined,
): Expected => {
  const { decision, code, rule, approval } = found
  const chosen = Object.entries(expect?.headers ?? {}).map(([name, value]) => {
    const is = forwarded?.get(name)
    return [name, typeof value === 'string' ? (is ?? false) : typeof is === 'string']
  })
  const headers = expect ? Object.fromEntries(chosen) : told
  return {
    decision,
    ...(code !== undefined && { code }),
    ...(rule !== undefined && (!expect || expect.rule !== undefined) && { rule }),
    ...(approval !== undefined && (!expect || expect.approval !== undefined) && { approval }),
    ...(forwarded && Object.keys(headers).length > 0 && { headers }),
  } as Expected
}

const failuresOf = (
  expect: Expected,
  found: Expected,
  detail: JsonObject | undefined,
  forwarded: Headers | undefined,
): readonly string[] => {
  const { code, rule, approval } = found
  const is = [
    `it is ${found.decision}${code === undefined ? '' : `: ${code}`}`,
    detail ? ` ${JSON.stringify(detail)}` : '',
    approval === 'granted' ? ', since a person has approved it' : '',
    rule === undefined ? '' : `, by the rule ${JSON.stringify(rule)}`,
  ].join('')
  const broken = (['decision', 'code', 'rule', 'approval'] as const).find(
    (name) => expect[name] !== undefined && expect[name] !== found[name],
  )
  if (broken) return [`${broken} is to be ${JSON.stringify(expect[broken])}, but ${is}`]
  const headers = Object.entries(expect.headers ?? {})
  if (headers.length > 0 && !forwarded) return [`headers are to be forwarded, but ${is}`]
  return headers.flatMap(([name, value]) => {
    const got = forwarded?.get(name) ?? undefined
    if (typeof value === 'string' ? got === value : (got !== undefined) === value) return []
    const wanted = typeof value === 'string' ? JSON.stringify(value) : value ? 'there' : 'absent'
    return [
      `header ${name} is to be ${wanted}, but is ${got === undefined ? 'absent' : JSON.stringify(got)}`,
    ]
  })
}

/** What the origin is sent; secrets by the templates that name them. */
const forwardedHeaders = (
  test: TestCase,
  decision: Decision,
  { head, policy }: Seen,
): Headers | undefined => {
  const { route, address, isPreflight } = decision.known
  if (!route || !address || route.endpoint || (isPreflight && decision.outcome === 'ended')) {
    return undefined
  }
  const inject = route.inject.map(([name, value, template = value]) => [name, template] as const)
  return originHeaders(head, policy.gate.assertion && placeholder('assertion'), {
    policy,
    route: { ...route, inject },
    address,
    decision,
    requestId: placeholder('request_id'),
    clientIp: test.around.caller,
  })
}

/** Whether a header says who calls, or is one that a rule sets, and is the same in each run. */
const isShown = (name: string, { gate }: Policy, { at, token }: TestCase): boolean => {
  const folded = foldedName(name)
  const isFixed = at !== undefined || token !== undefined
  return folded === `${gate.identityPrefix}token-expires`
    ? isFixed
    : folded.startsWith(gate.identityPrefix) || gate.ownHeaders.has(folded)
}
