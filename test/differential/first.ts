/** The gate itself, in this process: its real line and its real way to the origin, over memory. */

import { mountControl } from '../../src/control/api/endpoints.ts'
import { gateway, own } from '../../src/gate/app/gateway.ts'
import type { Opened } from '../../src/gate/app/platform/ports.ts'
import { createTokenMemory } from '../../src/gate/app/platform/token-memory.ts'
import { createInFlight } from '../../src/gate/base/in-flight.ts'
import { fail, ok } from '../../src/gate/base/result.ts'
import { createGuard, type Decision, type GuardPorts } from '../../src/gate/guard/guard.ts'
import { createMemoryLimits } from '../../src/gate/limit/memory.ts'
import { type KeySet, keySetOf, publicKeys } from '../../src/gate/model/key-set.ts'
import { createMemoryReplays } from '../../src/gate/model/memory-replays.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import type { SigningKey } from '../../src/gate/model/ports.ts'
import { type Revocation, subjectKey } from '../../src/gate/model/revocation.ts'
import { parsePolicy } from '../../src/gate/policy/parse.ts'
import type { PolicyEnv } from '../../src/gate/policy/reading/env.ts'
import type { Send } from '../../src/gate/relay/origin/send.ts'
import { createMemoryRevocations } from '../../src/gate/revocation/memory.ts'
import { anyRooms, noTokens } from '../kit/facts.ts'
import type { World } from '../reference/types.ts'
import { createFirstApprovals } from './first-approvals.ts'
import { filled } from './material.ts'
import { requestOf } from './requests-sent.ts'
import type { Change, Said, Vars } from './shapes.ts'
import type { Sent } from './world.ts'
import { entriesOf, opened, SECRETS, stoppedBy, subjectOf } from './world.ts'

mountControl(own)

const ENV: PolicyEnv = {
  // LATER is a secret that nobody has put in yet.
  has: (kind, name) => (kind === 'secret' ? name in SECRETS || name === 'LATER' : true),
  secret: (name) => SECRETS[name],
}

type Read = ReturnType<typeof parsePolicy>

/** Policies without mistakes: nobody changes one that has none. */
const known = new WeakMap<Vars, Read>()

/** The policy, or its mistakes. */
export function readVars(vars: Vars): Read {
  const before = known.get(vars)
  if (before) return before
  const read = parsePolicy(filled(vars) as never, ENV)
  if (read.ok) known.set(vars, read)
  return read
}

const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
  'sign',
  'verify',
])
const SIGNING: SigningKey = { kid: 'gate', algorithm: 'ES256', key: pair.privateKey as never }

/** Requests in progress that a case has. */
const FEW = 10

/** What the origin answers, with headers that a rule may remove. */
const answerOf = () => new Response('{}', { headers: { server: 'an origin', 'set-cookie': 'a=b' } })

/** Sets of keys by what they are made of: few are different. */
const sets = new Map<string, KeySet>()

/** An isolate of the gate: its policy changes, its memory stays. */
export interface First {
  /** `text`: the policy as it is written. */
  deploy(policy: Policy, text: string): void
  /** Takes the revocations and statuses that the world has now. */
  learn(world: World): Promise<void>
  /** What people decide at a moment, in milliseconds, and which approvals end. */
  decide(change: Change, now: number): void
  ask(sent: Sent, world: World): Promise<Said>
  /** The origin answers the requests that are held. */
  answer(): Promise<void>
  /** What follows from the last request beside what {@link Said} has. */
  readonly last: Last
  /** Errors that no stage expects. */
  readonly errors: unknown[]
}

export interface Last {
  /** The line of the journal. */
  record: Record<string, unknown>
  /** The answer; `undefined` while the origin holds the request. */
  answer: { status: number; headers: Record<string, string> } | undefined
  /** What was decided of the token, which may be remembered. */
  admission: object | undefined
}

