import { describe, expect, it } from 'vitest'
import { instant } from '../../../src/command/base/times.ts'

describe('a moment on the calendar', () => {
  it.each([
    ['1793491200', 1_793_491_200],
    ['2026-11-01T00:00:00Z', 1_793_491_200],
    ['2026-11-01t00:00z', 1_793_491_200],
    ['2026-11-01T00:00:00.5Z', 1_793_491_200.5],
    ['2026-10-31T23:00:00-01:00', 1_793_491_200],
    ['2026-11-01T05:30:00+05:30', 1_793_491_200],
    ['2028-02-29T00:00:00Z', 1_835_395_200],
  ])('is %s', (text, seconds) => {
    expect(instant(text)).toEqual({ ok: true, value: seconds })
  })

  it.each([
    '2026-02-30T00:00:00Z',
    '2026-02-29T23:00:00-05:00',
    '2026-04-31T00:00Z',
    '2026-11-01T24:00:00Z',
    '2026-11-01T24:00Z',
    '2026-11-01T23:59:60Z',
    '2026-13-01T00:00:00Z',
    '2026-11-01T00:00:00',
    '2026-11-01',
    'noon',
  ])('is never %s', (text) => {
    expect(instant(text)).toMatchObject({ ok: false, reason: expect.stringContaining(text) })
  })
})
