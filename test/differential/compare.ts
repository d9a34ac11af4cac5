/** Runs a case through both and compares what they say. */
import { isDeepStrictEqual } from 'node:util'
import type { Policy } from '../../src/gate/model/policy.ts'
import { CODES } from '../reference/codes.ts'
import { createReference, type Reference } from '../reference/decide.ts'
import type { Request, Verdict } from '../reference/types.ts'
import { isEitherAllowed } from './either.ts'
import { readVars, startFirst } from './first.ts'
import { filled } from './material.ts'
import { BEGIN, type Case, type Said } from './shapes.ts'
import { change, type Sent, sentOf, worldOf } from './world.ts'

/** A request of which both say something else. */
export interface Disagreement {
  /** The number of the step. */
  step: number
  /** What differs, in one word each. */
  about: string[]
  first: Said
  second: Said
}

/** Called with every decision. */
export type Count = (decision: { vars: Case['policies'][number]; said: Said; sent: Sent }) => void

/** The policies of a case that the gate would not serve have mistakes. */
export function mistakesOf({ policies }: Case): string[] {
  return policies.flatMap((vars) => {
    const read = readVars(vars)
    return read.ok ? [] : read.reason.map(({ path, message }) => `${path}: ${message}`)
  })
}

/** The first disagreement of a case, if there is one. A case whose policy has mistakes has none. */
export async function compareCase(one: Case, count?: Count): Promise<Disagreement | undefined> {
  const [first] = await compareAll(one, count, 1)
  return first
}

/** Up to `most` disagreements of a case. After the first one both may remember something else. */
export async function compareAll(one: Case, count?: Count, most = 100): Promise<Disagreement[]> {
  const all: Disagreement[] = []
  const policies: { policy: Policy; reference: Reference; vars: Case['policies'][number] }[] = []
  for (const vars of one.policies) {
    const read = readVars(vars)
    if (!read.ok) return all
    policies.push({
      policy: read.value.policy,
      reference: createReference(filled(vars) as never),
      vars,
    })
  }
  let [current] = policies
  if (!current) return all
  let now = BEGIN * 1000
  const world = worldOf(one)
  const first = startFirst(now)
  first.deploy(current.policy, JSON.stringify(current.vars))
  await first.learn(world)
  for (const [step, { before, request }] of one.steps.entries()) {
    now = Math.max(now, world.now) + Math.round((before?.wait ?? 0) * 1000)
    if (before?.policy !== undefined && policies[before.policy]) {
      current = policies[before.policy] as (typeof policies)[number]
      first.deploy(current.policy, JSON.stringify(current.vars))
    }
    if (before?.answered) await first.answer()
    if (before && (await change(world, before, now))) await first.learn(world)
    if (before) first.decide(before, now)
    const sent = sentOf(request, one, now)
    const mine = await first.ask(sent, world)
    const theirs = saidOf(current.reference.decide(sent.request, world), sent.request)
    count?.({ vars: current.vars, said: mine, sent })
    const about = differences(mine, theirs)
    for (const error of first.errors.splice(0)) about.push(`error ${String(error)}`)
    if (about.length > 0) all.push({ step, about, first: mine, second: theirs })
    if (all.length >= most) break
  }
  await first.answer()
  return all
}

/** What the second implementation says, in the words of both. */
export function saidOf(verdict: Verdict, { method }: Request): Said {
  const { allowed, code, rule, issuer, agent, grant, shadow, answeredByGate } = verdict
  const { headers, target, origin, body = '', assertion } = verdict
  const outcome = answeredByGate ?? (allowed ? 'forwarded' : 'refused')
  return {
    outcome: allowed ? outcome : 'refused',
    ...(code !== undefined && { code }),
    ...(rule !== undefined && { rule }),
    ...(issuer !== undefined && { issuer }),
    ...(agent !== undefined && { agent }),
    ...(outcome === 'forwarded' && {
      ...(grant && { grant: [...grant].sort().join(' ') }),
      ...(shadow && { shadow }),
      target: `${method} ${placeOf(origin ?? '')}${target}`,
      headers: joined(headers ?? []),
      ...(body.length > 0 && { body: String(body) }),
      ...(assertion && { assertion }),
    }),
  }
}

