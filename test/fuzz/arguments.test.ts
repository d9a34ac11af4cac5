import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { mcpAccess } from '../../src/gate/guard/stages/mcp-access.ts'
import { ask, mcpOf } from '../gate/guard/operation/support.ts'
import { factsOf } from '../gate/policy/conditions/support.ts'
import { agentOf } from '../kit/facts.ts'
import { isSoak } from '../kit/property.ts'
import {
  Decimal,
  type Lenient,
  Members,
  memberOf,
  READERS,
  type Reader,
  readLeniently,
} from './lenient.ts'

/** What one reader finds in the arguments of a call. */
interface Given {
  number(...path: readonly string[]): Decimal | undefined
  text(name: string): string | undefined
  /** What is there as a list; of a map its values, as in PHP. */
  list(name: string): readonly unknown[]
  has(...path: readonly string[]): boolean
}

const is = (given: Decimal | undefined, wanted: string) => given?.compare(new Decimal(wanted)) === 0
const isAtMost = (given: Decimal | undefined, wanted: string) =>
  given !== undefined && given.compare(new Decimal(wanted)) <= 0
const isOurs = (one: unknown) => typeof one === 'string' && one.endsWith('@acme.test')

/** Conditions, and what each asks for in the words of who reads the arguments otherwise. */
const CASES: Readonly<Record<string, readonly [when: string, holds: (given: Given) => boolean]>> = {
  is: ['arguments.n == 100', ({ number }) => is(number('n'), '100')],
  is_not: ['arguments.n != 100', ({ number }) => !is(number('n'), '100')],
  at_most: ['arguments.n <= 100.0', ({ number }) => isAtMost(number('n'), '100')],
  small: ['arguments.n <= 0.1', ({ number }) => isAtMost(number('n'), '0.1')],
  not_small: ['!(arguments.n <= 0.1)', ({ number }) => !isAtMost(number('n'), '0.1')],
  listed: [
    'arguments.n in [7, 9007199254740991]',
    ({ number }) => is(number('n'), '7') || is(number('n'), '9007199254740991'),
  ],
  unlisted: [
    '!(arguments.n in [7, 9007199254740991])',
    ({ number }) => !is(number('n'), '7') && !is(number('n'), '9007199254740991'),
  ],
  nested: ['arguments.o.n <= 100', ({ number }) => isAtMost(number('o', 'n'), '100')],
  whole: [
    'int(arguments.n) < 101',
    ({ number }) => number('n')?.compare(new Decimal('101')) === -1,
  ],
  text: ['arguments.s != "admin"', ({ text }) => text('s') !== 'admin'],
  ours: ['arguments.s.endsWith("@acme.test")', ({ text }) => isOurs(text('s'))],
  everyone: [
    'arguments.to.all(a, a.endsWith("@acme.test"))',
    ({ list }) => list('to').every(isOurs),
  ],
  someone: [
    'arguments.to.exists(a, a == "a@acme.test")',
    ({ list }) => list('to').includes('a@acme.test'),
  ],
  nobody: ['!("v@evil.test" in arguments.to)', ({ list }) => !list('to').includes('v@evil.test')],
  unforced: ['!has(arguments.force)', ({ has }) => !has('force')],
  unforced_in: ['!("force" in arguments)', ({ has }) => !has('force')],
  unforced_inside: ['!has(arguments.o.force)', ({ has }) => !has('o', 'force')],
}
const NAMES = Object.keys(CASES)

const MCP = mcpOf({
  tools: Object.fromEntries(NAMES.map((name) => [name, { scopes: [], when: CASES[name]?.[0] }])),
})

const bodyOf = (name: string, given: string) =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}","arguments":${given}}}`

/** Whether the gate lets a call pass, as far as its arguments go. */
const passes = async (body: string): Promise<boolean> => {
  const outcome = await ask({ mcp: MCP, body })
  if (!outcome.ok || 'end' in outcome) return false
  const { operation } = outcome.value
  const judged = await mcpAccess.run(
    { route: { mcp: MCP }, operation, agent: agentOf() },
    undefined,
  )
  if (!judged.ok || 'end' in judged) return false
  return judged.value.uses.every(({ use, named }) => {
    const found = use.when?.evaluate(factsOf({ arguments: named.arguments }))
    return found?.ok === true && found.value
  })
}

