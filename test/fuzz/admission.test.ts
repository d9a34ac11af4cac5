import fc from 'fast-check'
import { decodeJwt } from 'jose'
import { expect, it } from 'vitest'
import { recordOf } from '../../src/answer/record.ts'
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
import type { Policy } from '../../src/model/policy.ts'
import type { KeySource, TokenMemory } from '../../src/model/ports.ts'
import { type Kind, type Revocation, revocationId } from '../../src/model/revocation.ts'
import { createEncryptionKey, encrypt, secretOf } from '../kit/encryption.ts'
import { ISSUER, NOW, noTokens, RESOURCE } from '../kit/facts.ts'
import { tries } from '../kit/property.ts'
import { FOREIGN, keysOf, minted, PAIR } from '../line-cases.ts'
import { policy } from '../policy/support.ts'

/** Whatever a guard remembers, it decides as one that remembers nothing. */

const SEALING = await createEncryptionKey()
const BETA = 'https://auth.beta.example'
const any = { scopes: [] }
const VARS = {
  GATE: {
    resource: RESOURCE,
    origin: 'https://origin.example.com',
    assertion: 'identity',
    identity_headers: { tenant: 'tenant' },
  },
  ISSUERS: {
    acme: {
      issuer: ISSUER,
      agent_prefix: 'acme/',
      agent_id: ['act.sub', 'client_id'],
      delegation: { issuers: ['beta'], parent_scope: 'parent' },
      decrypt: { secret: 'ACME_KEYS' },
    },
    beta: { issuer: BETA, agent_prefix: 'beta/' },
  },
  ROUTES: [
    { match: 'GET /docs/{id}', scopes: ['docs:read'] },
    { match: 'GET /own/{id}/{part}', scopes: ['own:{id}:{part}'] },
    { match: 'GET /either/{id}', scopes: { any: ['docs:{id}', 'own:{id}:a', 'all'] } },
    { match: 'GET /crawl', ...any, agent_types: ['crawler'] },
    { match: 'GET /runs/{run}', scopes: ['docs:read'], workflow: 'path:run' },
    { match: 'GET /by-header', ...any, workflow: 'header:x-run' },
    { match: 'GET /by-query/{id}', scopes: ['docs:{id}'], workflow: 'query:run' },
    { match: 'GET /deep', ...any, delegation: { max_depth: 1, require_actor: true } },
    {
      match: 'GET /tools/{id}',
      ...any,
      authorization_details: [{ type: 't', identifier: '{id}' }],
    },
    { match: 'GET /strong', ...any, acr_values: ['phr'] },
    { match: 'GET /lately', scopes: ['docs:read'], max_age: '1m' },
    {
      match: 'GET /when/{id}',
      ...any,
      when: 'token.tenant == request.params.id && agent.depth < 2',
    },
    { match: 'GET /work', ...any, when: 'now < timestamp(token.until) || request.country == "DE"' },
    {
      match: 'GET /tenant',
      ...any,
      claims: { tenant: 'blue' },
      forward_claims: { 'x-until': 'until' },
    },
    { match: 'GET /limited', ...any, rate_limit: { limit: 3, period: '1m' } },
    { match: 'GET /by-run', ...any, rate_limit: { daily: 4, per: 'workflow' } },
    { match: 'GET /once', ...any, single_use: true },
    { match: 'GET /short', ...any, max_lifetime: '10m' },
    { match: 'GET /shadow/{id}', scopes: ['docs:{id}'], mode: 'shadow' },
    { match: 'GET /optional', scopes: ['docs:read'], access: 'optional' },
    { match: 'GET /open', access: 'public' },
    {
      match: 'POST /mcp/{team}',
      scopes: ['docs:read'],
      mcp: {
        tools: {
          echo: [],
          team: ['docs:{team}'],
          'files_*': ['own:{arguments.id}:a'],
          pay: { scopes: [], when: 'arguments.amount < 5.0 && token.tenant == "blue"' },
        },
      },
    },
  ],
}
const SECRETS = {
  has: () => true,
  secret: (name: string) => (name === 'ACME_KEYS' ? secretOf(SEALING) : undefined),
}
const FIRST = policy(VARS, SECRETS)
/** Another reading of the same; another where scopes include others; and one that has the rules of the first. */
const POLICIES: readonly Policy[] = [
  FIRST,
  policy(VARS, SECRETS),
  policy({ ...VARS, SCOPES: { all: ['docs:read', 'docs:1'], 'docs:2': ['docs:read'] } }, SECRETS),
  { ...FIRST, includedBy: (scope) => (scope === 'docs:read' ? [] : [scope, 'all']) },
]

