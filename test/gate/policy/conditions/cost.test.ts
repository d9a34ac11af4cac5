import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ASTNode, ParseResult } from '#cel'
import { LIMITS } from '../../../../src/gate/base/limits.ts'
import { readCondition } from '../../../../src/gate/policy/conditions/compile.ts'
import { contextMaker } from '../../../../src/gate/policy/conditions/facts.ts'
import { tries } from '../../../kit/property.ts'
import { ALLOWED, factsOf, mistakeOf } from './support.ts'

/** What the library keeps beside the parts that are written. */
interface Inner {
  readonly meta: {
    readonly alternate?: ASTNode
    readonly macro?: Readonly<Record<string, unknown>>
  }
  evaluate: (...args: unknown[]) => unknown
}

/** Every node that an evaluation may come to, those too that the library makes of macros. */
const nodesOf = (root: unknown, seen = new Set<object>()): ReadonlySet<object> => {
  if (typeof root !== 'object' || root === null || seen.has(root)) return seen
  if (Array.isArray(root) || Object.getPrototypeOf(root) === Object.prototype) {
    for (const one of Object.values(root)) nodesOf(one, seen)
    return seen
  }
  if (!('op' in root) || !('meta' in root)) return seen
  seen.add(root)
  const { args, meta } = root as unknown as Inner & { readonly args: unknown }
  for (const one of [args, meta.alternate, meta.macro]) nodesOf(one, seen)
  return seen
}

/** Evaluates, and counts each node each time it is evaluated. */
const counted = (program: ParseResult, context: object): number => {
  let count = 0
  for (const node of nodesOf(program.ast) as Set<Inner>) {
    const first = Object.getPrototypeOf(node).evaluate
    let inner = node.evaluate
    Object.defineProperty(node, 'evaluate', {
      configurable: true,
      get: () =>
        function (this: unknown, ...args: unknown[]) {
          // The first time a node only finds out what it is, and is evaluated again.
          if (inner !== first) count += 1
          return inner.apply(this, args)
        },
      set: (next: Inner['evaluate']) => {
        inner = next
      },
    })
  }
  try {
    program(context)
  } catch {
    // What it comes to is another matter.
  }
  return count
}

/** A copy of a value that reports each member that is read of it, at whatever depth. */
const watched = (value: unknown, read: () => void): unknown => {
  if (Array.isArray(value))
    return new Proxy(
      value.map((one) => watched(one, read)),
      {
        get(target, key, receiver) {
          if (typeof key === 'string' && /^[0-9]+$/.test(key)) read()
          return Reflect.get(target, key, receiver)
        },
      },
    )
  if (!(value instanceof Map)) return value
  const copy = new Map([...value].map(([key, one]) => [key, watched(one, read)]))
  const told = function* () {
    for (const entry of Map.prototype.entries.call(copy)) {
      read()
      yield entry
    }
  }
  const get = (key: unknown) => {
    read()
    return Map.prototype.get.call(copy, key)
  }
  return Object.assign(copy, { get, entries: told, [Symbol.iterator]: told })
}

/** Claims under the variable, each watched, so that its work is seen wherever it is done. */
const watchedToken = (context: object, read: () => void): object => {
  const { token } = context as { readonly token: ReadonlyMap<string, unknown> }
  return {
    ...context,
    token: new Map([...token].map(([name, value]) => [name, watched(value, read)])),
  }
}

/** What a condition says that it takes, the nodes that are evaluated, and the members that are read. */
const workOf = (source: string, claims: object) => {
  const read = readCondition(source, ALLOWED)
  if (!read.ok) throw new Error(`${source}: ${read.reason}`)
  const { reads, steps, program } = read.value
  const context = contextMaker(reads)(factsOf({ claims }))
  if (!context.ok) return { steps, nodes: 0, members: 0, work: 0 }
  let members = 0
  const watching = watchedToken(context.value, () => {
    members += 1
  })
  const nodes = counted(program, watching)
  // A comparison reads one member of either side.
  return { steps, nodes, members, work: nodes + members / 2 }
}

const FULL = Array.from({ length: LIMITS.conditionItems }, (_, i) => `member-${i}`)
/** As many members as a claim may have. */
const deep = () => Array.from({ length: 31 }, () => Array.from({ length: 31 }, (_, i) => i))
const map = () => Object.fromEntries(FULL.slice(0, 240).map((name) => [name, [1, 2]]))
const CLAIMS = {
  a: 1,
  b: 2,
  none: 'none',
  list: FULL,
  deep: deep(),
  same: deep(),
  map: map(),
  twin: map(),
  mixed: Array.from({ length: LIMITS.conditionItems }, (_, i) => ({ i: [i] })),
}

