import { describe, expect, it } from 'vitest'
import {
  type Found,
  learn,
  observe,
  type Sample,
} from '../../../src/control/agents/watch-signals.ts'
import {
  addMember,
  SETS,
  type SetName,
  type WatchState,
  watchState,
} from '../../../src/control/agents/watch-state.ts'
import { getOrMake } from '../../../src/gate/base/memo.ts'
import { SIGNALS } from '../../../src/gate/model/watch.ts'

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 24 * HOUR
/** A Monday. */
const START = Date.UTC(2026, 0, 5)

const sample = (members: Partial<Sample> = {}): Sample => ({
  requests: 1,
  refusals: 0,
  asks: 0,
  uses: ['["GET /files"]'],
  scopes: ['files:read'],
  countries: ['DE'],
  networks: ['192.0.2.0/24'],
  tokens: [['token-1', 'DE']],
  ...members,
})

/** Feeds `requests` in every five minutes from one time to another, in some hours and on the first days of a week. */
const feed = (
  state: WatchState,
  from: number,
  until: number,
  {
    requests = 10,
    hours = [0, 24] as const,
    week = 7,
    ...members
  }: Partial<Sample> & { hours?: readonly [number, number]; week?: number } = {},
): readonly Found[] => {
  const found: Found[] = []
  for (let now = from; now < until; now += 5 * MINUTE) {
    const hour = (now % DAY) / HOUR
    const day = Math.floor((now - START) / DAY) % 7
    if (day < week && hour >= hours[0] && hour < hours[1]) {
      found.push(...observe(state, sample({ requests, ...members }), now))
    }
  }
  return found
}

const teach = (days: number, more: Parameters<typeof feed>[3]) => {
  const state = watchState()
  const found = feed(state, START, START + days * DAY, more)
  return { state, found, now: START + days * DAY }
}
const taught = new Map<string, ReturnType<typeof teach>>()
/** An agent after some days, each time with a state of its own. */
const learned = (days = 35, more: Parameters<typeof feed>[3] = {}) =>
  structuredClone(getOrMake(taught, JSON.stringify([days, more]), () => teach(days, more)))
const signalsOf = (found: readonly Found[]) => found.map(({ signal }) => signal)

describe('the state of an agent', () => {
  it('has at most 4 KB, however much an agent does', () => {
    const { state, now } = learned(15)
    for (const [name, size] of Object.entries(SETS)) {
      for (let i = 0; i < 2 * size; i++)
        addMember(state, name as SetName, `${name}-${i}`, 20_000 + i)
    }
    const tokens = Array.from({ length: 500 }, (_, i) => [`token-${i}`, 'US'] as const)
    observe(state, sample({ tokens, requests: 1e9, refusals: 1e9 }), now)
    expect(state.bytes.byteLength).toBeLessThanOrEqual(4_096)
    for (const { days } of Object.values(state.sets))
      expect(days.every((day) => day > 0)).toBe(true)
    expect(Object.values(state.sets).map(({ days }) => days.length)).toEqual(Object.values(SETS))
  })

  it('goes on from its bytes, and begins anew from bytes of another version', () => {
    const { state, now } = learned()
    const copy = watchState(state.bytes.slice(0))
    const use = sample({ uses: ['["DELETE /files"]'] })
    expect(observe(copy, use, now)).toEqual(observe(state, use, now))
    const other = state.bytes.slice(0)
    new Float64Array(other)[0] = 99
    expect(watchState(other).head[1]).toBe(0)
    expect(watchState(new ArrayBuffer(8)).head[1]).toBe(0)
  })
})

