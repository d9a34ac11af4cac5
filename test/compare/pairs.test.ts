import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { GATE, policy, type Vars } from '../gate/policy/support.ts'
import { isSoak } from '../kit/property.ts'
import {
  ACME,
  type Asked,
  BETA,
  type Caller,
  combinations,
  HOSTS,
  ISSUERS,
  subsets,
  widening,
} from './brute.ts'

const read = { match: 'GET /docs/{id}', scopes: ['docs:read'], issuers: ['acme'] }
const write = { match: 'POST /docs', scopes: ['docs:write'], issuers: ['acme'] }
const rest = { match: 'GET /*', scopes: ['docs:admin'], issuers: ['acme'] }
const RULES = [read, write, rest]

const vars = (ROUTES: readonly object[] = RULES, more: Vars = {}): Vars => ({
  ISSUERS,
  GATE: { ...GATE, hosts: HOSTS },
  ROUTES,
  ...more,
})
const withRead = (change: object): Vars => vars([{ ...read, ...change }, write, rest])
const templated = (scopes: unknown): Vars =>
  vars([{ ...read, scopes }, write], { SCOPES: { super: ['docs:read:*'] } })
const UNFIT = 'GET /docs/{id} where {id} cannot be part of a scope'

const MANY = Array.from({ length: 20 }, (_, i) => `tenant-${i}`)
const cut = (value: unknown) => `${JSON.stringify(value).slice(0, 120)}…`

/** What is said where the second takes the place of the first: widenings, then the rest. */
type Pair = readonly [what: string, before: Vars, after: Vars, said: readonly string[]]

