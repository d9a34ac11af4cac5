import { expect, it } from 'vitest'
import { type Admission, admissionOf } from '../../src/gate/base/admission.ts'
import { type Chain, chain, stage } from '../../src/gate/base/chain.ts'
import { denials } from '../../src/gate/base/denial.ts'
import { fail, ok } from '../../src/gate/base/result.ts'
import type { GUARD, GuardPorts } from '../../src/gate/guard/guard.ts'
import type { Clock } from '../../src/gate/model/ports.ts'

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

const reads = stage({
  name: 'reads',
  establishes: 'what a request says',
  denials: [],
  run: ({ url }: { readonly url: string }) => ok({ read: url.length }),
})

const adds = stage({
  name: 'adds',
  establishes: 'a sum',
  denials: [],
  run: ({ half, read }: { readonly half: number; readonly read: number }) =>
    ok({ sum: half + read }),
})

const admits = stage({
  name: 'admits',
  establishes: 'nothing',
  denials: [],
  run: ({ admission }: { readonly admission: Admission }) => ok({ bytes: admission.bytes }),
})

it('a stage that is decided once is given what it is found by, and what such stages found', () => {
  const asked = chain<{ readonly n: number; readonly url: string }>()
  // @ts-expect-error: nothing is found by the number yet
  asked.once(half)
  // @ts-expect-error: the address of a request is nothing it is found by
  asked.by('n').once(reads)
  // @ts-expect-error: what was read of it is no more so, though it is established
  asked.and(reads).by('n').once(half).once(adds)
  // @ts-expect-error: it stands behind a stage of each request whose fact it needs
  asked.by('n').and(half).once(late)
  // @ts-expect-error: no such fact is established
  asked.by('half')
  // @ts-expect-error: no fact is established twice
  asked.by('n').once(half).once(half)
  const line = asked.by('n').once(half).and(reads).and(adds).by('read')
  expect(line.stages).toHaveLength(3)
})

it('an admission is there behind the last of them, and has their facts', async () => {
  const asked = chain<{ readonly n: number; readonly url: string }>().by('n').once(half)
  // @ts-expect-error: it is not there yet
  asked.and(admits)
  const line = asked.admitted().and(admits)
  const decision = await line.run({ n: 2, url: '/' }, {}, watch)
  if (decision.outcome !== 'passed') throw new Error(decision.outcome)
  const { facts } = decision.known.admission
  expect([facts.n, facts.half]).toEqual([2, 1])
  // @ts-expect-error: no fact of a request is in it
  expect(facts.url).toBeUndefined()
  // @ts-expect-error: one without those facts is none of this line
  const never = () => line.run({ n: 2, url: '/' }, {}, watch, () => admissionOf([]))
  expect(never).toBeTypeOf('function')
})

it('the guard needs each of its ports', () => {
  type PortsOf<C> =
    C extends Chain<infer _Given, infer _Facts, infer _Keyed, infer Ports, infer _Code>
      ? Ports
      : never
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