describe('a signal', () => {
  it('is silent for what is usual, and while it learns', () => {
    expect(learned().found).toEqual([])
    const early = learned(6)
    const odd = {
      requests: 500,
      refusals: 50,
      asks: 50,
      uses: ['x'],
      scopes: ['x'],
      countries: ['US'],
    }
    expect(feed(early.state, early.now, early.now + 20 * MINUTE, odd)).toEqual([])
    expect(SIGNALS.length).toBe(9)
  })

  it('tells volume in two windows running, not in one', () => {
    const { state, now } = learned()
    expect(observe(state, sample({ requests: 100 }), now)).toEqual([])
    const [found] = observe(state, sample({ requests: 100 }), now + 5 * MINUTE)
    expect(found).toMatchObject({
      signal: 'volume',
      usual: { requests: 10, minutes: 5 },
      seen: { requests: [100, 100] },
    })
  })

  it('tells an hour in which an agent never works, by 20 calls', () => {
    const { state, now } = learned(35, { hours: [8, 17] })
    const night = now + 2 * HOUR
    expect(observe(state, sample({ requests: 19 }), night)).toEqual([])
    expect(observe(state, sample(), night + MINUTE)).toMatchObject([
      { signal: 'odd_hour', seen: { requests: 20, hour: '02:00Z', day: 'weekday' } },
    ])
  })

  it.each([
    ['a night, before there was time enough', 14, 3, false],
    ['a night', 15, 3, true],
    ['the hour after work', 35, 17, false],
    ['the second hour after work', 35, 18, true],
  ] as const)('takes an hour for odd by how often it was quiet: %s', (_, days, hour, is) => {
    const { state, now } = learned(days, { hours: [9, 17], week: 5 })
    const found = observe(state, sample({ requests: 20 }), now + hour * HOUR)
    expect(signalsOf(found)).toEqual(is ? ['odd_hour'] : [])
  })

  it.each([1, 10])(
    'takes work that goes on longer than usual for odd an hour later, of %i requests',
    (requests) => {
      const { state, now } = learned(35, { hours: [9, 17], requests })
      expect(feed(state, now + 9 * HOUR, now + 17 * HOUR, { requests })).toEqual([])
      expect(feed(state, now + 17 * HOUR, now + 19 * HOUR, { requests: 10 })).toEqual([])
      const found = feed(state, now + 19 * HOUR, now + 20 * HOUR, { requests: 10 })
      expect(signalsOf(found)).toEqual(['odd_hour'])
    },
  )

  it('tells a new network of a known country once a pool would have shown it', () => {
    const pool = (number: number) => sample({ networks: [`10.${number}.0.0/16`] })
    const seen = (hoursADay: number) => {
      const state = watchState()
      for (let day = 0; day < 30; day++) {
        for (let hour = 0; hour < hoursADay; hour++)
          observe(
            state,
            { ...pool((day + hour) % 4), requests: 10 },
            START + day * DAY + hour * HOUR,
          )
      }
      return (more: Sample) => signalsOf(observe(state, more, START + 30 * DAY))
    }
    // Four networks are known: forty hours are needed.
    expect(seen(2)(pool(9))).toEqual(['new_place'])
    expect(seen(1)(pool(9))).toEqual([])
    expect(seen(1)({ ...pool(9), countries: ['BR'] })).toEqual(['new_place'])
  })

  it('takes one token for two places within five minutes, not later', () => {
    const { state, now } = learned()
    const in2 = (country: string) => sample({ tokens: [['token-2', country]] })
    observe(state, in2('DE'), now)
    expect(observe(state, in2('US'), now + 8 * MINUTE)).toEqual([])
    expect(signalsOf(observe(state, in2('DE'), now + 10 * MINUTE))).toEqual(['two_places'])
  })

  it('tells no volume below 20 requests in two windows', () => {
    const { state, now } = learned(35, { requests: 1 })
    const more = watchState(state.bytes.slice(0))
    expect(feed(state, now, now + 60 * MINUTE, { requests: 9 })).toEqual([])
    expect(signalsOf(feed(more, now, now + 10 * MINUTE, { requests: 11 }))).toEqual(['volume'])
  })

  it.each(['refusals', 'asks'] as const)('tells %s: ten, and three times the usual', (counted) => {
    const { state, now } = learned(35, { [counted]: 2 })
    expect(observe(state, sample({ [counted]: 9 }), now)).toEqual([])
    const [found, ...others] = observe(state, sample({ [counted]: 6 }), now + MINUTE)
    expect(others).toEqual([])
    expect(found).toMatchObject({ signal: counted, seen: { [counted]: 17 } })
  })

  it.each([
    ['new_use', { uses: ['["POST /mcp","delete"]'] }],
    ['new_scope', { scopes: ['files:write'] }],
    ['new_place', { countries: ['BR'] }],
    ['new_place', { networks: ['203.0.113.0/24'] }],
    [
      'two_places',
      {
        tokens: [
          ['token-1', 'DE'],
          ['token-1', 'BR'],
        ],
      },
    ],
  ] as const)('tells %s by %j, and what was usual', (signal, members) => {
    const { state, now } = learned()
    const [found, ...others] = observe(state, sample(members as Partial<Sample>), now)
    expect(others).toEqual([])
    expect(found?.signal).toBe(signal)
    expect(found?.usual).toHaveProperty('known')
  })
})

