import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { PATIENCE } from '../kit/wait.ts'
import {
  ALLOWED,
  clocked,
  forward,
  type Issued,
  makePatient,
  startIssued,
  UNAVAILABLE,
  UNKNOWN,
} from './keys-setting.ts'
import { until } from './setting.ts'

/** Milliseconds between two questions because of unknown key ids, and that a set is fresh. */
const COOLDOWN = 30_000
const FRESH = 120_000
const TIMES = { jwks_cache: { cooldown: '30s', max_fresh: '2m' } }

let setting: Issued

beforeAll(async () => {
  const names = ['long-ago', 'just-now', 'withdrawn', 'unseen', 'tagged', 'restarted', 'given']
  const wanted = Object.fromEntries(names.map((name) => [name, TIMES]))
  setting = await startIssued(wanted, await clocked())
  await makePatient(setting.gate)
})
afterAll(() => setting.close())

const later = (ms: number) => forward(setting.gate, ms)

it('a key that is rotated in is used at once where the issuer was not asked a moment ago', async () => {
  const issuer = setting.of('long-ago')
  expect(await setting.use('long-ago')).toEqual(ALLOWED)
  await later(COOLDOWN)
  await issuer.rotate()
  const all = await Promise.all([1, 2, 3, 4, 5].map(() => setting.use('long-ago')))
  expect(all).toEqual(Array(5).fill(ALLOWED))
  expect(issuer.requests).toHaveLength(2)
})

it('and after the cooldown otherwise, while those before it go on', async () => {
  const issuer = setting.of('just-now')
  const old = await issuer.mint()
  expect(await setting.use('just-now', { token: old })).toEqual(ALLOWED)
  await later(COOLDOWN)
  const guessed = await issuer.mint({}, { kid: 'guessed' })
  expect(await setting.use('just-now', { token: guessed })).toEqual(UNKNOWN)
  expect(issuer.requests).toHaveLength(2)
  await issuer.rotate()
  expect(await setting.use('just-now')).toEqual(UNKNOWN)
  expect(await setting.use('just-now', { token: old })).toEqual(ALLOWED)
  await later(COOLDOWN)
  expect(await setting.use('just-now')).toEqual(ALLOWED)
  expect(await setting.use('just-now', { token: old })).toEqual(ALLOWED)
  expect(issuer.requests).toHaveLength(3)
})

it('and after that cooldown also where the gate was restarted and refused the key meanwhile', async () => {
  const issuer = setting.of('restarted')
  const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-rotation-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const start = async (ahead: number) => {
    const gate = await setting.another({ ...setting.options, dataDir })
    await makePatient(gate)
    await forward(gate, ahead)
    return gate
  }
  const first = await start(0)
  expect(await setting.use('restarted', { gate: first })).toEqual(ALLOWED)
  await until(
    () => first.kv.list(),
    ({ length }) => length > 0,
    PATIENCE,
  )
  await forward(first, COOLDOWN)
  const guessed = await issuer.mint({}, { kid: 'guessed' })
  expect(await setting.use('restarted', { gate: first, token: guessed })).toEqual(UNKNOWN)
  await issuer.rotate()
  await first.stop()
  // The issuer was asked a moment ago. The isolate has the older set of KV, and its agents come all at once.
  const gate = await start(COOLDOWN + 10_000)
  const herd = await Promise.all(
    Array.from({ length: 20 }, (_, i) => issuer.mint({ client_id: `agent-${i}` })),
  )
  const useAll = () => Promise.all(herd.map((token) => setting.use('restarted', { gate, token })))
  expect(await useAll()).toEqual(Array(20).fill(UNKNOWN))
  await forward(gate, COOLDOWN - 5_000)
  expect(await useAll()).toEqual(Array(20).fill(ALLOWED))
  expect(issuer.requests).toHaveLength(3)
})

it('and a token of it is not said to be given back before', async () => {
  const issuer = setting.of('given')
  const by = await setting.good('given')
  const giveBack = async (token: string) => {
    const body = new URLSearchParams({ token })
    const answer = await setting.ask('/.edgewarden/revoke', { method: 'POST', token: by, body })
    const text = await answer.text()
    return { status: answer.status, code: text === '' ? undefined : JSON.parse(text).code }
  }
  expect(await setting.use('given', { token: by })).toEqual(ALLOWED)
  const guessed = await issuer.mint({}, { kid: 'guessed' })
  expect(await giveBack(guessed)).toEqual(UNAVAILABLE)
  await issuer.rotate()
  const token = await setting.good('given')
  expect(await giveBack(token)).toEqual(UNAVAILABLE)
  await later(COOLDOWN)
  // Now the issuer is asked, and what it does not know is no token of it.
  expect(await giveBack(guessed)).toEqual(ALLOWED)
  expect(await giveBack(token)).toEqual(ALLOWED)
  expect(await setting.use('given', { token })).toEqual({ status: 401, code: 'token_revoked' })
})

it('a key that is withdrawn stops when the new set is known, also for tokens that passed', async () => {
  const issuer = setting.of('withdrawn')
  const { key } = issuer
  const passed = await issuer.mint()
  expect(await setting.use('withdrawn', { token: passed })).toEqual(ALLOWED)
  await later(COOLDOWN)
  await issuer.rotate({ keep: false })
  // Nobody has noticed yet.
  expect(await setting.use('withdrawn', { token: passed })).toEqual(ALLOWED)
  expect(await setting.use('withdrawn')).toEqual(ALLOWED)
  const other = await issuer.mint({}, {}, { key })
  for (const token of [passed, other]) {
    expect(await setting.use('withdrawn', { token })).toEqual(UNKNOWN)
  }
})

it('and after the fresh time where nobody asks, not once more', async () => {
  const issuer = setting.of('unseen')
  const passed = await issuer.mint()
  expect(await setting.use('unseen', { token: passed })).toEqual(ALLOWED)
  await issuer.rotate({ keep: false })
  await later(FRESH)
  expect(await setting.use('unseen', { token: passed })).toEqual(UNKNOWN)
  expect(await setting.use('unseen')).toEqual(ALLOWED)
  expect(issuer.requests).toHaveLength(2)
})

it('a set that has not changed is asked for by its entity-tag, and goes on without being sent', async () => {
  const issuer = setting.of('tagged')
  issuer.setHeaders({ etag: '"one"', 'cache-control': 'max-age=600' })
  for (let round = 0; round < 3; round++) {
    expect(await setting.use('tagged')).toEqual(ALLOWED)
    await later(FRESH)
  }
  const tags = issuer.requests.map((request) => request.header('if-none-match'))
  expect(tags).toEqual([undefined, '"one"', '"one"'])
  await issuer.rotate()
  issuer.setHeaders({ etag: '"two"' })
  expect(await setting.use('tagged')).toEqual(ALLOWED)
  expect(issuer.requests).toHaveLength(4)
})