/** Starts an isolate, with a memory of tokens unless `remembers` is `false`. */
export function startFirst(begin: number, remembers = true): First {
  const clock = { at: begin, now: () => clock.at }
  const errors: unknown[] = []
  let world: World
  let policy: Policy
  const tokens = remembers ? createTokenMemory({ clock }) : noTokens
  let revocations = createMemoryRevocations({ clock })
  const limits = createMemoryLimits({ clock })
  const replays = createMemoryReplays({ clock })
  const approvals = createFirstApprovals(clock)
  const down = () => Promise.reject(new Error('down'))
  const ask = (binding: string) => {
    const answer = world.bindings[binding] ?? 'allows'
    if (answer === 'fails') return down()
    return answer === 'allows' ? ok({}) : fail({ retryAfter: 1 })
  }
  const ports: GuardPorts = {
    clock,
    tokens,
    keys: {
      find(issuer, header) {
        const { keys } = issuer
        const members =
          keys.kind === 'inline' ? keys.keys : publicKeys({ keys: world.keys[issuer.name] })
        if (!members) return fail('unavailable')
        const id = JSON.stringify([members, issuer.algorithms, issuer.issuer, issuer.trustDomain])
        const set = sets.get(id) ?? keySetOf(publicKeys({ keys: members }) ?? [], issuer)
        sets.set(id, set)
        const found = set.find(header)
        const told = (one: Awaited<typeof found>) => (typeof one === 'string' ? fail(one) : ok(one))
        return found instanceof Promise ? found.then(told) : told(found)
      },
    },
    revocations: {
      lookup: (subjects, terms) =>
        world.unavailable.revocations ? down() : revocations.lookup(subjects, terms),
    },
    limits: {
      take(limit, name, spend) {
        if (limit.kind === 'approximate') {
          return spend ? ask(limit.binding) : ok({})
        }
        return world.unavailable.limits ? down() : limits.take(limit, name, spend)
      },
      takeAddress: (limit, network) =>
        limit.kind === 'binding' ? ask(limit.binding) : limits.takeAddress(limit, network),
    },
    replays: {
      claim: (name, expires) => (world.unavailable.replays ? down() : replays.claim(name, expires)),
      isClaimed: (name) => (world.unavailable.replays ? down() : replays.isClaimed(name)),
    },
    signingKeys: {
      signing: () =>
        policy.gate.assertion === undefined
          ? undefined
          : world.unavailable.signing
            ? down()
            : SIGNING,
    },
    sessions: {
      seal: async (session) => `mine-${session}`,
      open: async (sealed, { subject }) =>
        world.unavailable.signing ? down() : opened(sealed, subject)?.own,
    },
    nonces: {
      issue: async () => 'next',
      check: async (nonce) => (world.unavailable.signing ? down() : { isGood: nonce === 'good' }),
    },
    approvals: approvals.port,
    bodies: anyRooms,
    inFlight: createInFlight(clock),
    onError: (stage, error) => void errors.push([stage, error]),
  }
  let guard: ReturnType<typeof createGuard>
  const held: { answer: () => void; over: Promise<unknown> }[] = []
  const last: Last = { record: {}, answer: undefined, admission: undefined }
  return {
    errors,
    last,
    async answer() {
      const all = held.splice(0)
      for (const { answer } of all) answer()
      await Promise.all(all.map(({ over }) => over))
    },
    deploy(next, text) {
      policy = next
      approvals.deploy(text)
      guard = createGuard(policy, ports)
    },
    async learn(next) {
      revocations = createMemoryRevocations({ clock })
      for (const entry of await entriesOf(next)) {
        await revocations.add([entry as Revocation])
      }
    },
    decide(changed, now) {
      clock.at = now
      const stopped = stoppedBy(changed).map((entry) => subjectKey(subjectOf(entry)))
      approvals.change(changed, stopped)
    },
    async ask(sent, now) {
      world = now
      approvals.ask(now, sent.request)
      clock.at = sent.request.now
      let decision: Decision | undefined
      let forwarded: Forwarded | undefined
      let answer = () => {}
      let arrived = () => {}
      const isHeld = new Promise<void>((resolve) => {
        arrived = resolve
      })
      const send: Send = async ({ service }, url, { headers, method, body }) => {
        // What `fetch` sends: it escapes `'` in a query.
        const { origin, href } = new URL(url)
        const text = body ? await new Response(body).text() : ''
        const place = service === undefined ? origin : `service:${service}`
        forwarded = {
          target: `${method} ${place}${href.slice(origin.length)}`,
          headers: toObject(headers),
          ...(text !== '' && { body: text }),
        }
        if (!sent.request.held) return answerOf()
        return new Promise((resolve) => {
          answer = () => resolve(answerOf())
          arrived()
        })
      }
      const watched = Object.assign(
        async (...given: Parameters<typeof guard>) => {
          decision = await guard(...given)
          return decision
        },
        { policy },
      )
      const { request, cf } = requestOf(sent.request)
      const lines: string[] = []
      const opened = {
        prefix: policy.gate.prefix,
        policy,
        ports: {
          ...ports,
          send,
          journal: { record: (line: string) => void lines.push(line) },
          store: revocations,
          dropped: { known: anyRooms, strangers: anyRooms },
          signingKeys: { ...ports.signingKeys, published: () => [] },
          explaining: ports,
          readiness: async () => ({ keys: true, revocations: true, issuers: [] }),
        },
        guard: watched,
        version: undefined,
        colo: undefined,
        cf: () => cf,
      } as unknown as Opened
      const answered = Promise.resolve(gateway(request, opened))
      const first = await Promise.race([answered, isHeld.then(() => undefined)])
      if (!first) held.push({ answer, over: answered.then(closed) })
      if (first) await closed(first)
      const { route } = decision?.known ?? {}
      // The gate learns a moment later that the caller has read no more.
      if ((route?.inFlight ?? policy.gate.inFlight) <= FEW) await new Promise(setImmediate)
      const line = JSON.parse(lines[0] ?? '{}') as Record<string, unknown>
      last.record = line
      last.answer = first && { status: first.status, headers: toObject(first.headers) }
      last.admission = decision?.known.admission
      return saidOf(decision, line, forwarded)
    },
  }
}

