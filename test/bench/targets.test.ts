import { expect, it } from 'vitest'
import type { Line } from '../../dev/bench/report.ts'
import { renderTargets } from '../../dev/bench/targets.ts'

/** A row of twenty rounds, the first ten of which took as long as `first` says. */
const line = (id: string, first: number, rest = first): Line => ({
  id,
  group: id.split('.')[0] ?? '',
  kind: '',
  title: '',
  cpu: Array.from({ length: 20 }, (_, round) => (round < 10 ? first : rest)),
  rate: [],
})

it('targets are judged by what a row adds to the pass-through, and left out where one is missing', () => {
  const lines = [
    line('post.a', 100),
    line('post.b', 200),
    line('post.gate', 159),
    line('sse.a', 1000),
    line('sse.gate', 1520),
    line('get.gate', 200),
    line('get.gate-when', 230),
    line('get.gate-1m', 210, 250),
    line('get.gate-rules', 250),
  ]
  const told = renderTargets({ lines }).split('\n').slice(2)
  expect(told).toEqual([
    '| `post.gate` ÷ `post.b`, both above (a) | 0.75 × | 0.59 × | 0.00 | reached |',
    '| `post.gate` ÷ `post.b`, both above (a), quicker half | 0.6 × | 0.59 × | 0.00 | reached |',
    '| `sse.gate` − `sse.a`, an event | 25 µs | 26 µs | 0 | not reached |',
    '| `get.gate-1m` − `get.gate` | 15 µs | 30 µs | 15 | too close to tell |',
    '| `get.gate-rules` − `get.gate` | 15 µs | 50 µs | 0 | not reached |',
    '| `get.gate-when` − `get.gate` | 30 µs | 30 µs | 0 | reached |',
  ])
})