const PAIRS: readonly Pair[] = [
  ['the same policy', vars(), vars(), []],
  [
    'a rule behind one that takes it',
    vars(),
    vars([rest, { ...read, match: 'GET,POST /docs/{id}' }, write]),
    [
      'gains: tokens of acme with `docs:admin` may now call GET /docs/{any}/ (before refused as ambiguous)',
      'gains: tokens of acme with `docs:admin` may now call GET /docs/{id} (under `GET /*`, before under `GET /docs/{id}`) (was: `docs:read`)',
      'gains: tokens of acme with `docs:read` may now call POST /docs/{id}',
      'loses: tokens of acme with `docs:read` may no longer call GET /docs/{id} (under `GET /*`, before under `GET /docs/{id}`) (now: `docs:admin`)',
    ],
  ],
  [
    'a scope in place of another',
    vars(),
    withRead({ scopes: ['docs:list'] }),
    [
      'gains: tokens of acme with `docs:list` may now call GET /docs/{id} (was: `docs:read`)',
      'loses: tokens of acme with `docs:read` may no longer call GET /docs/{id} (now: `docs:list`)',
    ],
  ],
  [
    'one more scope that is needed',
    vars(),
    withRead({ scopes: ['docs:read', 'docs:list'] }),
    [
      'loses: tokens of acme with `docs:read` may no longer call GET /docs/{id} (now: `docs:read` and `docs:list`)',
    ],
  ],
  [
    'a scope that includes all that a template makes, and passes also where it makes none',
    templated(['docs:read:{id}']),
    templated(['super']),
    [
      `gains: tokens of acme with \`super\` may now call ${UNFIT} (was: nobody)`,
      'loses: tokens of acme with `docs:read:{id}` may no longer call GET /docs/{id} (now: `super`)',
    ],
  ],
  [
    'a scope that is asked for under the name of one that included it alone',
    vars(RULES, { SCOPES: { 'docs:write': ['docs:read'] } }),
    vars([{ ...read, scopes: { any: ['docs:read', 'docs:write'] } }, write, rest]),
    [],
  ],
  [
    'no workflow that is asked for',
    withRead({ workflow: 'path:id' }),
    withRead({}),
    [
      'gains: tokens of acme of any workflow, or of none may now call GET /docs/{id} (was: the one that {id} of the path names)',
    ],
  ],
  [
    'a workflow that something else names',
    withRead({ workflow: 'path:id' }),
    withRead({ workflow: 'header:x-run' }),
    [
      'gains: tokens of acme of the workflow that the header x-run names may now call GET /docs/{id} (was: the one that {id} of the path names)',
      'loses: tokens of acme of the workflow that {id} of the path names may no longer call GET /docs/{id} (now: the one that the header x-run names)',
    ],
  ],
  [
    'an issuer more',
    vars(),
    withRead({ issuers: ['acme', 'beta'] }),
    ['gains: tokens of beta with `docs:read` may now call GET /docs/{id} (was: docs:read of acme)'],
  ],
  [
    'a rule that is public',
    vars(),
    vars([{ match: 'GET /docs/{id}', access: 'public' }, write, rest]),
    ['gains: anyone, without a token, may now call GET /docs/{id} (was: docs:read of acme)'],
  ],
  [
    'a rule that takes callers without a token',
    vars(),
    withRead({ access: 'optional' }),
    ['gains: callers without a token may now call GET /docs/{id} (was: docs:read of acme)'],
  ],
  [
    'a rule in shadow mode',
    vars(),
    withRead({ mode: 'shadow' }),
    [
      'gains: anyone, whatever their token (shadow mode), may now call GET /docs/{id} (was: docs:read of acme)',
    ],
  ],
  [
    'a longer life',
    withRead({ max_lifetime: '1m' }),
    withRead({ max_lifetime: '5m' }),
    ['gains: tokens of acme that live up to 5m may now call GET /docs/{id} (was: up to 1m)'],
  ],
  [
    'no actor that is asked for',
    withRead({ delegation: { require_actor: true } }),
    withRead({}),
    ['gains: tokens of acme without an actor may now call GET /docs/{id} (was: an actor)'],
  ],
  [
    'another actor, and a longer chain',
    withRead({ delegation: { max_depth: 1, actors: ['bot'] } }),
    withRead({ delegation: { max_depth: 2, actors: ['bot', 'tool'] } }),
    [
      'gains: tokens of acme that passed through up to 2 agents may now call GET /docs/{id} (was: up to 1)',
      `gains: tokens of acme whose actor is tool of ${ACME} may now call GET /docs/{id} (was: the actor bot of ${ACME})`,
    ],
  ],
  [
    'a claim that must be less',
    withRead({ claims: { tenant: ['blue', 'red'] } }),
    withRead({ claims: { tenant: 'blue', level: { min: 1 } } }),
    [
      'loses: tokens of acme whatever their claim `level` is may no longer call GET /docs/{id} (now: {"min":1})',
      'loses: tokens of acme whose claim `tenant` is ["blue","red"] may no longer call GET /docs/{id} (now: blue)',
    ],
  ],
  [
    'a claim that may be more than fits into a line',
    withRead({ claims: { tenant: MANY } }),
    withRead({ claims: { tenant: [...MANY, 'red'] } }),
    [
      `gains: tokens of acme whose claim \`tenant\` is ${cut([...MANY, 'red'])} may now call GET /docs/{id} (was: ${cut(MANY)})`,
    ],
  ],
  [
    'tokens for another audience',
    vars(),
    withRead({ audiences: ['urn:docs'] }),
    [
      'gains: tokens of acme for urn:docs may now call GET /docs/{id} (was: tokens for https://api.example.com)',
      'loses: tokens of acme for https://api.example.com may no longer call GET /docs/{id} (now: tokens for urn:docs)',
    ],
  ],
  [
    'a rule for a part of another',
    vars(),
    vars([{ match: 'GET /docs/open', scopes: [], issuers: ['acme'] }, ...RULES]),
    [
      'gains: tokens of acme without a scope may now call GET /docs/open (under `GET /docs/open`, before under `GET /docs/{id}`) (was: `docs:read`)',
      'loses: tokens of acme with `docs:read` may no longer call GET /docs/OPEN (now refused as ambiguous)',
    ],
  ],
  [
    'a rule for what ends in a suffix that is gone before another',
    vars([{ ...read, match: 'GET /docs/{x}:gen', scopes: ['docs:list'] }, read]),
    vars([read]),
    [
      'gains: tokens of acme with `docs:read` may now call GET /docs/{id}%3Agen (before refused as ambiguous)',
      'gains: tokens of acme with `docs:read` may now call GET /docs/{id}:gen (under `GET /docs/{id}`, before under `GET /docs/{x}:gen`) (was: `docs:list`)',
      'loses: tokens of acme with `docs:list` may no longer call GET /docs/{id}:gen (under `GET /docs/{id}`, before under `GET /docs/{x}:gen`) (now: `docs:read`)',
    ],
  ],
  [
    'one more method',
    vars([read, write]),
    vars([{ ...read, match: 'GET,DELETE /docs/{id}' }, write]),
    ['gains: tokens of acme with `docs:read` may now call DELETE /docs/{id}'],
  ],
]

