import fc from 'fast-check'
import { it } from 'vitest'
import type { Policy } from '../../src/gate/model/policy.ts'
import { parsePolicy } from '../../src/gate/policy/parse.ts'
import { ENV, GATE } from '../gate/policy/support.ts'
import { isSoak, rare, tries } from '../kit/property.ts'
import {
  ACME,
  type Asked,
  BETA,
  type Caller,
  combinations,
  explore,
  HOSTS,
  ISSUERS,
  policyOrNone,
  subsets,
  widening,
} from './brute.ts'

const PATHS = [
  '/a',
  '/a/',
  '/A',
  '/a/b',
  '/a/{p}',
  '/a/{p}:go',
  '/{q}/b',
  '/{q}/{p}',
  '/a/*',
  '/*',
  '/{q}/b/*',
]

const sometimes = <Value>(arbitrary: fc.Arbitrary<Value>, weight = 1) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight, arbitrary })

const rule = fc
  .record({
    methods: fc.constantFrom('GET', 'POST', 'GET,POST', '*'),
    path: fc.constantFrom(...PATHS),
    host: sometimes(fc.constant('b.example.com')),
    access: fc.constantFrom('required', 'required', 'required', 'public', 'optional'),
    scopes: fc.uniqueArray(fc.constantFrom('x', 'y', 'w', 'a:{p}'), { maxLength: 2 }),
    any: fc.boolean(),
    issuers: sometimes(fc.constantFrom(['acme'], ['beta'])),
    agent_types: sometimes(fc.constantFrom(['s'], ['s', 'o'])),
    workflow: sometimes(fc.constantFrom('path:p', 'header:x-run')),
    max_lifetime: sometimes(fc.constant('1m')),
    delegation: sometimes(
      fc.constantFrom({ require_actor: true }, { max_depth: 0 }, { actors: ['bot'] }),
    ),
    mode: sometimes(fc.constant('shadow')),
  })
  .map(({ methods, path, scopes, any, access, workflow, ...more }) => {
    const hasParam = path.includes('{p}')
    const names = scopes.filter((one) => hasParam || !one.includes('{'))
    const token = {
      ...more,
      scopes: any && names.length > 0 ? { any: names } : names,
      ...(workflow !== undefined && (hasParam || workflow !== 'path:p') && { workflow }),
    }
    const { host, mode } = more
    const made = {
      match: `${methods} ${path}`,
      access,
      ...(access === 'public' ? { host, mode } : token),
    }
    return JSON.parse(JSON.stringify(made)) as object
  })

const SCOPES = fc.constantFrom<object>(
  {},
  { w: ['x'] },
  { w: ['a:c'] },
  { y: ['a:*'] },
  { w: ['x', 'y'] },
)

interface Written {
  readonly rules: readonly object[]
  readonly scopes: object
}

const written = fc.record<Written>({
  rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
  scopes: SCOPES,
})

const KEYS = ['issuers', 'agent_types', 'workflow', 'max_lifetime', 'delegation', 'mode']

/** Two policies that are often alike but for one thing. */
const pair = fc
  .record({
    one: written,
    other: written,
    at: fc.nat(3),
    which: fc.nat(6),
    how: fc.constantFrom(
      'swap',
      'drop',
      'replace',
      'scopes',
      'other',
      'leave',
      'leave',
      'set',
      'set',
    ),
  })
  .map(({ one, other, at, which, how }): readonly [Written, Written] => {
    const rules = [...one.rules]
    const i = at % rules.length
    const rule: Readonly<Record<string, unknown>> = { ...rules[i] }
    const keys = KEYS.filter((name) =>
      Object.hasOwn(how === 'set' ? { ...other.rules[0] } : rule, name),
    )
    const key = keys[which % keys.length] ?? 'scopes'
    const { [key]: _, ...rest } = rule
    const { [key]: set } = { ...other.rules[0] } as Readonly<Record<string, unknown>>
    const changed: Readonly<Record<string, object>> = {
      replace: { ...rule, ...other.rules[0] },
      leave: rest,
      set: set === undefined ? rule : { ...rule, [key]: set },
    }
    if (how === 'other') return [one, other]
    if (how === 'scopes') return [one, { ...one, scopes: other.scopes }]
    if (how === 'swap') rules.push(...rules.splice(i, 1))
    else if (how === 'drop') rules.splice(i, rules.length > 1 ? 1 : 0)
    else rules.splice(i, 1, changed[how] ?? rule)
    return [one, { ...one, rules }]
  })

