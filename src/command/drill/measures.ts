import { decodeJwt } from 'jose'
import type { Process } from '../base/command.ts'
import { counted } from '../base/file-policy.ts'
import { callGate, type GateAddress } from '../base/gate-client.ts'
import type { GateOptions } from '../operate/access.ts'
import type { Canary, CanaryRule, PolicyOfGate } from './canary.ts'
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
export const SLACK_MS = 1_000

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
