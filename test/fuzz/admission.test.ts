import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { recordOf } from '../../src/gate/app/record.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import type { KeySource, Limits, Revocations, TokenMemory } from '../../src/gate/model/ports.ts'
import { type Revocation, revocationId } from '../../src/gate/model/revocation.ts'
import {
  createGuard,
  createMemoryLimits,
  createMemoryReplays,
  createMemoryRevocations,
  createSigningKeys,
  createTokenMemory,
  type Decision,
  forward,
  type Guard,
} from '../../src/index.ts'
import { ISSUER, NOW, noTokens } from '../kit/facts.ts'
import { tries } from '../kit/property.ts'
import { ROOT } from '../kit/repository.ts'
import { FOREIGN, keysOf, PAIR } from '../line-cases.ts'
import {
  DIFFERENCES,
  MIXED,
  type Mix,
  mixedPolicy,
  mixes,
  OPTIONS,
  POLICIES,
  prove,
  REQUESTS,
  REVOCABLE,
  ROUTES,
  SECRET,
  type Sent,
  TOKENS,
  USUAL,
} from './admission-cases.ts'

/** Whatever a guard remembers, it decides as one that remembers nothing. */

const OWN = await keysOf(PAIR)
/** Now and then the key is imported anew, or is another of the same name. */
const SOURCES: readonly KeySource[] = [OWN, await keysOf(PAIR), OWN, OWN, await keysOf(FOREIGN)]

const time = { at: NOW * 1000 }
const clock = { now: () => time.at }
/** The keys of now. */
let source: KeySource
const keys: KeySource = { find: (...asked) => source.find(...asked) }

type Subjects = Parameters<Revocations['lookup']>[0]

/** The registry approves agents whose id has an even number of letters. */
const approvedOf = (subjects: Subjects): readonly Revocation[] =>
  subjects
    .filter(({ kind, value }) => kind === 'agent' && value.length % 2 === 0)
    .map((one) => ({ ...one, id: 'approved', mode: 'approved', created: NOW, createdBy: 'ops' }))

/** A set that strict rules ask, and a copy of it, as it was pulled last, that bounded ones ask. */
const createSet = () => {
  const set = createMemoryRevocations({ clock })
  const copy = createMemoryRevocations({ clock })
  const behind: ((copy: typeof set) => Promise<unknown>)[] = []
  const change = (change: (set: typeof copy) => Promise<unknown>) => {
    behind.push(change)
    return change(set)
  }
  const withApproved = (subjects: Subjects, entries: readonly Revocation[]) => [
    ...entries,
    ...approvedOf(subjects),
  ]
  const lookup: Revocations['lookup'] = (subjects, terms) =>
    terms?.consistency === 'bounded'
      ? withApproved(subjects, copy.lookup(subjects) as readonly Revocation[])
      : Promise.resolve(set.lookup(subjects, terms)).then((all) => withApproved(subjects, all))
  return {
    lookup,
    add: (entry: Revocation) => change((set) => set.add([entry])),
    remove: (id: string) => change((set) => set.remove(id)),
    async pull() {
      for (const change of behind.splice(0)) await change(copy)
    },
  }
}

/** Limits of a process, with one place of a binding that counts likewise. */
const createLimits = (): Limits => {
  const limits = createMemoryLimits({ clock })
  const quotas = { bucket: { limit: 3, period: 60_000 } }
  return {
    ...limits,
    take: (limit, ...asked) => limits.take({ quotas, ...limit, kind: 'exact' }, ...asked),
  }
}

/** Each policy's keys, the same for who remembers and who does not. */
const signed = (policy: Policy) => [policy, createSigningKeys(policy, { clock })] as const
const SIGNED = POLICIES.map(signed)

/** All that one isolate keeps, and a guard of each policy before it. */
const isolateOf = (
  tokens: TokenMemory,
  policies: readonly ReturnType<typeof signed>[],
  errors: unknown[],
) => {
  const set = createSet()
  const ports = {
    ...{ clock, keys, tokens, revocations: set },
    limits: createLimits(),
    replays: createMemoryReplays({ clock }),
    onError: (_: string, error: unknown) => void errors.push(error),
  }
  const guards = policies.map(([policy, signingKeys]) =>
    createGuard(policy, { ...ports, signingKeys }),
  )
  return { set, guards }
}
type Isolate = ReturnType<typeof isolateOf>