/** The policy without the rules that are a mistake in it. */
const policyOf = ({ rules, scopes }: Written) => {
  const vars = (ROUTES: readonly object[]) => ({
    ...{ GATE: { ...GATE, hosts: HOSTS }, ISSUERS, SCOPES: scopes, ROUTES },
  })
  const read = parsePolicy(vars(rules), ENV)
  const wrong = read.ok ? [] : read.reason.map(({ path }) => /^ROUTES\[(\d+)\]/.exec(path)?.[1])
  const kept = rules.filter((_, i) => !wrong.includes(String(i)))
  return read.ok ? read.value.policy : policyOrNone(vars(kept))
}

const SEGMENTS = ['a', 'A', 'b', 'B', 'c', 'c:go', 'c:GO', 'c%3Ago', 'b:go', 'c%20c', '']
const paths = [
  ...SEGMENTS.map((one) => `/${one}`),
  ...combinations([SEGMENTS.slice(0, -1), SEGMENTS]).map((all) => `/${all.join('/')}`),
  ...combinations([
    ['a', 'A', 'c'],
    ['b', 'c', 'B'],
    ['c', ''],
  ]).map((all) => `/${all.join('/')}`),
]
const requests: readonly Asked[] = paths.flatMap((path) =>
  (isSoak() ? ['GET', 'HEAD', 'POST', 'PUT'] : ['GET', 'POST']).flatMap((method) =>
    HOSTS.flatMap((host) => [{ method, host, path, run: 'w1' }]),
  ),
)

/** Those whose workflow is a segment of a path, which a rule may ask for. Nobody may do more than with a short life. */
const workers = combinations<string | undefined>([
  [ACME, BETA],
  ['a', 'A', 'b', 'B'],
  [undefined, 's', 'o'],
  [undefined, 'bot', 'other'],
]).flatMap(([iss = ACME, workflow = '', type, actor]) =>
  subsets(['x', 'y', 'w', 'a:c'], 2).map((scopes) => ({
    iss,
    scopes,
    life: 60,
    workflow,
    ...(type !== undefined && { type }),
    ...(actor !== undefined && { actors: [actor] }),
  })),
)

/** One whose token is good nowhere, and all others. */
const callers: readonly Caller[] = [
  { iss: 'https://nobody.example', scopes: [] },
  ...rare(...workers),
  ...[ACME, BETA].flatMap((iss) =>
    subsets(['x', 'y', 'w', 'a:c'], isSoak() ? 2 : 1).flatMap((scopes) =>
      combinations<string | undefined>([
        isSoak() ? [undefined, 's', 'o'] : [undefined, 's'],
        isSoak() ? [undefined, 'w1', 'c'] : [undefined, 'c'],
      ]).flatMap(([type, workflow]) =>
        [
          { life: 60 },
          { life: 600 },
          { life: 60, actors: ['bot'] },
          { life: 600, actors: ['bot'] },
          { life: 600, actors: ['other'] },
          { life: 60, actors: ['other'] },
        ].map((more) => ({
          iss,
          scopes,
          ...more,
          ...(type !== undefined && { type }),
          ...(workflow !== undefined && { workflow }),
        })),
      ),
    ),
  ),
]

it('access widens exactly where some request and caller of a small world pass who did not', async () => {
  const isWider = async (before: Policy, after: Policy) =>
    (await widening(before, after, requests, callers)) !== undefined
  await explore({ pair, policyOf, isWider, isExact: true }, tries(3))
})