/** Reads no more of an answer. One that was cut already, since its token has ended, cannot be cancelled. */
const closed = ({ body }: Response): Promise<void> =>
  body?.cancel().catch(() => {}) ?? Promise.resolve()

type Forwarded = Pick<Said, 'target' | 'headers' | 'body'>

function toObject(headers: Headers): Record<string, string> {
  return Object.fromEntries(headers)
}

function saidOf(
  decision: Decision | undefined,
  line: Record<string, unknown>,
  forwarded: Forwarded | undefined,
): Said {
  const { known } = decision ?? {}
  // What follows the answer of the origin is no part of the decision.
  const code = forwarded
    ? decision?.outcome === 'denied'
      ? decision.denial.code
      : undefined
    : (line.code as string | undefined)
  const said: Omit<Said, 'outcome'> = {
    ...(code !== undefined && { code }),
    ...(known?.route && !known.route.endpoint && { rule: known.route.name }),
    ...(known?.token && { issuer: known.token.issuer.name }),
    ...(known?.agent && { agent: known.agent.name }),
  }
  if (forwarded) {
    const assertion = decision?.assertion
    const grant = known?.grant
    return {
      outcome: 'forwarded',
      ...said,
      ...(grant &&
        grant.length > 0 &&
        decision?.outcome === 'passed' && { grant: [...grant].sort().join(' ') }),
      ...((line.would_deny === true || decision?.outcome === 'denied') && { shadow: true }),
      ...forwarded,
      ...(assertion !== undefined && {
        assertion: JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()),
      }),
    }
  }
  if (decision?.outcome === 'denied' || code !== undefined) {
    const isOfEndpoint = decision && decision.outcome !== 'denied' && known?.route?.endpoint
    // Of what an endpoint says itself, only who may call it is compared.
    return { outcome: isOfEndpoint && code !== 'decision_reach' ? 'endpoint' : 'refused', ...said }
  }
  return {
    outcome: known?.route?.cors && !known.route.endpoint ? 'preflight' : 'endpoint',
    ...said,
  }
}
