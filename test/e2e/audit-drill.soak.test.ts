import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { WITH_AUDIT } from '../audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { HOST, RESOURCE, type Setting, startSetting } from './setting.ts'

const AGENTS = 500
const DECISIONS = 50_000
/** Requests at a time. */
const LANES = 32
/** The thief's requests: one in so many. */
const STOLEN_IN = 1_000

let directory: string
let setting: Setting
/** Milliseconds of each command. */
const times: (readonly [name: string, ms: number])[] = []

const edgewarden = async (...args: readonly string[]): Promise<string> => {
  const { EDGEWARDEN_TOKEN: _, ...around } = process.env
  const began = performance.now()
  const options = { cwd: directory, env: { ...around, TZ: 'UTC' }, maxBuffer: 1e9 }
  const out = await new Promise<string>((done, fail) => {
    execFile(process.execPath, [inject('command'), ...args], options, (error, stdout, stderr) =>
      error ? fail(new Error(`${args.join(' ')}: ${stdout}${stderr}`)) : done(stdout),
    )
  })
  times.push([args[0] ?? '', Math.round(performance.now() - began)])
  return out
}
const asked = (...args: readonly string[]) =>
  edgewarden(...args, '--gate', setting.gate.url, '--key', 'ops.jwk', '--audience', RESOURCE)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-drill-'))
  const { vars } = parse(await edgewarden('keygen', '--operator', '--issuer', 'ops')) as {
    vars: { ISSUERS: object }
  }
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    issuer: { agent_prefix: 'acme/', max_lifetime: '2h' },
    routes: [{ match: 'GET /v1/files/{id}', scopes: ['files:read'] }],
    more: {
      ISSUERS_OPS: vars.ISSUERS,
      AUDIT: { path_values: ['id'], rows_a_day: 'unlimited' },
    },
  })
  setting.origin.on('*', (_, response) => void response.writeHead(200).end('{}'))
})
afterAll(async () => {
  await setting.close()
  await rm(directory, { recursive: true, force: true })
})

const agent = new Agent({ keepAlive: true, maxSockets: LANES })
let brokenOff = 0
const ask = (path: string, token: string) =>
  new Promise<number>((done, fail) => {
    const headers = { host: HOST, authorization: `Bearer ${token}` }
    const { port } = setting.gate
    request({ agent, host: '127.0.0.1', port, path, headers }, (response) => {
      response.resume().on('close', () => {
        // Of a busy machine; its decision is made all the same.
        if (!response.complete) brokenOff++
        done(response.statusCode ?? 0)
      })
    })
      .on('error', fail)
      .end()
  })

interface Found {
  readonly time: string
  readonly decision: string
  readonly code?: string
  readonly jti: string
  readonly agent: string
  readonly subject: string
  readonly path_values?: { readonly id: string }
}

it('one stolen token among 500 agents: what it did, for whom, since and until when; then nothing', async () => {
  const people = ['alice', 'bob', 'carol', 'dave']
  // Longer than the drill takes on a busy machine.
  const exp = Math.floor(Date.now() / 1000) + 3_600
  const tokens = await Promise.all(
    Array.from({ length: AGENTS }, (_, i) =>
      setting.token({
        client_id: `agent-${i}`,
        sub: people[i % people.length],
        jti: `token-${i}`,
        scope: 'files:read',
        exp,
      }),
    ),
  )
  // The agent has a token of its own, and one that was stolen.
  const stolen = await setting.token({
    client_id: 'agent-7',
    sub: 'dave',
    jti: 'token-stolen',
    scope: 'files:read',
    exp,
  })
  const did: { readonly id: string; readonly at: number }[] = []
  const began = performance.now()
  let next = 0
  let refused = 0
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      for (let i = next++; i < DECISIONS; i = next++) {
        const isTheft = i % STOLEN_IN === STOLEN_IN / 2
        const id = isTheft ? `secret-${i}` : `f-${i % 977}`
        if (isTheft) did.push({ id, at: Date.now() })
        const status = await ask(`/v1/files/${id}`, isTheft ? stolen : (tokens[i % AGENTS] ?? ''))
        if (status !== 200) refused++
      }
    }),
  )
  const took = performance.now() - began
  expect(refused).toBe(0)
  const find = async (): Promise<readonly Found[]> =>
    JSON.parse(await asked('log', '--jti', 'token-stolen', '--all', '--json')).decisions
  await eventually(async () => expect((await find()).length).toBe(did.length))
  times.length = 0

  // What it did, for whom, which values, since when and until when.
  const lines = (await asked('log', '--jti', 'token-stolen', '--all')).trimEnd().split('\n')
  expect(lines).toHaveLength(did.length)
  for (const line of lines) expect(line).toContain('acme/agent-7 for dave')
  const found = await find()
  expect(found.map((one) => one.path_values?.id).sort()).toEqual(did.map(({ id }) => id).sort())
  const at = found.map(({ time }) => Date.parse(time)).sort((a, b) => a - b)
  expect(Math.abs((at[0] ?? 0) - (did[0]?.at ?? 0))).toBeLessThan(5_000)
  expect(Math.abs((at.at(-1) ?? 0) - (did.at(-1)?.at ?? 0))).toBeLessThan(5_000)
  const all = JSON.parse(await asked('log', '--agent', 'agent-7', '--all', '--json')).decisions
  expect(all).toHaveLength(did.length + DECISIONS / AGENTS - overlap())

  // Kill, and nothing after.
  const { issuer } = setting.issuer
  await asked('revoke', 'token', 'token-stolen', '--issuer', issuer, '--reason', 'stolen', '--wait')
  const killed = Date.now()
  expect(await ask('/v1/files/after', stolen)).toBe(401)
  expect(await ask('/v1/files/own', tokens[7] ?? '')).toBe(200)
  const refusals = await eventually(async () => {
    const later = (await find()).filter(({ time }) => Date.parse(time) >= killed)
    expect(later.length).toBeGreaterThan(0)
    return later
  })
  expect(new Set(refusals.map(({ decision, code }) => `${decision} ${code}`))).toEqual(
    new Set(['denied token_revoked']),
  )
  const acts = await asked('log', '--kind', 'act', '--json')
  expect(JSON.parse(acts).decisions).toContainEqual(expect.objectContaining({ act: 'revoke' }))
  const sum = times.reduce((total, [, ms]) => total + ms, 0)
  console.log(
    `${DECISIONS} decisions of ${AGENTS} agents in ${Math.round(took / 1_000)} s, ${brokenOff} answers broken off; commands: ${sum} ms (${times.map(([name, ms]) => `${name} ${ms}`).join(', ')})`,
  )
})

/** The turns of agent 7 that the thief had in its place. */
const overlap = (): number => {
  let count = 0
  for (let i = 7; i < DECISIONS; i += AGENTS) if (i % STOLEN_IN === STOLEN_IN / 2) count++
  return count
}
