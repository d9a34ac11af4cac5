import { describe, expect, it, vi } from 'vitest'
import { admissionOf, perAdmission, weigh } from '../../src/gate/base/admission.ts'

describe('what is made for an admission', () => {
  it('is made once, by each maker, and for each admission', () => {
    const make = vi.fn((n: number) => ({ n }))
    const [of, other] = [
      perAdmission(make, () => 1),
      perAdmission(
        (n: number) => `${n}`,
        () => 1,
      ),
    ]
    const [one, two] = [admissionOf([]), admissionOf([])]
    const made = of(one, 7)
    expect(made).toEqual({ n: 7 })
    expect(of(one, 7)).toBe(made)
    expect(of(two, 8)).toEqual({ n: 8 })
    expect(other(one, 7)).toBe('7')
    expect(make).toHaveBeenCalledTimes(2)
  })

  it('is evaluated once, with its place, and told to whoever counts', () => {
    const of = perAdmission(
      (text: string) => text,
      ({ length }) => length,
    )
    const one = admissionOf([])
    of(one, 'before')
    expect(one.bytes).toBe(64 + 6)
    const told: number[] = []
    one.counted = (more) => void told.push(more)
    for (let i = 0; i < 3; i++) of(one, 'before')
    weigh(one, 10)
    weigh(one, -4)
    expect(told).toEqual([10, -4])
    expect(one.bytes).toBe(64 + 6 + 6)
  })
})