const SEGMENTS = [
  'docs',
  'Docs',
  'DOCS',
  'open',
  'OPEN',
  '42',
  'x',
  'a%20b',
  'x:gen',
  'x:GEN',
  'x%3Agen',
  '',
]
const requests: readonly Asked[] = [
  ...SEGMENTS.map((one) => `/${one}`),
  ...combinations([isSoak() ? SEGMENTS.slice(0, -1) : ['docs', 'DOCS', 'x'], SEGMENTS]).map(
    (all) => `/${all.join('/')}`,
  ),
  '/docs/open/',
  '/docs/42/',
  '/docs/42.',
  '/docs/x.',
  '/docs./x',
].flatMap((path) =>
  ['GET', 'HEAD', 'POST', 'DELETE'].flatMap((method) =>
    HOSTS.map((host) => ({ method, host, path, run: 'x' })),
  ),
)

const SCOPES = ['docs:read', 'docs:write', 'docs:list', 'docs:admin', 'docs:read:42', 'vip']
const variants: readonly Partial<Caller>[] = [
  { life: 300 },
  { type: 'orchestrator' },
  { type: 'sub-agent' },
  { type: 'other' },
  { workflow: '42' },
  { workflow: 'x' },
  { actors: ['bot'] },
  { actors: ['bot', 'bot'] },
  { actors: ['tool'] },
  { aud: 'urn:docs' },
  { more: { tenant: 'blue' } },
  { more: { tenant: 'red' } },
  { more: { tenant: 'tenant-1' } },
  { more: { level: 2 } },
  { more: { level: '2' } },
  { more: { tenant: 'red', level: 2 } },
  { more: { tenant: 'blue', level: 2 } },
]
/** Scopes of callers that differ in more than scopes; in `npm test` fewer than in soak. */
const [most, held] = isSoak() ? [2, subsets(SCOPES, 1)] : [1, [['docs:read'], ['docs:admin']]]
const callers: readonly Caller[] = [ACME, BETA].flatMap((iss) => [
  ...[...subsets(SCOPES, iss === ACME ? 2 : most), ['super']].map((scopes) => ({ iss, scopes })),
  ...(isSoak() || iss === ACME ? held : []).flatMap((scopes) =>
    variants.map((one) => ({ iss, scopes, ...one })),
  ),
])

describe('comparePolicies', () => {
  it.each(PAIRS)('%s', async (_, before, after, said) => {
    const [old, now] = [policy(before), policy(after)]
    const found = await comparePolicies(old, now)
    if (!found.ok) throw new Error(found.reason)
    const { widens, gains, loses, changes } = found.value
    const told = Object.entries({ gains, loses, changes }).flatMap(([side, all]) =>
      all.map(({ text }) => `${side}: ${text}`).sort(),
    )
    expect(told).toEqual(said)
    expect(await widening(old, now, requests, callers)).toEqual(
      widens ? expect.anything() : undefined,
    )
    // The other way round what was gained is lost.
    const back = await comparePolicies(now, old)
    expect(back).toMatchObject({ ok: true, value: { widens: loses.length > 0 } })
    // What is lost is told above: `npm test` does not ask everybody a second time.
    if (!isSoak()) return
    expect(await widening(now, old, requests, callers)).toEqual(
      loses.length > 0 ? expect.anything() : undefined,
    )
  })
})
