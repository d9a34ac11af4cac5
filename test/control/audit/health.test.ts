import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createHealth } from '../../../src/control/audit/health.ts'
import type { Dropped } from '../../../src/gate/model/audit.ts'

const START = Date.UTC(2026, 10, 28)
const MINUTE = 60_000

let counts: Record<string, number>
let dropped: Dropped[]
let now = START

beforeEach(() => {
  counts = {}
  dropped = []
  now = START
  vi.spyOn(Date, 'now').mockImplementation(() => now)
})
afterEach(() => void vi.restoreAllMocks())

const healthOf = () =>
  createHealth({
    counts,
    droppedIn: (from = 0) => dropped.filter(({ until }) => until > from),
  })

type Health = ReturnType<typeof createHealth>

/** Counts what a batch says, after its isolate's report was noted. */
const add = (health: Health, more: Readonly<Record<string, number>>) => {
  health.note()
  for (const [what, count] of Object.entries(more)) counts[what] = (counts[what] ?? 0) + count
}

describe('the share of 503', () => {
  it.each<[string, Readonly<Record<string, number>>, string | undefined]>([
    ['nothing', {}, undefined],
    ['few', { 'denied keys_unavailable 503': 4 }, undefined],
    ['under 5 %', { 'denied keys_unavailable 503': 5, 'allowed - 200': 96 }, undefined],
    [
      '5 %',
      { 'denied keys_unavailable 503': 5, 'allowed - 200': 95 },
      '5 of 100 in five minutes (keys_unavailable 503: 5)',
    ],
    ['of origins', { 'allowed - 503': 50, 'origin 503': 4 }, undefined],
    ['other denials', { 'denied scope_missing 403': 50 }, undefined],
  ])('is a problem or not: %s', (_, more, expected) => {
    const health = healthOf()
    add(health, more)
    expect(health.found().unavailable).toBe(expected)
  })
})

describe('failing origins', () => {
  it('are answers with 5xx, timeouts and failed connections', () => {
    const health = healthOf()
    add(health, {
      'allowed - 200': 20,
      'origin 200': 20,
      'origin 500': 1,
      'denied origin_timeout 504': 4,
    })
    expect(health.found()).toEqual({
      origin: '5 of 25 in five minutes (origin 500: 1, origin_timeout 504: 4)',
    })
  })

  it('are none where a page is not allowed, nor under 10 %', () => {
    const health = healthOf()
    add(health, { 'denied origin_not_allowed 403': 50, 'origin 200': 46, 'origin 502': 5 })
    expect(health.found()).toEqual({})
  })
})

it('looks back five minutes, not to the beginning', () => {
  counts = { 'origin 502': 1_000 }
  const health = healthOf()
  expect(health.found()).toEqual({})
  add(health, { 'origin 502': 6 })
  expect(health.found()).toHaveProperty('origin')
  for (let minute = 1; minute <= 4; minute++) {
    now += MINUTE
    add(health, { 'origin 200': 1 })
    expect(health.found()).toHaveProperty('origin')
  }
  now += 2 * MINUTE
  expect(health.found()).toEqual({})
  // After a long time without requests, the next ones are judged by themselves.
  now += 100 * MINUTE
  add(health, { 'origin 504': 5 })
  expect(health.found()).toHaveProperty('origin')
  // Also where nobody has asked since then.
  now += 6 * MINUTE
  add(health, { 'origin 200': 1 })
  expect(health.found()).toEqual({})
})

it('has what another shard has found, also where nothing of it is found here', () => {
  const health = healthOf()
  health.note({ origin: '9 of 10' })
  expect(health.found()).toEqual({ origin: '9 of 10' })
  add(health, { 'origin 502': 6 })
  expect(health.found()).toEqual({ origin: '6 of 6 in five minutes (origin 502: 6)' })
})

it('has what was dropped, except of strangers', () => {
  const health = healthOf()
  const times = { since: now - MINUTE, until: now - MINUTE }
  dropped = [{ reason: 'overload', share: 'strangers', ...times, records: 70 }]
  expect(health.found()).toEqual({})
  dropped.push({ reason: 'overload', share: 'issuers', ...times, records: 7 })
  expect(health.found()).toEqual({ audit: 'at least 7 records: overload' })
  now += 5 * MINUTE
  expect(health.found()).toEqual({})
})