/** What an origin answers, with all that a rule may have taken from it. */
const answerTo = (body: string | undefined) =>
  body?.includes('jsonrpc')
    ? Response.json({ jsonrpc: '2.0', id: 1, result: { content: [], tools: [{ name: 'pay' }] } })
    : new Response(`ok ${SECRET}`, {
        headers: {
          'cache-control': 'public, max-age=60',
          location: 'https://origin.example.com/docs/2',
          server: 'an origin',
          'set-cookie': 'a=b',
          'x-powered-by': 'a',
          'x-request-id': 'of-the-origin',
          'www-authenticate': 'Bearer realm="origin"',
          'access-control-allow-origin': '*',
        },
      })

/** What an origin is told in its headers; of an assertion or a proof what it says, which is signed anew now and then. */
const toldIn = (headers: Headers) =>
  Object.fromEntries(
    [...headers].map(([name, value]) => {
      if (!/^dpop$|-assertion$/.test(name)) return [name, value]
      const { iat: _, exp: __, jti: ___, ...said } = decodeJwt(value)
      return [name, said]
    }),
  )

const requestOf = ({ path, method, host, scheme, query = '', headers, body }: Sent) => {
  const more = path.includes('?') ? query.replace('?', '&') : query
  const isBodiless = method === 'GET' || method === 'HEAD'
  return new Request(`${scheme}://${host}${path}${more}`, {
    ...(method !== undefined && { method }),
    headers: { ...headers, 'x-request-id': 'request-1' },
    ...(body !== undefined && !isBodiless && { body }),
  })
}

/** One request, as a guard decides it, writes it down and sends it on. */
const outcomeOf = async (guard: Guard, sent: Sent, authorization: string) => {
  const request = requestOf(sent)
  request.headers.set('authorization', authorization)
  await prove(request, clock.now() / 1000)
  const { caller, connection } = sent
  const decision = await guard(request, { caller, connection })
  const out: unknown[] = []
  const answer = await forward(request, decision, {
    ...(caller !== undefined && { clientIp: caller }),
    async send(target, url, { headers, signal: _, body, ...outbound }, isRead) {
      const text = body ? await new Response(body).text() : undefined
      out.push([target, url, outbound, toldIn(headers), text, isRead])
      return answerTo(text)
    },
  })
  return { decision, said: saidOf(decision), sent: out, answered: await toldBy(answer) }
}

const toldBy = async (answer: Response) => [
  answer.status,
  [...answer.headers],
  // A stream is cut where the copy of the set still has what was lifted since.
  await answer.text().catch(String),
]

/** What a decision is and is made of, and how it is written down, but not how long it waited. */
const saidOf = ({ known, ...decision }: Decision) => {
  const { route, params, namedWorkflow, access, agent, subjects, possession } = known
  const { grant, operation, limited, token, credential, held } = known
  const { ms: _, ...record } = JSON.parse(recordOf({ ...decision, known } as Decision, CONTEXT))
  return {
    outcome: decision.outcome,
    denial: decision.outcome === 'denied' && decision.denial,
    facts: {
      params,
      namedWorkflow,
      access,
      agent,
      subjects,
      possession,
      grant,
      operation,
      limited,
      held,
    },
    of: [route?.name, token?.claims, token?.key.kid, credential?.opened?.signed],
    record,
  }
}
const CONTEXT = { id: '', time: 0, requestId: '' }

type Step =
  | {
      readonly do: 'ask'
      readonly token: number
      readonly request: Sent
      /** Laid over the request. */
      readonly otherwise: Partial<Sent>
      readonly scheme: string
    }
  /** Sets it, seconds before or after it began. */
  | { readonly do: 'clock'; readonly seconds: number }
  | { readonly do: 'policy'; readonly policy: number }
  | { readonly do: 'keys'; readonly source: number }
  | { readonly do: 'revoke'; readonly which: number; readonly mode: 'block' | 'before' }
  | { readonly do: 'lift' }
  | { readonly do: 'pull' }