const placeOf = (origin: string) =>
  origin.startsWith('service:') ? origin : new URL(origin).origin

/** Headers as Fetch joins them, and trims them when they are set again; cookies by a semicolon (RFC 9113 §8.2.3). */
function joined(headers: [string, string][]): Record<string, string> {
  const all: Record<string, string> = {}
  for (const [name, value] of headers) {
    const by = name === 'cookie' ? '; ' : ', '
    all[name] = all[name] === undefined ? value : `${all[name]}${by}${value}`
  }
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, value.trim()]))
}

/** What is not compared, each with the reason. */
export const NOT_COMPARED = {
  headers: {
    connection: 'hop-by-hop: the runtime sets it',
    'accept-encoding':
      'how an answer is coded is no matter of the decision; masking and MCP lists set it',
    'content-length': 'the runtime sets it',
    'content-type': 'the runtime sets it for a body of text',
    host: 'the runtime sets it; the second implementation does not name it',
  },
  assertion: {
    iat: 'the time of signing',
    exp: 'the time of signing',
    jti: 'drawn by lot',
  },
}

/** How often each pair of codes of one stage was met. */
export const met = new Map<string, number>()

const meet = (name: string) => met.set(name, (met.get(name) ?? 0) + 1)

/** The names of what differs. */
export function differences(first: Said, second: Said): string[] {
  const about: string[] = []
  for (const name of ['outcome', 'code', 'rule', 'shadow', 'target'] as const) {
    // The stage that finds the rule tells none if it refuses.
    if (name === 'code' && isEitherAllowed(first.code, second.code)) {
      if (first.code !== second.code) meet(`${first.code} / ${second.code}`)
      continue
    }
    if (name === 'rule' && CODES[first.code ?? ''] === 'route') continue
    if (first[name] !== second[name] && !isHidden(name, first, second)) {
      about.push(`${name}: ${first[name]} / ${second[name]}`)
    }
  }
  // What is known of a caller who is refused depends on the order of checks within a stage.
  if (first.outcome !== 'forwarded' || second.outcome !== 'forwarded') return about
  for (const name of ['issuer', 'agent', 'grant'] as const) {
    if (first.shadow) continue
    if (first[name] !== second[name]) about.push(`${name}: ${first[name]} / ${second[name]}`)
  }
  const names = new Set([...Object.keys(first.headers ?? {}), ...Object.keys(second.headers ?? {})])
  for (const name of [...names].sort()) {
    if (name in NOT_COMPARED.headers) continue
    const [one, other] = [first.headers?.[name], second.headers?.[name]]
    const isSame = other === '*' ? one !== undefined : one === other
    if (!isSame) about.push(`header ${name}: ${one} / ${other}`)
  }
  if (!isSameBody(first.body, second.body)) about.push(`body: ${first.body} / ${second.body}`)
  for (const [name, value] of Object.entries(second.assertion ?? {})) {
    const own = first.assertion?.[name]
    if (own !== value) about.push(`claim ${name}: ${own} / ${value}`)
  }
  return about
}

/** Where ids were opened, only what JSON says is compared. */
function isSameBody(one: string | undefined, other: string | undefined): boolean {
  if (one === other || one === undefined || other === undefined) return one === other
  return other.includes('own-') && isDeepStrictEqual(JSON.parse(one), JSON.parse(other))
}

/** An endpoint of the gate is judged up to who may call it; and no rule is known of one. */
function isHidden(name: keyof Said, first: Said, second: Said): boolean {
  return (
    first.outcome === 'endpoint' &&
    second.outcome === 'endpoint' &&
    (name === 'code' || name === 'target' || name === 'rule')
  )
}
