import { expect, it } from 'vitest'
import { type Chain, chain, stage } from '../../src/base/chain.ts'
import { denials } from '../../src/base/denial.ts'
import { fail, ok } from '../../src/base/result.ts'
import type { GUARD, GuardPorts } from '../../src/guard.ts'
import type { Clock } from '../../src/model/ports.ts'

/** What the compiler refuses; each line below is an error or the type check fails. */

const deny = denials({ odd: ['forbidden', 'The number is odd', 'Send an even one'] })
const watch = { now: () => 0, onError: () => {} }

const half = stage({
  name: 'half',
  establishes: 'half',
  denials: [deny],
  run: ({ n }: { readonly n: number }) => (n % 2 === 0 ? ok({ half: n / 2 }) : fail(deny('odd'))),
})

const late = stage({
  name: 'late',
  establishes: 'late',
  denials: [],
  run: ({ half }: { readonly half: number }, { clock }: { readonly clock: Clock }) =>
    ok({ late: half < clock.now() }),
})

const renames = stage({
  name: 'renames',
  establishes: 'n again',
  denials: [],
  run: (_: { readonly n: number }) => ok({ n: 'another' }),
})

const start = chain<{ readonly n: number }>()

it('a stage stands behind the stages whose facts it needs', () => {
  // @ts-expect-error: `half` is not established
  start.and(late)
  // @ts-expect-error: `half` is still not established
  start.and(late).and(half)
  expect(start.and(half).and(late).stages).toHaveLength(2)
})

it('no fact is established twice', () => {
  // @ts-expect-error: `n` is given
  start.and(renames)
  // @ts-expect-error: `half` is established by the same stage before
  start.and(half).and(half)
  expect(start.stages).toHaveLength(0)
})

it('a line runs with every fact and every port its stages need', () => {
  const line = start.and(half).and(late)
  const never = () => {
    // @ts-expect-error: no clock
    line.run({ n: 2 }, {}, watch)
    // @ts-expect-error: no number
    line.run({}, { clock: { now: () => 0 } }, watch)
    // @ts-expect-error: a fact of the wrong type
    line.run({ n: '2' }, { clock: { now: () => 0 } }, watch)
  }
  expect(never).toBeTypeOf('function')
})

it('facts are there only once the line was passed', async () => {
  const decision = await start.and(half).run({ n: 2 }, {}, watch)
  // @ts-expect-error: it may have been denied before
  decision.known.half.toFixed()
  if (decision.outcome === 'passed') expect(decision.known.half.toFixed()).toBe('1')
  // @ts-expect-error: there is no denial unless it was denied
  expect(decision.denial).toBeUndefined()
})

it('the codes of a line are those of its stages', async () => {
  const decision = await start.and(half).run({ n: 1 }, {}, watch)
  if (decision.outcome !== 'denied') throw new Error(decision.outcome)
  const code: 'odd' | 'unavailable' = decision.denial.code
  // @ts-expect-error: `unavailable` is always possible
  const only: 'odd' = decision.denial.code
  expect([code, only]).toEqual(['odd', 'odd'])
})

it('the guard needs each of its ports', () => {
  type PortsOf<C> =
    C extends Chain<infer _Given, infer _Facts, infer Ports, infer _Code> ? Ports : never
  type Without<Name extends keyof GuardPorts> =
    Omit<GuardPorts, Name> extends PortsOf<typeof GUARD> ? 'runs' : 'does not run'
  const without: [Without<'clock'>, Without<'keys'>, Without<'revocations'>, Without<'onError'>] = [
    'does not run',
    'does not run',
    'does not run',
    'runs',
  ]
  expect(without).toHaveLength(4)
})