/** What a parser makes of a text: some end it at a zero byte, or leave out what is ill-formed. */
const asText = (text: string, { name, fold }: Reader) =>
  /^(?:to a zero|without what)/.test(name) ? fold(text) : text

const givenTo = (body: Lenient, reader: Reader): Given => {
  const at = (...path: readonly string[]) =>
    ['params', 'arguments', ...path].reduce<Lenient | undefined>(
      (value, name) => memberOf(value, name, reader),
      body,
    )
  const scalar = (value: Lenient | undefined) =>
    typeof value === 'string' ? asText(value, reader) : value
  return {
    number(...path) {
      const value = at(...path)
      return value instanceof Decimal ? value : undefined
    },
    text: (name) => {
      const value = scalar(at(name))
      return typeof value === 'string' ? value : undefined
    },
    list(name) {
      const value = at(name)
      if (value instanceof Members) return value.pairs.map(([, one]) => scalar(one))
      return Array.isArray(value) ? value.map(scalar) : []
    },
    has: (...path) => at(...path) !== undefined,
  }
}

/** Readers of decimals, of doubles, and of whole numbers in 64 bits. */
const NUMBERS: Readonly<Record<string, (text: string) => Lenient>> = {
  decimals: (text) => new Decimal(text),
  doubles: (text) => (Number.isFinite(Number(text)) ? new Decimal(String(Number(text))) : text),
  'whole numbers': (text) =>
    new Decimal(/^-?\d+$/.test(text) ? String(BigInt.asIntN(64, BigInt(text))) : text),
}

/** Numbers around those that the conditions ask for, and around what a double holds. */
const number = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('7', '70e-1', '100', '100.0', '1e2', '0.1', '-0', '99.99'),
  },
  fc.constantFrom('9007199254740991', '9007199254740992', '9007199254740993', '1e400', '1e-400'),
  fc
    .tuple(
      fc.constantFrom('7', '100', '99', '0', '9007199254740991'),
      fc.constantFrom('', '.', '.1', '.9', '.99999'),
      fc.stringMatching(/^[09]{0,22}[0-9]{0,3}$/),
      fc.constantFrom('', '', 'e0', 'E+1', 'e-1', 'e-15'),
    )
    .map(([whole, point, digits, exponent]) =>
      point === '' || point + digits === '.' ? whole + exponent : whole + point + digits + exponent,
    ),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
)
const text = fc.constantFrom(
  ...['"admin"', '"a@acme.test"', '"v@evil.test"', '"admin\\u0000"', '"admin\\ud800"', '"x"'],
  ...['"v@evil.test\\u0000@acme.test"', '"\\u0061dmin"', '"v@evil.test\\ud83d\\u0000@acme.test"'],
)
const listed = fc.array(text, { maxLength: 3 }).map((all) => `[${all.join()}]`)
const mapped = fc
  .array(fc.tuple(fc.constantFrom('"a@acme.test"', '"0"', '"1"'), text), { maxLength: 2 })
  .map((all) => `{${all.map((pair) => pair.join(':')).join()}}`)

/** Mostly the name itself; else what some readers take for it. */
const spelled = (name: string) =>
  fc.oneof(
    { weight: 19, arbitrary: fc.constant(`"${name}"`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...[`"${name.toUpperCase()}"`, `"${name}\\u0000"`, `"\\ud800${name}"`, '"__proto__"'],
        `"\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}"`,
      ),
    },
  )
const member = (name: string, value: fc.Arbitrary<string>) =>
  fc.tuple(spelled(name), value).map((pair) => pair.join(':'))
const inner = fc
  .array(fc.oneof(member('n', number), member('force', fc.constant('true'))), { maxLength: 2 })
  .map((all) => `{${all.join()}}`)