describe('an evaluation', () => {
  it.each([
    ['true', 1],
    ['token.a == token.b', 7],
    ['token.deep == token.same', 1_000],
    ['token.deep != token.same', 1_000],
    ['token.map == token.twin', 350],
    ['token.deep in [token.same, token.same]', 1_000],
    ['token.none in token.list', 256],
    ['token.mixed.exists(x, x == token.mixed)', 1_000],
    ['token.list + token.list == token.list', 260],
    ['token.list.exists(x, x == "none")', 1_300],
    ['token.list.filter(x, x != "none").size() == 256', 1_500],
    ['(token.list + token.list + token.list).all(x, x != "none")', 3_800],
    ['token.list.map(x, x != "a", x + "b").size() > 0', 2_300],
    ['token.list.exists_one(x, x == "member-255" || x.startsWith("y"))', 1_800],
    ['[1, 2, 3].all(x, x > 0)', 20],
    ['token.list.exists(x, x in agent.scopes)', 1_300],
  ])('of %s takes about %s steps, and no more than it says', (source, about) => {
    const result = workOf(source, CLAIMS)
    expect(result.work).toBeGreaterThan(about / 2)
    expect(result.work).toBeLessThanOrEqual(result.steps)
    expect(result.steps).toBeLessThanOrEqual(LIMITS.conditionSteps)
  })

  it.each([
    'token.list.all(x, [token.a, token.a, token.a] == [token.b, token.b, token.b])',
    'token.list.exists(x, x in token.a)',
    'token.list.all(x, token.a == token.b)',
    'token.list.all(x, token.a != token.b)',
    'token.list.all(x, token.a in [token.b])',
    'token.list.all(x, "a" in token.b)',
    'token.list.all(x, (token.a + token.b).size() > 0)',
    'token.list.all(x, inNetwork(request.ip, token.a))',
    'token.list.map(x, token.a) == token.list.map(x, token.b)',
    'agent.scopes.exists(x, x in token.a)',
    'inNetwork(request.ip, token.a + token.b + token.c + token.d) || inNetwork(request.ip, token.a + token.b + token.c + token.d)',
    `[token.a].exists(x, ${Array(14).fill('token.a == token.b').join(' || ')})`,
  ])('of %s may take too many', (source) => {
    expect(mistakeOf(source)).toMatch(/may take \d+ steps, over 16000/)
  })

  it('of each documented recipe takes less than half of what it may', () => {
    const docs = readFileSync('docs/configuration/conditions.md', 'utf8')
    const recipes = [...docs.matchAll(/^when {3}= .*?('''|')(.*?)\1/gms)].map(
      ([, , text = '']) => text,
    )
    expect(recipes.length).toBeGreaterThan(4)
    for (const recipe of recipes) {
      const read = readCondition(recipe, ALLOWED)
      expect(read.ok ? read.value.steps : read.reason).toBeLessThan(LIMITS.conditionSteps / 2)
    }
  })

  it('never takes more than it says, whatever the condition and the claims are', () => {
    const claim = fc.constantFrom(
      'token.a',
      'token.b',
      'token.list',
      'x',
      '"t"',
      '3',
      'request.path',
    )
    const { part } = fc.letrec<{ part: string }>((tie) => ({
      part: fc.oneof(
        { maxDepth: 5, withCrossShrink: true },
        claim,
        fc
          .tuple(tie('part'), fc.constantFrom('==', '!=', '&&', '||', '+', '<', 'in'), tie('part'))
          .map(([a, op, b]) => `(${a} ${op} ${b})`),
        tie('part').map((a) => `!${a}`),
        tie('part').map((a) => `size(${a})`),
        fc.array(tie('part'), { maxLength: 3 }).map((all) => `[${all.join(', ')}]`),
        fc.tuple(tie('part'), tie('part'), tie('part')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
        fc
          .tuple(
            tie('part'),
            fc.constantFrom('all', 'exists', 'exists_one', 'filter', 'map'),
            tie('part'),
          )
          .map(([a, name, b]) => `${a}.${name}(x, ${b})`),
        fc
          .tuple(tie('part'), fc.constantFrom('contains', 'startsWith', 'split'), tie('part'))
          .map(([a, name, b]) => `${a}.${name}(${b})`),
      ),
    }))
    const value = fc.oneof(
      fc.constant(FULL),
      fc.string(),
      fc.double({ noNaN: true }),
      fc.jsonValue({ maxDepth: 3 }),
    )
    const run = { read: 0, repeated: 0 }
    fc.assert(
      fc.property(part, value, value, (source, a, b) => {
        if (!readCondition(source, ALLOWED).ok) return
        const result = workOf(source, { a, b, list: FULL })
        run.read += 1
        if (result.nodes > 256) run.repeated += 1
        expect(result.work, source).toBeLessThanOrEqual(result.steps)
      }),
      tries(800),
    )
    expect(run.read).toBeGreaterThan(20)
    expect(run.repeated).toBeGreaterThan(0)
  })
})
