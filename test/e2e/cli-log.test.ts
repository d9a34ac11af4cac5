import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { folder, inFolder, runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { freePort } from '../kit/port.ts'
import { isSoak } from '../kit/property.ts'
import { askGate, RESOURCE, type Setting, startSetting } from './setting.ts'

const ZONE = 'Europe/Amsterdam'

const directory = await folder()
inFolder(directory)
let setting: Setting

beforeAll(async () => {
  vi.stubEnv('TZ', ZONE)
  const { stdout } = await runHere(['keygen', '--operator', '--issuer', 'ops'])
  const { vars } = parse(stdout) as { vars: { ISSUERS: object } }
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    issuer: { agent_prefix: 'acme/' },
    routes: [
      { match: 'GET /v1/files/{id}', scopes: ['files:read'] },
      { match: 'DELETE /v1/files/{id}', scopes: ['files:delete'] },
      { match: 'GET /v1/runs/{run}', scopes: ['runs:{run}'] },
    ],
    more: { ISSUERS_OPS: vars.ISSUERS, AUDIT: { path_values: ['id'] } },
  })
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await setting.close()
})

const environment = () => {
  const { EDGEWARDEN_TOKEN: _, ...around } = process.env
  return { ...around, USER: 'maria', TZ: ZONE }
}

const withGate = () => ['--gate', setting.gate.url, '--key', 'ops.jwk', '--audience', RESOURCE]
const asked = (...args: readonly string[]) => runHere([...args, ...withGate()])

/** Sends requests of an agent for alice: two that read, and one that may not delete. */
const act = async (agent: string) => {
  const claims = { client_id: agent, sub: 'alice', scope: 'files:read', act: { sub: 'planner' } }
  const token = await setting.token(claims)
  for (const id of ['7', '8']) {
    await setting.ask(`/v1/files/${id}`, { token, headers: { 'x-request-id': `${agent}-${id}` } })
  }
  const headers = { 'x-request-id': `${agent}-no` }
  await setting.ask('/v1/files/9', { token, method: 'DELETE', headers })
  await eventually(async () => {
    const { stdout } = await asked('log', '--agent-id', agent, '--issuer', 'acme', '--json')
    expect(JSON.parse(stdout).decisions).toHaveLength(3)
  })
}