/** What most of the rules let pass. */
const GOOD = {
  scope: 'docs:read docs:1 own:1:a',
  authorization_details: [{ type: 't', identifier: '1' }],
  auth_time: NOW - 10,
  acr: 'phr',
  until: '2026-01-01T00:00:30Z',
}
const SIGNED = [
  {},
  { jti: 'token-2', auth_time: NOW - 50.5 },
  { act: { sub: 'helper' }, parent: 'docs:read docs:1 own:1:a' },
  { jti: 'token-3', scope: 'all docs:2 own:2:b', agent_type: 'crawler', tenant: '1' },
  { scope: 'docs:read', acr: 'pwd', workflow_id: '1', until: 'never', jti: 'token-6' },
  { act: { sub: 'helper', act: { sub: 'deep', iss: BETA } }, scope: 'docs:read all' },
  { parent: 'docs:1', scope: 'docs:1 docs:read' },
  { act: { sub: 'helper', iss: BETA } },
  { exp: NOW + 30, jti: 'token-4' },
  { iat: NOW + 3, nbf: NOW + 4.5, jti: 'token-5', until: '2026-01-01T00:01:00Z' },
  { workflow_id: undefined, client_id: 'other', tenant: 'red' },
  { sub: 'mallory', workflow_id: 'run-2', jti: undefined },
].map((claims) => minted({ ...GOOD, ...claims }))
/** Bare, and sealed once or twice: each of those is another token. */
const TOKENS: readonly string[] = [
  ...SIGNED,
  ...(await Promise.all(SIGNED.slice(0, 3).map((token) => encrypt(token, SEALING)))),
  await encrypt(SIGNED[1] ?? '', SEALING),
  minted({}, FOREIGN.privateKey),
]

interface Sent {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly call?: object
}
const run = (value: string) => ({ 'x-run': value })
const calls = (name: string, given: object = {}): object => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: given },
})
const REQUESTS: readonly Sent[] = [
  ...['/docs/1', '/docs/2?a=b', '/own/1/a', '/own/2/b', '/own/1/b', '/either/1', '/either/2'],
  ...['/crawl', '/runs/run-1', '/runs/run-2', '/runs/1', '/by-header', '/by-query/1?run=run-1'],
  ...['/by-query/1?run=1', '/by-query/2?run=run-1', '/by-query/1', '/deep', '/tools/1', '/tools/2'],
  ...[
    '/tools/a%20b',
    '/strong',
    '/lately',
    '/when/1',
    '/when/blue',
    '/work',
    '/tenant',
    '/limited',
  ],
  ...['/by-run', '/once', '/short', '/shadow/1', '/shadow/2', '/optional', '/open', '/none'],
]
  .map((path): Sent => ({ path }))
  .concat([
    { path: '/by-header', headers: run('run-1') },
    { path: '/by-header', headers: run('1') },
    { path: '/mcp/1', call: calls('echo') },
    { path: '/mcp/1', call: calls('team') },
    { path: '/mcp/2', call: calls('team') },
    { path: '/mcp/1', call: calls('files_read', { id: '1' }) },
    { path: '/mcp/1', call: calls('files_read', { id: '2' }) },
    { path: '/mcp/1', call: calls('pay', { amount: 4 }) },
    { path: '/mcp/1', call: calls('pay', { amount: 6 }) },
    { path: '/mcp/1', call: calls('none') },
  ])

const REVOCABLE: readonly (readonly [Kind, string])[] = [
  ['subject', 'alice'],
  ['token', 'token-2'],
  ['agent', 'helper'],
  ['workflow', 'run-1'],
  ['key', 'key-1'],
]
const OWN = await keysOf(PAIR)
/** Now and then the key is imported anew, or is another of the same name. */
const SOURCES: readonly KeySource[] = [OWN, await keysOf(PAIR), OWN, await keysOf(FOREIGN)]

const time = { at: NOW * 1000 }
const clock = { now: () => time.at }
const SIGNING = createSigningKeys(FIRST, { clock })
/** The keys of now. */
let source: KeySource
const keys: KeySource = { find: (...asked) => source.find(...asked) }

/** All that one isolate keeps, and a guard of each policy before it. */
const isolateOf = (tokens: TokenMemory, errors: unknown[]) => {
  const revocations = createMemoryRevocations({ clock })
  const ports = {
    ...{ clock, keys, tokens, revocations, signingKeys: SIGNING },
    limits: createMemoryLimits({ clock }),
    replays: createMemoryReplays({ clock }),
    onError: (_: string, error: unknown) => void errors.push(error),
  }
  return { revocations, guards: POLICIES.map((one) => createGuard(one, ports)) }
}
type Isolate = ReturnType<typeof isolateOf>

const ANSWER = { jsonrpc: '2.0', id: 1, result: { content: [] } }

const ASSERTION = 'x-agent-assertion'

/** What an origin is told in its headers; of an assertion what it says, which is signed anew now and then. */
const toldIn = (headers: Headers) => {
  const told = Object.fromEntries(headers)
  const { [ASSERTION]: assertion } = told
  if (assertion === undefined) return told
  const { iat: _, exp: __, jti: ___, ...said } = decodeJwt(assertion)
  return { ...told, [ASSERTION]: said }
}

