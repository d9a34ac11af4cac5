import type { Comparison } from '../../compare/findings.ts'
import { compareShown } from '../../compare/shown.ts'
import { isObject, type JsonObject, objectOf, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Surroundings } from '../base/command.ts'
import { deploymentText, textIn } from '../base/decision-lines.ts'
import { type Outcome, present } from '../base/output.ts'
import { told } from '../policy/diff.ts'
import { AUDIT_SCOPE, callAs, type GateOptions, listAs } from './access.ts'

/** Most calls at a time. */
const TOGETHER = 10
const WITH_POLICY = { query: { policy: 'true' } }

/** Deployments that a gate has listed, the latest last. */
interface Listing {
  readonly acts: readonly JsonObject[]
  /** Whether the list ends now. */
  readonly isToNow: boolean
}

/** What deployments changed, and which decides now. */
interface Deployments {
  readonly json: JsonObject
  /** For people: the lines of each deployment, in the same order. */
  readonly lines: readonly (readonly string[])[]
  readonly now: readonly string[]
}

/**
 * What each deployment of a list changed, and what is in force at the gate that answers. The gate answers the texts of the
 * policies. They are compared here.
 */
export async function deploymentsOf(
  { acts, isToNow }: Listing,
  options: GateOptions,
  around: Surroundings,
): Promise<Result<Deployments, Outcome>> {
  let latest = isToNow ? acts.at(-1) : undefined
  if (!latest) {
    const list = { query: { kind: 'policy' }, most: 1 }
    const path = ['/decisions', 'decisions'] as const
    const { found, fault } = await listAs(options, AUDIT_SCOPE, around, path, list)
    if (fault) return fail(fault)
    latest = found[0]
  }
  const read = await answersOf(
    [...acts.filter(isOther), ...(latest ? [latest] : [])],
    options,
    around,
  )
  if (!read.ok) return read
  const answers = read.value
  const all = acts.map((act) => changeOf(act, answers))
  const { policy, version } = objectOf(own(answers.get(own(latest ?? {}, 'id')) ?? {}, 'today'))
  const compared = all.flatMap((one) => one.compared ?? [])
  return ok({
    json: { compared, ...(latest && { now: { policy, version } }) },
    lines: all.map(({ lines }) => lines.map((line) => `  ${line}`)),
    now: latest && policy !== undefined ? nowLines(latest, { policy, version }) : [],
  })
}

/** What a deployment changed, in words and as JSON. */
interface Change {
  readonly lines: readonly string[]
  readonly compared?: JsonObject
}

/** What each of some deployments changed. Does not ask what is in force. */
export async function changesOf(
  acts: readonly JsonObject[],
  options: GateOptions,
  around: Surroundings,
): Promise<Result<readonly Change[], Outcome>> {
  const read = await answersOf(acts.filter(isOther), options, around)
  return read.ok ? ok(acts.map((act) => changeOf(act, read.value))) : read
}

type Answers = ReadonlyMap<unknown, JsonObject>

/** What the gate says of some acts, with the texts of the policies, by their ids. */
const answersOf = async (
  acts: readonly JsonObject[],
  options: GateOptions,
  around: Surroundings,
): Promise<Result<Answers, Outcome>> => {
  const asked = [...new Set(acts)]
  const answers = new Map<unknown, JsonObject>()
  for (let at = 0; at < asked.length; at += TOGETHER) {
    const calls = asked.slice(at, at + TOGETHER).map(async (act) => {
      const path = `/decisions/${textIn(act, 'id')}`
      return [act, await callAs(options, AUDIT_SCOPE, around, path, WITH_POLICY)] as const
    })
    for (const [act, answer] of await Promise.all(calls)) {
      if (!answer.ok) return fail(answer.reason)
      answers.set(own(act, 'id'), answer.value.body)
    }
  }
  return ok(answers)
}

const changeOf = (act: JsonObject, answers: Answers): Change => {
  const id = own(act, 'id')
  const compared = comparedOf(act, answers.get(id) ?? {})
  const lines = linesOf(act, compared)
  if (!compared) return { lines }
  const { gains, loses, changes } = compared
  return { lines, compared: { id, gains, loses, changes } }
}

/** Whether the policy was another one before. */
const isOther = (act: JsonObject): boolean =>
  own(act, 'before') !== undefined && own(act, 'before') !== own(act, 'policy')

const comparedOf = (act: JsonObject, answer: JsonObject): Comparison | undefined => {
  const [before, policy] = ['before', 'policy'].map((name) => own(answer, name))
  return isOther(act) && isObject(before) && isObject(policy)
    ? compareShown(before, policy)
    : undefined
}

const linesOf = (act: JsonObject, compared: Comparison | undefined): readonly string[] => {
  if (!isOther(act)) return []
  if (!compared)
    return ['what changed is not known: one of the policies is too long, and not stored']
  const lines = (['gains', 'loses', 'changes'] as const).flatMap((side) =>
    told(side, compared[side]),
  )
  return lines.length > 0 ? lines : ['only the order of what is written changed']
}

const nowLines = (latest: JsonObject, now: JsonObject): readonly string[] => {
  const isLatest = ['policy', 'version'].every((name) => own(latest, name) === own(now, name))
  return present([
    `In force now: ${deploymentText(now)}.`,
    !isLatest && 'The latest deployment was rolled back, or several versions answer.',
  ])
}
