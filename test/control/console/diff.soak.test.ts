import { afterAll, beforeAll, expect, it } from 'vitest'
import { policyOf } from '../../e2e/setting.ts'
import { connectRaw } from '../../kit/raw.ts'
import type { Members } from '../../kit/signing.ts'
import { type ConsoleSetting, consoleOptions, signInHead, startConsole } from './console-setting.ts'

const ROUTES = [{ match: 'GET /v1/weak', scopes: ['none'] }]

let setting: ConsoleSetting
let cookie: string
let vars: Members
beforeAll(async () => {
  const options = { ...consoleOptions(), routes: ROUTES }
  setting = await startConsole({ routes: ROUTES })
  vars = policyOf(options, setting.issuer, setting.origin)
  cookie = await setting.enter(await setting.code({ client_id: 'olga' }))
})
afterAll(() => setting.close())

const changed = (routes: readonly Members[], more: Members = {}): Members => ({
  vars: { ...vars, ...more, ROUTES: routes },
})
const send = (body: unknown) =>
  setting.page('/api/console/diff', {
    method: 'POST',
    headers: { cookie },
    body: JSON.stringify(body),
  })
const rules = (count: number, rule: (i: number) => Members) =>
  Array.from({ length: count }, (_, i) => rule(i))

it('lets agents pass while it compares policies, and gives up at 100,000 requests', async () => {
  const file = changed(
    rules(1_000, (i) => ({
      match: `GET /{a}/{b}/{c}/{d}/{e}/{f}/x${i}/*`,
      scopes: ['a:{a}', 'b:{b}'],
    })),
  )
  const token = await setting.token({ scope: 'none' })
  let isOver = false
  const compared = send({ file }).finally(() => {
    isOver = true
  })
  let passed = 0
  while (!isOver) {
    expect((await setting.ask('/v1/weak', { token })).status).toBe(200)
    passed++
  }
  expect([(await compared).status, passed > 5]).toEqual([413, true])
})

it('compares 1,000 rules, included scopes and long names, whatever else the file has', async () => {
  const env = Object.fromEntries(rules(6_000, () => ({})).map((one, i) => [i.toString(36), one]))
  for (const top of [
    { build: { bindings: rules(25_000, () => ({})).map(() => 1) } },
    { migrations: rules(20_000, () => ({})) },
  ]) {
    const file = { ...top, env }
    expect((await send({ file, environment: 'zz' })).status).toBe(400)
  }
  const suffixes = changed(rules(1_000, (i) => ({ match: `GET /{a}:v${i}`, scopes: ['a'] })))
  const name = `any${'x'.repeat(100_000)}`
  const chain = rules(1_000, (i) => ({ [`s${i + 1}`]: [`s${i}`] }))
  for (const file of [
    suffixes,
    changed(rules(1_000, (i) => ({ match: `GET /r${i}`, scopes: [] }))),
    changed(ROUTES, { SCOPES: Object.assign({}, ...chain) }),
  ]) {
    expect((await send({ file })).status).toBe(200)
  }
  const long = await send({ file: changed([{ match: 'GET /long', scopes: [name] }]) })
  expect(await long.text()).toContain(name)
})

it('ends sign-ins without a body after three seconds and more, and not all at once', async () => {
  const connections = await Promise.all(
    rules(40, () => ({})).map(() => connectRaw(setting.gate.port)),
  )
  for (const one of connections) one.send(signInHead('198.51.100.7', 8_191))
  const begun = performance.now()
  const ends = await Promise.all(
    connections.map(async (one) => {
      expect((await one.response()).status).toBe(408)
      one.close()
      return performance.now() - begun
    }),
  )
  expect(Math.min(...ends)).toBeGreaterThan(2_900)
  expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(1_000)
})