/** One request, as a guard decides it, writes it down and sends it on. */
const outcomeOf = async (guard: Guard, { path, headers, call }: Sent, authorization: string) => {
  const asked = () =>
    new Request(RESOURCE + path, {
      headers: {
        ...headers,
        authorization,
        'x-request-id': 'request-1',
        ...(call && {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2025-11-25',
        }),
      },
      ...(call && { method: 'POST', body: JSON.stringify(call) }),
    })
  const request = asked()
  const decision = await guard(request, { connection: { country: 'FR' } })
  const sent: unknown[] = []
  const answer = await forward(request, decision, {
    async send(target, url, outbound) {
      sent.push([target.url.href, url, outbound.method, toldIn(outbound.headers)])
      return call ? Response.json(ANSWER) : new Response('ok')
    },
  })
  return { decision, said: saidOf(decision), sent, answered: await toldBy(answer) }
}

const toldBy = async (answer: Response) => [
  answer.status,
  Object.fromEntries(answer.headers),
  await answer.text(),
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
    },
    of: [route?.name, token?.claims, token?.key.kid, credential?.opened?.signed, held?.bytes],
    record,
  }
}
const CONTEXT = { id: '', time: 0, requestId: '' }

type Step =
  | {
      readonly do: 'ask'
      readonly token: number
      readonly request: number
      readonly scheme: string
    }
  | { readonly do: 'clock'; readonly seconds: number }
  | { readonly do: 'policy'; readonly policy: number }
  | { readonly do: 'keys'; readonly source: number }
  | { readonly do: 'revoke'; readonly which: number; readonly mode: 'block' | 'before' }
  | { readonly do: 'lift' }

const nat = (length: number) => fc.nat({ max: length - 1 })
const LENGTH = 25

/** Few tokens and requests of all there are, so that most of them come again. */
const steps = fc
  .record({
    tokens: fc.array(nat(TOKENS.length), { minLength: 1, maxLength: 3 }),
    requests: fc.array(nat(REQUESTS.length), { minLength: 1, maxLength: 5 }),
  })
  .chain(
    ({ tokens, requests }) =>
      fc.array(
        fc.oneof(
          {
            weight: 24,
            arbitrary: fc.record({
              do: fc.constant('ask' as const),
              token: fc.constantFrom(...tokens),
              request: fc.constantFrom(...requests),
              scheme: fc.constantFrom(...Array(9).fill('Bearer '), 'bearer  '),
            }),
          },
          {
            weight: 4,
            arbitrary: fc.record({
              do: fc.constant('clock' as const),
              seconds: fc.constantFrom(0.5, 1, 5, 20, 60, 600, -0.5, -5, -30, -60, -600),
            }),
          },
          {
            weight: 1,
            arbitrary: fc.record({
              do: fc.constant('policy' as const),
              policy: nat(POLICIES.length),
            }),
          },
          {
            weight: 1,
            arbitrary: fc.record({ do: fc.constant('keys' as const), source: nat(SOURCES.length) }),
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
        ),
        { minLength: LENGTH, maxLength: LENGTH, size: 'max' },
      ) as fc.Arbitrary<Step[]>,
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
  const seen = { pairs: 0, again: 0 }
  /** Admissions that were made, or met before. */
  const met = new WeakSet<object>()
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      time.at = NOW * 1000
      source = OWN
      const errors: unknown[] = []
      const warm = isolateOf(createTokenMemory({ clock, ofOne: 64_000 }), errors)
      const cold = isolateOf(noTokens, errors)
      let under = 0
      const both = async (change: (isolate: Isolate) => Promise<unknown>) => {
        for (const one of [warm, cold]) await change(one)
      }
      const revoked: string[] = []
      for (const one of all) {
        if (one.do === 'clock') time.at += one.seconds * 1000
        else if (one.do === 'policy') under = one.policy
        else if (one.do === 'keys') source = SOURCES[one.source] as KeySource
        else if (one.do === 'revoke') {
          const entry = await revocationOf(one.which, one.mode)
          revoked.push(entry.id)
          await both(({ revocations }) => revocations.add([entry]))
        } else if (one.do === 'lift') {
          const id = revoked.pop()
          if (id !== undefined) await both(({ revocations }) => revocations.remove(id))
        } else {
          const [sent, token] = [REQUESTS[one.request] as Sent, TOKENS[one.token]]
          const authorization = `${one.scheme}${token}`
          const guards = [warm, cold].map(({ guards }) => guards[under] as Guard) as [Guard, Guard]
          const found = await outcomeOf(guards[0], sent, authorization)
          const anew = await outcomeOf(guards[1], sent, authorization)
          for (const part of ['said', 'sent', 'answered'] as const) {
            expect(found[part], `${sent.path} ${one.token}`).toEqual(anew[part])
          }
          seen.pairs++
          const { admission } = found.decision.known
          if (admission && met.has(admission)) seen.again++
          if (admission) met.add(admission)
        }
      }
      expect(errors).toEqual([])
    }),
    tries(6, 110),
  )
  expect(seen.again).toBeGreaterThan(seen.pairs / 10)
})