describe('log', () => {
  it('says who did what for whom, the latest last', async () => {
    await act('agent-log')
    const { code, stdout, stderr } = await asked('log', '--agent', 'acme/agent-log', '--from', '1h')
    expect([code, stderr]).toEqual([0, ''])
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    const when = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\d\d:\d\d:\d\d here\)`
    const who = 'acme/agent-log for planner for alice'
    const read = String.raw`allowed +${who} +GET /v1/files/\{id\} id=7 +200 +\d+ ms +agent-log-7`
    expect(lines[0]).toMatch(new RegExp(`^${when} +${read}$`))
    expect(lines[2]).toMatch(
      /denied scope_missing .* DELETE \/v1\/files\/\{id\} id=9 +– .* agent-log-no$/,
    )
  })

  it('has filters, a limit and CSV', async () => {
    await act('=agent-csv')
    const denied = await asked(
      'log',
      '--agent',
      'acme/=agent-csv',
      '--decision',
      'denied',
      '--json',
    )
    expect(JSON.parse(denied.stdout).decisions).toMatchObject([{ code: 'scope_missing' }])
    const limited = await asked('log', '--agent', 'acme/=agent-csv', '--limit', '1')
    expect(limited.stdout.split('\n')).toHaveLength(2)
    expect(limited.stderr).toBe('There are more: add --all, or a higher --limit.\n')
    const { stdout } = await asked('log', '--agent', 'acme/=agent-csv', '--csv')
    const [head, first] = stdout.split('\n')
    expect(head).toMatch(/^time,id,request_id,decision,code,issuer,agent,subject/)
    // A spreadsheet would run it.
    expect(first).toContain(`,'=agent-csv,alice,`)
    expect(first).toContain('"{""id"":""7""}"')
    const none = await asked('log', '--agent', 'nobody')
    expect([none.code, none.stdout]).toEqual([0, 'No decision was found.\n'])
    expect(none.stderr).toMatch(/^--agent is the name as log shows it\./)
  })

  it('follows what is decided from now on', async () => {
    const args = [
      'log',
      '--follow',
      '--json',
      '--agent',
      'acme/agent-follow',
      '--issuer',
      'acme',
      ...withGate(),
    ]
    const child = spawn(process.execPath, [inject('command'), ...args], {
      cwd: directory,
      env: environment(),
    })
    try {
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
      await act('agent-follow')
      await eventually(() => expect(output.split('\n')).toHaveLength(4))
      const ids = output
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).request_id)
      expect(ids).toEqual(['agent-follow-7', 'agent-follow-8', 'agent-follow-no'])
    } finally {
      child.kill()
    }
  })

  it.runIf(isSoak())('connects again by itself, says so, and misses nothing', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-follow-'))
    const options = { durableObjects: WITH_AUDIT, issuer: { admin: 'all' }, dataDir }
    const port = await freePort()
    const first = await setting.another({ ...options, port })
    const token = await setting.token({ client_id: 'agent-again' })
    const send = (gate: Gate, id: string) =>
      askGate(gate, '/v1/x', { token, headers: { 'x-request-id': `followed-${id}` } })
    await send(first, 'before')
    const readable = await setting.token({ scope: 'edgewarden:audit:read' })
    const args = [
      'log',
      '--follow',
      '--agent',
      'agent-again',
      '--issuer',
      'acme',
      '--gate',
      first.url,
    ]
    const child = spawn(process.execPath, [inject('command'), ...args, '--token-env', 'TOKEN'], {
      env: { ...environment(), TOKEN: readable },
    })
    const said = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text
      })
    }
    const ids = () => said.stdout.match(/(?<= followed-)\S+$/gm) ?? []
    try {
      await eventually(() => expect(ids()).toEqual(['before']))
      await send(first, 'while')
      await eventually(() => expect(ids()).toEqual(['before', 'while']))
      await first.stop()
      await eventually(() => expect(said.stderr).toContain('Connecting again.'))
      const second = await setting.another({ ...options, port })
      await send(second, 'after')
      await eventually(() => expect(ids()).toEqual(['before', 'while', 'after']))
    } finally {
      child.kill()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})

describe('why', () => {
  it('says why a request was refused, and by which rule', async () => {
    await act('agent-why')
    const { code, stdout } = await asked('why', 'agent-why-no')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^denied scope_missing\n/)
    for (const line of [
      /^ {2}who +acme\/agent-why for planner for alice$/m,
      /^ {2}what +DELETE \/v1\/files\/\{id\} id=9$/m,
      /^ {2}refused by +\d+\. scope$/m,
      /^ {2}because +The token lacks a scope this route needs$/m,
      /^ {2}found +required_scopes \["files:delete"\], held \["files:read"\]$/m,
      /^ {2}rule then +\{"match":"DELETE \/v1\/files\/\{id\}"/m,
    ]) {
      expect(stdout).toMatch(line)
    }
    expect(stdout).not.toContain('not stored')
    const { stdout: json } = await asked('why', 'agent-why-7', '--json')
    expect(JSON.parse(json).decisions).toMatchObject([
      { decision: { decision: 'allowed' }, rule: { match: 'GET /v1/files/{id}' } },
    ])
  })

  it('says which values of the path are not stored, and what stores them', async () => {
    const headers = { 'x-request-id': 'run-of-none' }
    const { status } = await setting.ask('/v1/runs/7', { token: await setting.token(), headers })
    expect(status).toBe(403)
    await eventually(async () => {
      const { stdout } = await asked('why', 'run-of-none')
      expect(stdout).toMatch(/^ {2}not stored +the value of \{run\}: with audit_path = "values" /m)
    })
  })
})