describe('an alert', () => {
  it('is told once in a day, and nothing is learned meanwhile', () => {
    const { state, now } = learned()
    const odd = { uses: ['["POST /mcp","delete"]'] }
    expect(feed(state, now, now + DAY - MINUTE, odd)).toHaveLength(1)
    expect(signalsOf(observe(state, sample(odd), now + DAY + MINUTE))).toEqual(['new_use'])
  })

  it.each([
    ['volume', { requests: 100 }],
    ['new_use', { uses: ['["POST /mcp","delete"]'] }],
    ['odd_hour', { requests: 30, hours: [0, 8] as const }],
    ['refusals', { refusals: 20 }],
    ['asks', { asks: 20 }],
  ])('of %s is learned once a person says that it is in order', (signal, odd) => {
    const { state, now } = learned(35, signal === 'odd_hour' ? { hours: [8, 17] } : {})
    const [found] = feed(state, now, now + 10 * MINUTE, odd)
    if (!found) throw new Error('nothing was told')
    expect(found.signal).toBe(signal)
    learn(state, found, now + 10 * MINUTE)
    expect(feed(state, now + 15 * MINUTE, now + 30 * MINUTE, odd)).toEqual([])
  })
})

describe('an attacker who teaches', () => {
  it('needs weeks for five times the volume', () => {
    const { state, now } = learned(35)
    const isSilent = (own: WatchState, from: number, requests: number) =>
      feed(own, from, from + DAY, { requests }).length === 0
    let requests = 10
    let days = 0
    // Each day as much as is silent, tried on copies. Less on a weekend, which is learned by itself.
    for (; requests < 50 && days < 90; days++) {
      const from = now + days * DAY
      requests = Math.floor(requests * 0.8)
      while (isSilent(watchState(state.bytes.slice(0)), from, requests + 1)) requests++
      expect(isSilent(state, from, requests)).toBe(true)
    }
    expect(days).toBeGreaterThan(14)
  })

  it('needs two weeks of nights to make an hour one of work', () => {
    const requests = 10
    const { state, now } = learned(35, { hours: [9, 17], requests })
    const isOdd = (at: number) =>
      observe(watchState(state.bytes.slice(0)), sample({ requests: 20 }), at).length > 0
    let nights = 0
    // One call fewer than is told: on working days, as weekends are learned by themselves.
    for (let at = now + 2 * HOUR; isOdd(at); at += DAY) {
      const day = Math.floor((at - START) / DAY) % 7
      if (day < 5) expect(observe(state, sample({ requests: 19 }), at)).toEqual([])
      if (day < 5) nights++
      const begins = at + 7 * HOUR
      expect(feed(state, begins, begins + 8 * HOUR, { requests })).toEqual([])
    }
    expect(nights).toBeGreaterThanOrEqual(14)
  })
})
