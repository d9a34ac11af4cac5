import { objectOf, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Process } from '../base/command.ts'
import { counted } from '../base/file-policy.ts'
import { callGate, type GateAddress } from '../base/gate-client.ts'
import { EXIT } from '../base/output.ts'
import type { GateOptions } from '../operate/access.ts'
import { revoke } from '../operate/revoke.ts'
import type { Canary, CanaryRule, PolicyOfGate } from './canary.ts'
import { type Finding, type Measure, msText, percentile, whenText } from './finding.ts'
import { hasPassed, type Sent, type Traffic } from './traffic.ts'

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
export async function measureKeys({ gate }: Drill): Promise<Finding> {
  const answer = await callGate(gate, { path: `${gate.prefix}/ready` })
  return answer.ok
    ? { name: 'keys', state: 'kept', says: 'the gate says that it is ready' }
    : { name: 'keys', state: 'broken', says: answer.reason.err[0] ?? 'the gate is not ready' }
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
      const { code, status } = hasPassed(mine) ? theirs : mine
      const where = hasPassed(mine) ? publicPath : path
      return { name, state: 'unknown', says: `${where} answered ${status} ${code ?? ''}`.trim() }
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
  const how = name === 'forged token' ? canary.forged : canary.unsigned
  return refusedFinding(name, await traffic.send(path, await how(agent, rule.resource)))
}

/** Whether a token that was used once is refused the second time. */
export async function measureReplay(
  { traffic, canary }: Drill,
  { path, rule, agent }: Place,
): Promise<Finding> {
  const name = 'replayed token'
  const token = await canary.token(agent, rule.resource)
  const first = await traffic.send(path, token)
  if (!hasPassed(first)) return { name, state: 'unknown', says: `the first use got ${first.code}` }
  return refusedFinding(name, await traffic.send(path, token))
}

const refusedFinding = (name: Measure, sent: Sent): Finding => {
  if (sent.status === 0) return { name, state: 'unknown', says: 'no answer came' }
  return hasPassed(sent)
    ? { name, state: 'broken', says: `the gate let it pass (${sent.status})` }
    : { name, state: 'kept', says: `refused with ${sent.code}` }
}

/** Seconds that a token lives whose end is waited for. */
const SHORT_LIFE = 2

/** How long after its end a token is still accepted. */
export async function measureExpiry(
  { traffic, canary, policy, around }: Drill,
  { path, rule, agent }: Place,
): Promise<Finding> {
  const name = 'expiry'
  const { elapsed, sleep } = around.waiting
  const token = await canary.token(agent, rule.resource, SHORT_LIFE)
  // The token ends at a whole second.
  const end = elapsed() + (Math.floor(around.now()) + SHORT_LIFE - around.now()) * 1000
  const last = end + policy.gate.clock_tolerance
  const loop = traffic.repeat(path, token, 1, sleep)
  await sleep(Math.max(0, last + 2 * SLACK_MS - elapsed()))
  const sent = await loop.stop()
  const passed = sent.filter(hasPassed)
  const latest = passed.at(-1)
  if (!latest) return { name, state: 'unknown', says: `no token was accepted (${sent[0]?.code})` }
  const ms = { last_allowed: latest.began - end }
  const isBroken = latest.began > last + SLACK_MS
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

/** Revokes a canary for a while, and waits until that is in effect everywhere. */
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
      for: `${Math.ceil(bound / 1000) + 120}s`,
      reason: 'drill',
      wait: true,
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

/** How long a revoked canary is still accepted over several connections at once; and the clock of the gate. */
export async function measureRevocation(
  drill: Drill,
  { path, rule, agent }: Place,
  connections: number,
): Promise<readonly Finding[]> {
  const { traffic, canary, around, policy } = drill
  const name = 'revocation'
  const { sleep, elapsed } = around.waiting
  const token = await canary.token(agent, rule.resource)
  const loop = traffic.repeat(path, token, connections, sleep)
  await sleep(SLACK_MS / 2)
  const revoked = await revokeCanary(drill, agent, rule.bound)
  if (revoked.ok) {
    await sleep(Math.max(0, revoked.value.known + rule.bound + SLACK_MS - elapsed()))
  }
  const sent = await loop.stop()
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
  const other = sent.find((one) => !hasPassed(one) && one.code !== 'token_revoked')
  if (!allowed.some((began) => began < called)) {
    return [clock, unknown(`the canary was never accepted (${other?.code ?? 'no answer'})`)]
  }
  const lastAllowed = Math.max(...allowed)
  const isLate = lastAllowed > known + rule.bound
  const ms = {
    shards: known - called,
    last_allowed: lastAllowed - called,
    ...(refused.length > 0 && {
      first_refused: Math.min(...refused.map(({ ended }) => ended)) - called,
    }),
  }
  const promise = rule.isStrict ? 'at once' : `within ${msText(rule.bound)}`
  const first = refused.length > 0 ? `first refusal ${msText(ms.first_refused ?? 0)}, ` : ''
  const says = `${first}last allowed ${whenText(ms.last_allowed, 'the call')}; every shard had it after ${msText(ms.shards)}, and refuses ${promise} then`
  if (!isLate && refused.length === 0) return [clock, unknown(`no refusal came (${other?.code})`)]
  return [clock, { name, state: isLate ? 'broken' : 'kept', says, ms }]
}

/** Milliseconds that a stream may take to begin. */
const BEGIN_MS = 10_000

/** How long a stream of a revoked canary goes on. */
export async function measureStream(drill: Drill, { path, rule, agent }: Place): Promise<Finding> {
  const { traffic, canary, around } = drill
  const { elapsed, sleep } = around.waiting
  const name = rule.isStrict ? 'strict stream' : 'bounded stream'
  const unknown = (says: string): Finding => ({ name, state: 'unknown', says: `${path}: ${says}` })
  const token = await canary.token(agent, rule.resource)
  const stop = new AbortController()
  const begin = setTimeout(() => stop.abort(), BEGIN_MS)
  const response = await traffic.open(path, token, stop.signal).catch(() => undefined)
  clearTimeout(begin)
  if (!response?.ok || !response.body) {
    stop.abort()
    return unknown(`no stream began (${response?.status ?? 'no answer'})`)
  }
  let ended: number | undefined
  const reading = (async () => {
    try {
      for await (const _ of response.body ?? []);
    } catch {
      // Cut off, which is an end too.
    }
    ended = elapsed()
  })()
  await sleep(SLACK_MS / 2)
  if (ended !== undefined) return unknown('the stream ended by itself')
  const revoked = await revokeCanary(drill, agent, rule.streamBound)
  if (revoked.ok && ended === undefined) {
    const left = revoked.value.known + rule.streamBound + SLACK_MS - elapsed()
    await Promise.race([reading, sleep(Math.max(0, left))])
  }
  const end = ended
  stop.abort()
  await reading
  if (!revoked.ok) return unknown(revoked.reason)
  const { known, called } = revoked.value
  const promise = `promised within ${msText(rule.streamBound)} after every shard has it`
  if (end === undefined || end > known + rule.streamBound + SLACK_MS) {
    return { name, state: 'broken', says: `${path} goes on; ${promise}` }
  }
  if (end < called) return unknown('the stream ended by itself')
  const ms = { ended: end - called }
  return {
    name,
    state: 'kept',
    says: `${path} ended ${msText(ms.ended)} after the call; ${promise}`,
    ms,
  }
}