const nat = (length: number) => fc.nat({ max: length - 1 })
const some = <Item>(of: readonly Item[], maxLength: number) =>
  fc.array(fc.constantFrom(...of), { minLength: 1, maxLength })
const LENGTH = 40
/** The policy that is made for one run: it has the place behind all others. */
const MIXED_POLICY = POLICIES.length

/** Few tokens, requests and differences of all there are, so that most of them come again. */
const stepsOf = (isMixed: boolean) =>
  fc
    .record({
      tokens: fc.array(nat(TOKENS.length), { minLength: 1, maxLength: 3 }),
      requests: some(isMixed ? MIXED : REQUESTS, 4),
      differences: some(
        [...DIFFERENCES, ...(isMixed ? MIXED : REQUESTS).map(({ path }) => ({ path }))],
        3,
      ),
    })
    .chain(
      ({ tokens, requests, differences }) =>
        fc.array(
          fc.oneof(
            {
              weight: 24,
              arbitrary: fc.record({
                do: fc.constant('ask' as const),
                token: fc.constantFrom(...tokens),
                request: fc.constantFrom(...requests),
                otherwise: fc.oneof(fc.constant({}), fc.constantFrom(...differences)),
                scheme: fc.constantFrom(...Array(9).fill('Bearer '), 'bearer  '),
              }),
            },
            {
              weight: 4,
              arbitrary: fc.record({
                do: fc.constant('clock' as const),
                seconds: fc.oneof(
                  fc.constant(0),
                  fc.constantFrom(0.5, 1, 4.5, 5, 20, 35, 59.5, 60, 605),
                  fc.constantFrom(-0.5, -1, -5, -30, -65, -65.5, -600),
                ),
              }),
            },
            {
              weight: 1,
              arbitrary: fc.record({
                do: fc.constant('policy' as const),
                policy: isMixed ? fc.constant(MIXED_POLICY) : nat(POLICIES.length),
              }),
            },
            {
              weight: 1,
              arbitrary: fc.record({
                do: fc.constant('keys' as const),
                source: nat(SOURCES.length),
              }),
            },
            {
              weight: 1,
              arbitrary: fc.record({
                do: fc.constant('revoke' as const),
                which: nat(REVOCABLE.length),
                mode: fc.constantFrom('block' as const, 'before' as const),
              }),
            },
            { weight: 1, arbitrary: fc.record({ do: fc.constant('lift' as const) }) },
            { weight: 1, arbitrary: fc.record({ do: fc.constant('pull' as const) }) },
          ),
          { minLength: LENGTH, maxLength: LENGTH, size: 'max' },
        ) as fc.Arbitrary<Step[]>,
    )

const runs: fc.Arbitrary<{ readonly mix?: Mix; readonly steps: Step[] }> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ steps: stepsOf(false) }) },
  { weight: 2, arbitrary: fc.record({ mix: mixes, steps: stepsOf(true) }) },
)

const revocationOf = async (which: number, mode: 'block' | 'before'): Promise<Revocation> => {
  const [kind, value] = REVOCABLE[which] ?? ['subject', '']
  const subject = { kind, issuer: ISSUER, value }
  return {
    ...subject,
    id: await revocationId(subject, mode),
    mode,
    ...(mode === 'before' && { at: NOW - 30 }),
    created: NOW,
    createdBy: 'operator',
  }
}

