import { expect, it } from 'vitest'
import type { Line } from '../../bench/report.ts'
import { renderTargets } from '../../bench/targets.ts'

const line = (id: string, ...cpu: readonly number[]): Line => ({
  id,
  group: id.split('.')[0] ?? '',
  kind: '',
  title: '',
  cpu,
  rate: [],
})

it('targets are judged by what a row adds to the pass-through, and left out where one is missing', () => {
  const lines = [
    line('post.a', 100, 100, 100, 100),
    line('post.b', 200, 200, 200, 200),
    line('post.gate', 159, 159, 159, 159),
    line('sse.a', 1000, 1000, 1000, 1000),
    line('sse.gate', 1520, 1520, 1520, 1520),
    line('get.gate', 200, 200, 200, 200),
    line('get.gate-when', 230, 230, 230, 230),
    line('get.gate-1m', 200, 240, 200, 240),
    line('get.gate-rules', 250),
  ]
  const told = renderTargets({ lines }).split('\n').slice(2)
  expect(told).toEqual([
    '| `post.gate` ÷ `post.b`, both above (a) | 0.6 × | 0.59 × | 0.00 | reached |',
    '| `sse.gate` − `sse.a`, an event | 25 µs | 26 µs | 0 | not reached |',
    '| `get.gate-1m` − `get.gate` | 15 µs | 0 µs | 40 | too close to tell |',
    '| `get.gate-rules` − `get.gate` | 15 µs | 50 µs | – | too close to tell |',
    '| `get.gate-when` − `get.gate` | 30 µs | 30 µs | 0 | reached |',
  ])
})
