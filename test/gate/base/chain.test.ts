import { describe, expect, it } from 'vitest'
import { chain, type Step, stage } from '../../../src/gate/base/chain.ts'
import { denials } from '../../../src/gate/base/denial.ts'
import { fail, ok } from '../../../src/gate/base/result.ts'

const deny = denials({ odd: ['forbidden', 'The number is odd', 'Send an even one'] })

const half = stage({
  name: 'half',
  establishes: 'the half of the number',
  found: ({ half }) => ({ half }),
  denials: [deny],
  run: ({ n }: { readonly n: number }) =>
    n % 2 === 0 ? ok({ half: n / 2 }) : fail(deny('odd', { n })),
})

const later = stage({
  name: 'later',
  establishes: 'the sum, or the end at zero',
  denials: [],
  async run({ half }: { readonly half: number }, ports: { readonly add: (n: number) => number }) {
    await Promise.resolve()
    if (half === 0) return { ok: true, end: true, value: {} } as const
    return ok({ sum: ports.add(half) })
  },
})

const line = chain<{ readonly n: number }>().and(half).and(later)

/** A clock that goes on by one millisecond whenever it is read. */
const watch = () => {
  let ms = 0
  const errors: [string, unknown][] = []
  return {
    errors,
    now: () => ms++,
    onError: (name: string, error: unknown) => void errors.push([name, error]),
  }
}

const add = (n: number) => n + 1

describe('a chain', () => {
  it('hands facts on in order, and says what each stage did', async () => {
    const steps: Step[] = []
    const trace = (step: Step) => void steps.push(step)
    expect(await line.run({ n: 4 }, { add }, { ...watch(), trace })).toEqual({
      outcome: 'passed',
      known: { n: 4, half: 2, sum: 3 },
      waits: { later: 1 },
    })
    expect(steps).toEqual([
      { stage: 'half', outcome: 'passed', ms: 0, detail: { half: 2 } },
      { stage: 'later', outcome: 'passed', ms: 1, detail: {} },
    ])
  })

  it.each([
    ['an error', new Error('secret')],
    ['no error', 'secret'],
    ['nothing', undefined],
  ])('denies when a stage throws %s, and tells it to nobody but onError', async (_, thrown) => {
    const seen = watch()
    const ports = {
      add: () => {
        throw thrown
      },
    }
    const run = await line.run({ n: 4 }, ports, seen)
    expect(run).toMatchObject({
      outcome: 'denied',
      denial: { code: 'unavailable', answer: 'unavailable' },
    })
    expect(JSON.stringify(run)).not.toContain('secret')
    expect(seen.errors).toEqual([['later', thrown]])
  })
})