it('a guard decides, tells and writes the same with a memory of tokens as without one', async () => {
  const seen = { pairs: 0, again: 0, otherwise: 0 }
  /** Admissions that were made, or met before. */
  const met = new WeakSet<object>()
  await fc.assert(
    fc.asyncProperty(runs, async ({ mix, steps }) => {
      time.at = NOW * 1000
      source = OWN
      const errors: unknown[] = []
      const policies = mix ? [...SIGNED, signed(mixedPolicy(mix))] : SIGNED
      const warm = isolateOf(createTokenMemory({ clock, ofOne: 64_000 }), policies, errors)
      const cold = isolateOf(noTokens, policies, errors)
      let under = mix ? MIXED_POLICY : 0
      const both = async (change: (isolate: Isolate) => Promise<unknown>) => {
        for (const one of [warm, cold]) await change(one)
      }
      const revoked: string[] = []
      for (const one of steps) {
        if (one.do === 'clock') time.at = (NOW + one.seconds) * 1000
        else if (one.do === 'policy') under = one.policy
        else if (one.do === 'keys') source = SOURCES[one.source] as KeySource
        else if (one.do === 'pull') await both(({ set }) => set.pull())
        else if (one.do === 'revoke') {
          const entry = await revocationOf(one.which, one.mode)
          revoked.push(entry.id)
          await both(({ set }) => set.add(entry))
        } else if (one.do === 'lift') {
          const id = revoked.pop()
          if (id !== undefined) await both(({ set }) => set.remove(id))
        } else {
          const { request, otherwise } = one
          const headers = { ...request.headers, ...otherwise.headers }
          const sent: Sent = { ...USUAL, ...request, ...otherwise, headers }
          const authorization = `${one.scheme}${TOKENS[one.token]}`
          const guards = [warm, cold].map(({ guards }) => guards[under] as Guard) as [Guard, Guard]
          const found = await outcomeOf(guards[0], sent, authorization)
          const anew = await outcomeOf(guards[1], sent, authorization)
          for (const part of ['said', 'sent', 'answered'] as const) {
            expect(found[part], `${one.token} ${JSON.stringify(sent)}`).toEqual(anew[part])
          }
          seen.pairs++
          const { admission } = found.decision.known
          if (admission && met.has(admission)) {
            seen.again++
            if (Object.keys(otherwise).length > 0) seen.otherwise++
          }
          if (admission) met.add(admission)
        }
      }
      expect(errors).toEqual([])
    }),
    tries(24, 72),
  )
  expect(seen.again).toBeGreaterThan(seen.pairs / 10)
  expect(seen.otherwise).toBeGreaterThan(seen.again / 10)
})

describe('what is remembered is used', () => {
  /** Of these rules those at which no token passes and is then asked for with what was decided of it. */
  const neverRecalled = async (
    policy: Policy,
    requests: readonly Sent[],
    rules: readonly string[],
  ) => {
    time.at = NOW * 1000
    source = OWN
    const isolate = isolateOf(createTokenMemory({ clock }), [signed(policy)], [])
    const [guard] = isolate.guards as [Guard]
    const left = new Set(rules)
    for (const request of requests) {
      for (const token of TOKENS) {
        if (left.size === 0) return []
        const sent = { ...USUAL, ...request }
        const { decision } = await outcomeOf(guard, sent, `Bearer ${token}`)
        if (decision.outcome !== 'passed') continue
        const again = await outcomeOf(guard, sent, `Bearer ${token}`)
        const { admission, route } = decision.known
        if (again.decision.known.admission === admission) left.delete(route.name)
        break
      }
    }
    return [...left]
  }

  it('at every rule that takes tokens', async () => {
    const [first] = POLICIES as [Policy]
    const rules = first.routes.flatMap(({ name, access }) => (access === 'public' ? [] : name))
    expect(await neverRecalled(first, REQUESTS, rules)).toEqual([])
  })

  it.each(OPTIONS.map((option) => [option] as const))('with %j', async (option) => {
    const i = OPTIONS.indexOf(option)
    const mixed = mixedPolicy({ gate: [], rules: [[i], [i]] })
    const rules = mixed.routes.slice(1).map(({ name }) => name)
    expect(await neverRecalled(mixed, MIXED, rules)).toEqual([])
  })

  it('with every option that a rule has', () => {
    const text = readFileSync(join(ROOT, 'docs/configuration/routes.md'), 'utf8')
    const [, table = ''] = /^## Keys of `ROUTES`$(.*?)^## /ms.exec(text) ?? []
    const keys = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key as string)
    const used = new Set([...ROUTES, ...OPTIONS].flatMap((one) => Object.keys(one)))
    expect(keys).toContain('match')
    expect(keys.filter((key) => !used.has(key))).toEqual([])
  })
})