const ARGUMENTS = fc
  .tuple(
    fc.tuple(
      member('n', number),
      member('s', text),
      member('to', fc.oneof({ weight: 3, arbitrary: listed }, { weight: 1, arbitrary: mapped })),
      member('o', inner),
    ),
    fc.array(
      fc.oneof(member('force', fc.constant('1')), member('n', number), member('to', mapped)),
      { maxLength: 1 },
    ),
    fc.nat({ max: 2 }),
  )
  .map(([all, more, some]) => `{${[...all, ...(some === 0 ? more : [])].join()}}`)

/** Calls that pass, each by the condition of its tool. */
let passed: readonly (readonly [name: string, body: string])[]
beforeAll(async () => {
  const all: (readonly [name: string, body: string])[] = []
  const calls = fc.tuple(fc.constantFrom(...NAMES), ARGUMENTS)
  for (const [name, given] of fc.sample(calls, {
    seed: 20_286,
    numRuns: isSoak() ? 6_000 : 2_000,
  })) {
    const body = bodyOf(name, given)
    if (await passes(body)) all.push([name, body])
  }
  for (const name of NAMES)
    expect([name, all.filter(([one]) => one === name).length > (isSoak() ? 10 : 1)]).toEqual([
      name,
      true,
    ])
  passed = all
})

const expectSame = (name: string, body: string, found: Lenient, reader: Reader, by: string) => {
  const holds = CASES[name]?.[1](givenTo(found, reader))
  expect([body, reader.name, by, holds]).toEqual([body, reader.name, by, true])
}

describe('a call that passes a condition over its arguments', () => {
  it('passes it as every reader of JSON has them', () => {
    for (const [name, body] of passed) {
      const bytes = new TextEncoder().encode(body)
      for (const [by, numbers] of Object.entries(NUMBERS)) {
        const found = readLeniently(bytes, numbers)
        for (const reader of READERS) expectSame(name, body, found, reader, by)
      }
    }
  })

  it('passes it as JSON.parse has them, and Python where it is at hand', () => {
    const [exactly] = READERS.filter(({ name }) => name === 'exactly, last') as [Reader]
    for (const [name, body] of passed)
      expectSame(name, body, lenient(JSON.parse(body)), exactly, 'JSON.parse')
    const { error, status, stdout } = spawnSync('python3', ['-c', PYTHON], {
      input: JSON.stringify(passed.map(([, body]) => body)),
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    })
    if (error) return
    expect(status).toBe(0)
    const found = JSON.parse(stdout) as readonly Tagged[]
    expect(found).toHaveLength(passed.length)
    for (const [i, [name, body]] of passed.entries())
      expectSame(name, body, untagged(found[i] as Tagged), exactly, 'Python')
  })
})

const lenient = (value: unknown): Lenient => {
  if (typeof value === 'number') return new Decimal(String(value))
  if (Array.isArray(value)) return value.map(lenient)
  if (typeof value !== 'object' || value === null) return value as Lenient
  const members = new Members()
  for (const [name, one] of Object.entries(value)) members.pairs.push([name, lenient(one)])
  return members
}

/** Values as Python has them: a number by its digits. */
type Tagged =
  | { readonly n: string }
  | { readonly l: readonly Tagged[] }
  | { readonly m: readonly (readonly [string, Tagged])[] }
  | { readonly v: string | boolean | null }

const untagged = (value: Tagged): Lenient => {
  if ('n' in value) return new Decimal(value.n)
  if ('l' in value) return value.l.map(untagged)
  if ('v' in value) return value.v
  const members = new Members()
  for (const [name, one] of value.m) members.pairs.push([name, untagged(one)])
  return members
}

const PYTHON = `
import json, sys
from decimal import Decimal
def tag(v):
    if isinstance(v, (int, Decimal)) and not isinstance(v, bool): return {"n": str(v)}
    if isinstance(v, list): return {"l": [tag(x) for x in v]}
    if isinstance(v, dict): return {"m": [[k, tag(x)] for k, x in v.items()]}
    return {"v": v}
print(json.dumps([tag(json.loads(b, parse_float=Decimal)) for b in json.load(sys.stdin)]))
`
