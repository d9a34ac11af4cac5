import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { runHere } from '../command/kit.ts'
import { readMetrics } from '../kit/openmetrics.ts'
import { ALL_KEPT, drillGate, EVERYTHING } from './drill-gate.ts'

const { gate, drill } = await drillGate()

it.concurrent('keeps every promise, and says so in each format', async () => {
  const { code, states, findings } = await drill([...EVERYTHING, '--metrics', 'drill.prom'])
  expect({ states, code }).toEqual({ states: ALL_KEPT, code: 0 })
  const { ms } = findings.find(({ name }) => name === 'revocation') ?? {}
  const samples = readMetrics(await readFile('drill.prom', 'utf8'))
  const sampleOf = (labels: object) =>
    samples.find((one) => JSON.stringify(one.labels) === JSON.stringify(labels))?.value
  expect(sampleOf({ promise: 'revocation', time: 'last_allowed' })).toBeCloseTo(
    (ms?.last_allowed ?? Number.NaN) / 1000,
    5,
  )
  expect(samples.filter(({ name, value }) => name.endsWith('_kept') && value === 1)).toHaveLength(
    Object.keys(ALL_KEPT).length,
  )
})

it.concurrent('measures only what it is asked for', async () => {
  const { code, states } = await drill([])
  expect(code).toBe(0)
  expect(Object.entries(states).filter(([, state]) => state !== 'not measured')).toEqual([
    ['keys', 'kept'],
  ])
})

it.concurrent('needs rules that name the canaries: no other accepts their tokens', async () => {
  const access = ['--key', 'canary.jwk', '--audience', gate().url]
  const { stdout } = await runHere(['mint', ...access, '--client', 'drill-0'])
  const ask = async (path: string) => {
    const headers = { authorization: `Bearer ${stdout.trim()}` }
    const response = await gate().fetch(path, { headers })
    return [response.status, response.headers.get('www-authenticate')]
  }
  expect(await ask('/drill')).toEqual([200, null])
  expect(await ask('/others')).toEqual([401, expect.stringContaining('invalid_token')])
})

it.concurrent.each([
  { why: 'the rule is in shadow mode', path: '/shadow', says: 'shadow mode' },
  { why: 'no rule names the canaries', path: '/others', says: 'does not accept canaries' },
  { why: 'no rule has the path', path: '/nothing', says: 'route_unknown' },
  { why: 'the rule is public', path: '/open', says: 'no rule there reads a token' },
])('cannot tell where $why, and says that', async ({ path, says }) => {
  const { code, findings } = await drill(['--path', path])
  const finding = findings.find(({ name }) => name === 'path')
  expect([code, finding?.state, finding?.says]).toEqual([
    2,
    'unknown',
    expect.stringContaining(says),
  ])
})

it.concurrent.each([
  ['--path', 'drill', 'must be a path'],
  ['--path', '//elsewhere.example', 'must be a path'],
  ['--public', '/open', '--public needs --path'],
  ['--added', '1ms', '--added needs --public'],
  ['--requests', '0', '--requests must be a number'],
  ['--connections', '65', '--connections must be a number'],
  ['--every', 'soon', '--every'],
  ['--canary', 'none.jwk', 'Cannot read none.jwk'],
])('refuses %s %s', async (option, value, says) => {
  const { code, rest } = await drill([option, value])
  expect([code, rest]).toEqual([2, { error: expect.stringContaining(says) }])
})
