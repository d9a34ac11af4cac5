import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../../src/gate/base/json.ts'
import { LIMITS } from '../../../../src/gate/base/limits.ts'
import { compileCondition } from '../../../../src/gate/policy/conditions/compile.ts'
import { ALLOWED, factsOf, mistakeOf } from './support.ts'

const compile = (source: string) => {
  const read = compileCondition(source, ALLOWED, 'call')
  if (!read.ok) throw new Error(`${source}: ${read.reason}`)
  return read.value
}
const verdict = (source: string, given?: JsonObject): boolean | string => {
  const judged = compile(source).evaluate(factsOf({ claims: { limit: 50 }, arguments: given }))
  return judged.ok ? judged.value : judged.reason
}
const mistake = (source: string): string => {
  const read = compileCondition(source, ALLOWED, 'call')
  return read.ok ? '' : read.reason.join('; ')
}

describe('a condition over arguments', () => {
  it.each([
    ['arguments.amount <= token.limit', { amount: 50 }, true],
    ['!("force" in arguments)', { force: false }, false],
    ['has(arguments.force)', undefined, false],
    ['!has(arguments.toString) && !("__proto__" in arguments)', {}, true],
  ])('%s of %j: %j', (source, given, expected) => {
    expect(verdict(source, given)).toBe(expected)
  })

  it.each([
    ['arguments.amount < 100.0', undefined],
    ['arguments.x != "a"', { x: 'a'.repeat(LIMITS.conditionText + 1) }],
    ['size(arguments.x) > 0', { x: Array.from({ length: LIMITS.conditionItems + 1 }, () => 1) }],
    ['size(arguments.x) > 0', { x: JSON.parse('{ "__proto__": 1 }') }],
    ['arguments.__proto__ != "a"', {}],
  ])('%s of %j cannot be judged', (source, given) => {
    expect(verdict(source, given)).toEqual(expect.any(String))
  })

  it('may have arguments of any size that it does not read', () => {
    const given = { amount: 1, text: 'a'.repeat(LIMITS.conditionText + 1) }
    expect(verdict('arguments.amount < 100.0', given)).toBe(true)
  })

  it.each([
    ['arguments', 'arguments has members, which are read by name: arguments.NAME'],
    ['size(arguments) > 0', 'arguments has members'],
    ['arguments[token.name] == "a"', 'arguments are read by name: arguments.NAME'],
    ['arguments.exists(x, x == "a")', 'arguments has members'],
    ['token.list.exists(arguments, arguments == "a")', 'arguments is already a variable'],
    ['argument.x == "a"', 'did you mean `arguments`?'],
  ])('%s is a mistake', (source, message) => {
    expect(mistake(source)).toContain(message)
  })

  it.each([
    ['arguments.a == "x" && "b" in arguments && arguments["c"] == 1.0', 'a b c', ''],
    ['has(arguments.a.b.c) && arguments.a["d"] == 1.0 && "e" in arguments.a.f', 'a', 'b c d f'],
    ['arguments.a[0].b == 1.0 && arguments.a[token.x] == 1.0', 'a', 'b'],
    ['arguments.a.all(x, x.b == 1.0 && has(x.c))', 'a', 'b c'],
    ['[arguments.a].all(x, x.b == "c")', 'a', 'b'],
    ['(token.x ? arguments.a : arguments.b).c == "d"', 'a b', 'c'],
    ['["b", "c"].all(n, arguments.a[n] == 1.0)', 'a', 'b c'],
    // Members of a list are no names.
    ['arguments.a.all(k, k != "b" && !(k in ["c", "d"]) && !k.startsWith("e"))', 'a', ''],
    ['arguments.a.all(i, i.b in ["c"] && "d" == i)', 'a', 'b'],
    ['token.x.y == "z" && "r" in token.l && arguments.a == "b"', 'a', ''],
    ['token.l.all(x, x.y == "z") && agent.types.all(t, t != "x") && has(arguments.a)', 'a', ''],
    ['agent.actor.sub == "x" && request.params["id"] == arguments.a', 'a', ''],
  ])('%s names %j, and %j inside of them', (source, names, inside) => {
    const { arguments: read = [], members = [] } = compile(source)
    expect([read.join(' '), [...members].sort().join(' ')]).toEqual([names, inside])
  })

  it('names the operand that it fails by', () => {
    const when = compile('arguments.amount < 100.0 && arguments.to == "a"')
    expect(when.blamed(factsOf({ arguments: { amount: 1, to: 'b' } }), false)).toBe(
      'arguments.to == "a"',
    )
  })
})

describe('a condition of a rule', () => {
  it.each([
    'arguments.amount < 100.0',
    '"amount" in arguments',
    'has(arguments.amount)',
    'arguments["a"] == 1.0',
    'arguments',
  ])('knows nothing of %s', (source) => {
    expect(mistakeOf(source)).toContain('unknown variable `arguments`')
  })
})
