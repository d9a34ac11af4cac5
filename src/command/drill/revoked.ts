import { objectOf, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { EXIT } from '../base/output.ts'
import { revoke } from '../operate/revoke.ts'
import { LIFETIME } from './canary.ts'
import { type Finding, msText, whenText } from './finding.ts'
import { type Drill, type Place, SLACK_MS } from './measures.ts'
import { answerText, hasPassed } from './traffic.ts'

/** What a drill measures by revoking a canary. */

interface Revoked {
  /** When the call began, and when every shard had it: milliseconds on the clock of the traffic. */
  readonly called: number
  readonly known: number
  /** Milliseconds by which the clock of the gate differs, at least; negative if it is behind. */
  readonly ahead: number
}

/** Seconds that a revocation lasts besides the bound: more than shards may take until they have it. */
const REVOKED_FOR = 7 * 60

/** Revokes a canary for a while, and waits until every shard has that. */
const revokeCanary = async (
  { canary, options, around }: Drill,
  agent: string,
  bound: number,
): Promise<Result<Revoked, string>> => {
  const { elapsed, sleep } = around.waiting
  let called = 0
  let at = 0
  const outcome = await revoke(
    {
      ...options,
      kind: 'agent',
      value: agent,
      asId: true,
      issuer: canary.issuer,
      for: `${Math.ceil(bound / 1000) + REVOKED_FOR}s`,
      reason: 'drill',
      // Not longer: the bounds of other rules may be longer than a canary is revoked.
      wait: 'shards',
    },
    { env: around.env, now: around.now },
    { elapsed, sleep, tell: () => {} },
    async () => {
      called = elapsed()
      at = around.now()
    },
  )
  const { json, err, exitCode } = outcome
  const shards = own(objectOf(own(objectOf(json), 'effect')), 'shards_ms')
  if (exitCode !== EXIT.yes || typeof shards !== 'number') return fail(err[0] ?? 'not revoked')
  const [entry] = (own(objectOf(json), 'revocations') ?? []) as readonly object[]
  const created = own(objectOf(entry), 'created')
  const ahead = typeof created === 'number' ? aheadOf(created, at, at + shards / 1000) : 0
  return ok({ called, known: called + shards, ahead })
}

/** By how many milliseconds a clock with whole seconds is ahead at least, if it was read between two moments. */
const aheadOf = (whole: number, from: number, until: number): number =>
  1000 * (whole > until ? whole - until : Math.min(0, whole + 1 - from))

/** Codes of a gate that does not accept a revoked token: it is revoked, or nobody can say. */
const REFUSED_AS_REVOKED = ['token_revoked', 'revocations_unavailable']

/** Seconds that a token must live to be revoked, and to be refused as revoked. */
const lifetimeFor = (bound: number): number => LIFETIME + Math.ceil(bound / 1000)

/** How long a revoked canary is still accepted over several connections at once; and the clock of the gate. */
export async function measureRevocation(
  drill: Drill,
  { path, rule, agent }: Place,
  connections: number,
): Promise<readonly Finding[]> {
  const { traffic, canary, around, policy } = drill
  const name = 'revocation'
  const { sleep, elapsed } = around.waiting
  const token = await canary.token(agent, rule.resource, lifetimeFor(rule.bound))
  const loop = traffic.repeat(path, token, connections, sleep)
  await sleep(SLACK_MS / 2)
  const revoked = await revokeCanary(drill, agent, rule.bound)
  if (revoked.ok) {
    await sleep(Math.max(0, revoked.value.known + rule.bound + SLACK_MS - elapsed()))
  }
  // The last request begins after the bound, however slow the others are.
  const sent = [...(await loop.stop()), await traffic.send(path, token)]
  const unknown = (says: string): Finding => ({ name, state: 'unknown', says })
  if (!revoked.ok) return [unknown(revoked.reason)]
  const { called, known, ahead } = revoked.value
  const tolerance = policy.gate.clock_tolerance
  const clock: Finding = {
    name: 'clock',
    state: Math.abs(ahead) > tolerance ? 'broken' : 'kept',
    says: `the gate's clock differs from this machine's by ${ahead === 0 ? 'less than 1 s' : `${msText(Math.abs(ahead))} or more`}; clock_tolerance is ${msText(tolerance)}`,
    ms: { ahead },
  }
  const allowed = sent.filter(hasPassed).map(({ began }) => began)
  const refused = sent.filter(({ code }) => code === 'token_revoked')
  const [first] = sent
  if (!first || !allowed.some((began) => began < called)) {
    return [clock, unknown(`the canary was never accepted: ${first && answerText(first)}`)]
  }
  const lastAllowed = allowed.reduce((latest, one) => Math.max(latest, one), 0)
  const isLate = lastAllowed > known + rule.bound
  const ms = {
    shards: known - called,
    last_allowed: lastAllowed - called,
    ...(refused.length > 0 && {
      first_refused:
        refused.reduce((least, { ended }) => Math.min(least, ended), Infinity) - called,
    }),
  }
  const promise = rule.isStrict ? 'at once' : `within ${msText(rule.bound)}`
  const refusal = refused.length > 0 ? `first refusal ${msText(ms.first_refused ?? 0)}, ` : ''
  const says = `${refusal}last allowed ${whenText(ms.last_allowed, 'the call')}; every shard had it after ${msText(ms.shards)}, and refuses ${promise} then`
  // Another refusal, such as that of a rate limit, may hide that the canary is accepted.
  const after = sent.filter(({ began }) => began > known + rule.bound)
  const other = after.find(
    ({ status, code = '' }) => status !== 0 && !REFUSED_AS_REVOKED.includes(code),
  )
  const isSeen = after.some(({ code }) => code === 'token_revoked')
  if (!isLate && (other || !isSeen)) {
    const what = answerText(other ?? { ...first, status: 0 })
    return [clock, unknown(`after the bound ${what}, and not token_revoked`)]
  }
  return [clock, { name, state: isLate ? 'broken' : 'kept', says, ms }]
}

/** Milliseconds that a stream may take to begin. */
const BEGIN_MS = 10_000

/** Opens a stream and reads it until it ends; `undefined` instead of the stream if it does not begin. */
const openStream = async ({ traffic, canary, around }: Drill, { path, rule, agent }: Place) => {
  const token = await canary.token(agent, rule.resource, lifetimeFor(rule.streamBound ?? 0))
  const stop = new AbortController()
  const begin = setTimeout(() => stop.abort(), BEGIN_MS)
  const response = await traffic.open(path, token, stop.signal).catch(() => undefined)
  clearTimeout(begin)
  const { body } = response ?? {}
  if (!response?.ok || !body) {
    stop.abort()
    return { status: response?.status ?? 0, stream: undefined }
  }
  const read = async () => {
    try {
      for await (const _ of body);
    } catch {
      // Cut off, which is an end too.
    }
    stream.ended = around.waiting.elapsed()
  }
  const stream: { ended?: number } = {}
  const reading = read()
  const close = () => {
    stop.abort()
    return reading
  }
  return { status: response.status, stream, reading, close }
}

/**
 * How long a stream of a revoked canary goes on. A stream of another canary goes on besides it, and shows whether
 * streams end by themselves.
 */
export async function measureStream(drill: Drill, place: Place, other: string): Promise<Finding> {
  const { path, rule, agent } = place
  const { elapsed, sleep } = drill.around.waiting
  const name = rule.isStrict ? 'strict stream' : 'bounded stream'
  const { streamBound: bound } = rule
  const unknown = (says: string): Finding => ({ name, state: 'unknown', says: `${path}: ${says}` })
  if (bound === undefined) return unknown('on_revocation is ignore, so streams go on')
  const control = await openStream(drill, { ...place, agent: other })
  const mine = await openStream(drill, place)
  const stop = () => Promise.all([control.close?.(), mine.close?.()])
  const status = control.stream ? mine.status : control.status
  if (!control.stream || !mine.stream) {
    await stop()
    return unknown(`no stream began (${status === 0 ? 'no answer' : status})`)
  }
  await sleep(SLACK_MS / 2)
  const isOver = mine.stream.ended !== undefined || control.stream.ended !== undefined
  const revoked = isOver ? undefined : await revokeCanary(drill, agent, bound)
  const last = revoked?.ok ? revoked.value.known + bound + SLACK_MS : 0
  // In short steps: a timer that is left over would keep the command from ending.
  while (mine.stream.ended === undefined && elapsed() < last) {
    await Promise.race([mine.reading, sleep(SLACK_MS / 10)])
  }
  const end = mine.stream.ended
  // What ends streams by itself ends the other one soon, too.
  if (end !== undefined) await sleep(SLACK_MS / 2)
  const isAlone = control.stream.ended === undefined
  await stop()
  if (revoked && !revoked.ok) return unknown(revoked.reason)
  if (!revoked || (end !== undefined && (!isAlone || end < revoked.value.called))) {
    return unknown('the stream ended by itself')
  }
  const { known, called } = revoked.value
  const promise = `promised within ${msText(bound)} after every shard has it`
  if (end === undefined || end > known + bound + SLACK_MS) {
    return { name, state: 'broken', says: `${path} goes on; ${promise}` }
  }
  const ms = { ended: end - called }
  const says = `${path} ended ${msText(ms.ended)} after the call; ${promise}`
  return { name, state: 'kept', says, ms }
}
