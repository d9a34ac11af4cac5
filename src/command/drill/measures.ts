import { decodeJwt } from 'jose'
import { objectOf, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Process } from '../base/command.ts'
import { counted } from '../base/file-policy.ts'
import { callGate, type GateAddress } from '../base/gate-client.ts'
import { EXIT } from '../base/output.ts'
import type { GateOptions } from '../operate/access.ts'
import { revoke } from '../operate/revoke.ts'
import { type Canary, type CanaryRule, LIFETIME, type PolicyOfGate } from './canary.ts'
import { type Finding, type Measure, msText, percentile, whenText } from './finding.ts'
import { answerText, hasPassed, type Sent, type Traffic } from './traffic.ts'

/** What all measurements share. */
export interface Drill {
  readonly gate: GateAddress
  readonly options: GateOptions
  readonly around: Process
  readonly traffic: Traffic
  readonly canary: Canary
  readonly policy: PolicyOfGate
}

/** A path that canaries use, its rule, and a canary that nobody else uses. */
export interface Place {
  readonly path: string
  readonly rule: CanaryRule
  readonly agent: string
}

/** Milliseconds of the network and of timers that no promise is about. */
const SLACK_MS = 1_000

/** Whether the gate has the issuers' keys and everything else it needs. */
export async function measureKeys({ gate, traffic }: Drill): Promise<Finding> {
  const name = 'keys'
  const path = `${gate.prefix}/ready`
  const answer = await callGate(gate, { path })
  if (answer.ok) return { name, state: 'kept', says: 'the gate says that it is ready' }
  const says = answer.reason.err[0] ?? 'the gate is not ready'
  // Whether nothing came, which says nothing about keys.
  const { status } = await traffic.send(path)
  return { name, state: status === 0 ? 'unknown' : 'broken', says }
}

/** The time that the gate adds to a request, against a public path. `most`: milliseconds that are promised for p99. */
export async function measureAddedTime(
  { traffic, canary }: Drill,
  { path, rule, agent }: Place,
  publicPath: string,
  requests: number,
  most: number | undefined,
): Promise<Finding> {
  const name = 'added time'
  const token = await canary.token(agent, rule.resource)
  const [own, open]: [Sent[], Sent[]] = [[], []]
  // The first requests open connections, and load code.
  for (let i = -2; i < requests; i++) {
    const [mine, theirs] = [await traffic.send(path, token), await traffic.send(publicPath)]
    if (!hasPassed(mine) || !hasPassed(theirs)) {
      const [where, sent] = hasPassed(mine) ? [publicPath, theirs] : [path, mine]
      return { name, state: 'unknown', says: `${where}: ${answerText(sent)}` }
    }
    if (i >= 0) {
      own.push(mine)
      open.push(theirs)
    }
  }
  const took = (all: readonly Sent[], share: number) =>
    percentile(
      all.map(({ began, ended }) => ended - began),
      share,
    )
  const shares = [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
  ] as const
  const ms = Object.fromEntries(
    shares.flatMap(([text, share]) => [
      [text, took(own, share) - took(open, share)],
      [`whole_${text}`, took(own, share)],
    ]),
  )
  const says = shares.map(([text]) => `${text} ${msText(ms[text] ?? 0)}`).join(', ')
  const isBroken = most !== undefined && (ms.p99 ?? 0) > most
  return {
    name,
    state: isBroken ? 'broken' : 'kept',
    says: `${says} over ${publicPath}, ${counted(requests, 'request')} each${most === undefined ? '' : `; p99 may be ${msText(most)}`}`,
    ms,
  }
}

/** Whether a token that no canary's key has signed is refused. */
export async function measureRefusal(
  { traffic, canary }: Drill,
  name: 'forged token' | 'unsigned token',
  { path, rule, agent }: Place,
): Promise<Finding> {
  const [how, code] =
    name === 'forged token'
      ? [canary.forged, 'signature_invalid']
      : [canary.unsigned, 'algorithm_forbidden']
  return refusedFinding(name, code, await traffic.send(path, await how(agent, rule.resource)))
}

/** Whether a token that was used once is refused the second time. */
export async function measureReplay(
  { traffic, canary }: Drill,
  { path, rule, agent }: Place,
): Promise<Finding> {
  const name = 'replayed token'
  const token = await canary.token(agent, rule.resource)
  const first = await traffic.send(path, token)
  if (!hasPassed(first)) {
    return { name, state: 'unknown', says: `at the first use ${answerText(first)}` }
  }
  return refusedFinding(name, 'token_replayed', await traffic.send(path, token))
}

/** Only the code for what is wrong with the token shows that the gate saw it: a rate limit refuses, too. */
const refusedFinding = (name: Measure, code: string, sent: Sent): Finding => {
  if (hasPassed(sent))
    return { name, state: 'broken', says: `the gate let it pass (${sent.status})` }
  return sent.code === code
    ? { name, state: 'kept', says: `refused with ${code}` }
    : { name, state: 'unknown', says: `${answerText(sent)}, and not ${code}` }
}

/** Seconds that a token lives whose end is waited for. */
const SHORT_LIFE = 2

/**
 * How long after its end a token is still accepted. `ahead`: milliseconds by which the gate's clock differs, at least;
 * negative if it is behind.
 */
export async function measureExpiry(
  { traffic, canary, policy, around }: Drill,
  { path, rule, agent }: Place,
  ahead: number,
): Promise<Finding> {
  const name = 'expiry'
  const { elapsed, sleep } = around.waiting
  const lifetime = SHORT_LIFE + Math.max(0, Math.ceil(ahead / 1000))
  const token = await canary.token(agent, rule.resource, lifetime)
  const end = elapsed() + ((decodeJwt(token).exp ?? 0) - around.now()) * 1000
  // A clock that is behind by this, at least, may be behind by a second more.
  const behind = ahead < 0 ? SLACK_MS - ahead : 0
  const last = end + policy.gate.clock_tolerance + behind + SLACK_MS
  const loop = traffic.repeat(path, token, 1, sleep)
  await sleep(Math.max(0, last + SLACK_MS - elapsed()))
  const sent = [...(await loop.stop()), await traffic.send(path, token)]
  const unknown = (says: string): Finding => ({ name, state: 'unknown', says })
  const [first] = sent
  const latest = sent.findLast(hasPassed)
  if (!latest || !first) return unknown(`no token was accepted: ${first && answerText(first)}`)
  const ms = { last_allowed: latest.began - end }
  const isBroken = latest.began > last
  const final = sent.at(-1)
  if (!isBroken && final?.code !== 'token_expired') {
    return unknown(`after the end ${final && answerText(final)}, and not token_expired`)
  }
  const says = `last accepted ${whenText(ms.last_allowed, 'its end')}; clock_tolerance is ${msText(policy.gate.clock_tolerance)}`
  return { name, state: isBroken ? 'broken' : 'kept', says, ms }
}

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
