import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { folder, inFolder, type Run, runHere } from '../command/kit.ts'
import type { Gate } from '../kit/gate.ts'
import { askGate, RESOURCE, type Setting, startSetting } from './setting.ts'

interface Entry {
  readonly id: string
  readonly kind: string
  readonly value?: string
  readonly expires?: number
  readonly created_by: string
}

const directory = await folder()
inFolder(directory)
let setting: Setting
let gate: Gate
let keygen: Run
/** What keygen prints for wrangler.toml, for an operator and for agents. */
let opsTable: object
let devTable: object

const OPTIONS = { issuer: { agent_prefix: 'acme/' } }

beforeAll(async () => {
  keygen = await edgewarden('keygen', '--operator', '--issuer', 'ops')
  const tableOf = ({ stdout }: Run) => (parse(stdout) as { vars: { ISSUERS: object } }).vars.ISSUERS
  opsTable = tableOf(keygen)
  devTable = tableOf(await edgewarden('keygen', '--agent', '--issuer', 'dev'))
  const ops = { ...OPTIONS, more: { ISSUERS_OPS: opsTable, ISSUERS_DEV: devTable } }
  const revocation = { consistency: 'bounded', max_staleness: '1s' }
  setting = await startSetting({ ...ops, beside: [{ ...ops, gate: { revocation } }] })
  gate = setting.gate
})
afterAll(() => setting.close())

const edgewarden = (...args: readonly string[]): Promise<Run> => runHere(args)

/** The gate is on this machine, and its resource is not. */
const signing = ['--key', 'ops.jwk', '--audience', RESOURCE] as const

const atGate = (name: string, ...args: readonly string[]) =>
  edgewarden(name, ...args, '--gate', gate.url, ...signing, '--json')

const agent = (value: string) => ['agent', value, '--issuer', setting.issuer.issuer]

const entriesOf = ({ stdout }: Run) => (JSON.parse(stdout) as { revocations: Entry[] }).revocations

const status = async (client_id: string, at = gate) =>
  (await askGate(at, '/v1/x', { token: await setting.token({ client_id }) })).status

describe('an operator with a key of keygen', () => {
  it('revokes, lists and lifts, and each counts at once', async () => {
    expect(await status('rogue')).toBe(200)
    const revoked = await atGate('revoke', ...agent('rogue'), '--reason', 'leaked')
    expect(revoked).toMatchObject({ code: 0, stderr: '' })
    const [entry] = entriesOf(revoked)
    expect(entry).toMatchObject({ kind: 'agent', value: 'rogue' })
    expect(await status('rogue')).toBe(401)
    expect(await status('other')).toBe(200)

    const listed = await atGate('list', '--kind', 'agent', '--all')
    expect(listed.code).toBe(0)
    expect(entriesOf(listed)).toEqual([entry])
    expect(entry?.created_by).toBe('https://ops.ops.invalid edgewarden-cli maria')

    const id = entry?.id ?? ''
    expect(await atGate('lift', id)).toMatchObject({ code: 0 })
    expect(await status('rogue')).toBe(200)
    const again = await atGate('lift', id)
    expect(again.code).toBe(1)
    expect(JSON.parse(again.stdout)).toMatchObject({ problem: { code: 'revocation_unknown' } })
  })

  it('revokes the agent that a leaked token names, and one by the name of its issuer', async () => {
    await writeFile(join(directory, 'leaked'), await setting.token({ client_id: 'leaky' }))
    const asked = await atGate('revoke', '--leaked', 'leaked')
    expect(asked.code).toBe(2)
    expect(JSON.parse(asked.stdout).error).toMatch(/^Say which to revoke: --kill token\|agent\|/)
    const revoked = await atGate('revoke', '--leaked', 'leaked', '--kill', 'agent')
    expect(entriesOf(revoked)).toMatchObject([{ kind: 'agent', value: 'leaky' }])
    expect(await status('leaky')).toBe(401)
    const named = await atGate('revoke', 'agent', 'named', '--issuer', 'acme')
    expect(entriesOf(named)).toMatchObject([{ issuer: setting.issuer.issuer, value: 'named' }])
    expect(await status('named')).toBe(401)
    expect(await status('other')).toBe(200)
  })

  it('revokes the agent of a leaked token, and not the one whose name is its id', async () => {
    await writeFile(join(directory, 'alike'), await setting.token({ client_id: 'acme/alike' }))
    const revoked = await atGate('revoke', '--leaked', 'alike', '--kill', 'agent')
    expect(entriesOf(revoked)).toMatchObject([{ value: 'acme/alike', name: 'acme/acme/alike' }])
    expect([await status('acme/alike'), await status('alike')]).toEqual([401, 200])
  })

  it('asks which agent is meant where an id is a name too, and revokes nothing until then', async () => {
    const both = ['twin', 'acme/twin']
    const statuses = () => Promise.all(both.map((one) => status(one)))
    for (const issuer of ['acme', setting.issuer.issuer]) {
      const asked = await atGate('revoke', 'agent', 'acme/twin', '--issuer', issuer)
      expect([asked.code, JSON.parse(asked.stdout).error]).toEqual([
        2,
        `This can be two agents of ${setting.issuer.issuer}. Add --as-name for the agent "twin" (X-Agent-Id "acme/twin"), or --as-id for the agent "acme/twin" (X-Agent-Id "acme/acme/twin").`,
      ])
    }
    expect(await statuses()).toEqual([200, 200])
    const named = await atGate('revoke', ...agent('acme/twin'), '--as-name')
    expect(entriesOf(named)).toMatchObject([{ value: 'twin', name: 'acme/twin' }])
    expect(await statuses()).toEqual([401, 200])
    const of = ['--issuer', setting.issuer.issuer, '--agent', 'acme/twin']
    expect(entriesOf(await atGate('list', ...of))).toEqual(entriesOf(named))
    expect(await atGate('lift', ...of)).toMatchObject({ code: 0 })
    expect(await statuses()).toEqual([200, 200])
    const exact = await atGate('revoke', ...agent('acme/twin'), '--as-id')
    expect(entriesOf(exact)).toMatchObject([{ value: 'acme/twin', name: 'acme/acme/twin' }])
    expect(await statuses()).toEqual([200, 401])
    for (const args of [
      ['client', 'twin', '--issuer', 'acme', '--as-id'],
      ['--leaked', 'leaked', '--kill', 'agent', '--as-name'],
    ]) {
      expect((await atGate('revoke', ...args)).code).toBe(2)
    }
    expect(await statuses()).toEqual([200, 401])
  })

  it('waits until it is in effect everywhere, and is told how long that took', async () => {
    const [bounded] = gate.beside as [Gate]
    expect(await status('waited-for', bounded)).toBe(200)
    const args = ['revoke', ...agent('waited-for'), '--gate', bounded.url, ...signing]
    const began = performance.now()
    const waited = await edgewarden(...args, '--wait')
    const took = performance.now() - began
    expect(await status('waited-for', bounded)).toBe(401)
    expect(waited).toMatchObject({
      code: 0,
      stderr: 'Every shard has it; waiting for the bound of 1.0 s.\n',
    })
    expect(waited.stdout).toMatch(
      /\nIn effect everywhere after \d+\.\d s \(shards \d+\.\d s, bound 1\.0 s\)\n$/,
    )
    const told = Number(/after (\d+\.\d) s/.exec(waited.stdout)?.[1])
    expect(told).toBeGreaterThanOrEqual(1)
    expect(told).toBeLessThanOrEqual(took / 1000 + 0.05)
  })

  it('revokes while the identity provider is down', async () => {
    setting.issuer.fail('destroy')
    try {
      expect((await atGate('revoke', ...agent('late'))).code).toBe(0)
      expect(await status('late')).toBe(401)
    } finally {
      setting.issuer.fail()
    }
  })
})

describe('mint', () => {
  it('signs a token that the gate takes', async () => {
    const minted = await edgewarden(
      ...['mint', '--key', 'dev.jwk', '--audience', RESOURCE, '--client', 'bot', '--json'],
      ...['--claim', 'a=1', '--claim', 'b=2'],
    )
    expect(minted).toMatchObject({ code: 0, stderr: '' })
    const { token, claims } = JSON.parse(minted.stdout) as { token: string; claims: object }
    expect(claims).toMatchObject({ a: 1, b: 2 })
    setting.origin.clear()
    expect((await askGate(gate, '/v1/x', { token })).status).toBe(200)
    expect(setting.origin.requests[0]?.header('x-agent-id')).toBe('dev:bot')
  })
})

describe('several gates that share a set', () => {
  const [nobody, secret] = ['http://127.0.0.1:9', 'http://maria:secret@127.0.0.1:9']
  const at = (gates: readonly string[], name: string, ...args: readonly string[]) =>
    edgewarden(name, ...args, ...gates.flatMap((one) => ['--gate', one]), ...signing)

  it('all refuse what is revoked at each, once the slowest does', async () => {
    const [other = gate] = gate.beside
    const both = [gate.url, other.url]
    const { code, stdout } = await at(both, 'revoke', ...agent('everywhere'), '--wait')
    expect(code).toBe(0)
    expect([await status('everywhere'), await status('everywhere', other)]).toEqual([401, 401])
    for (const [url, bound] of [
      [gate.url, 'every rule is strict'],
      [other.url, 'bound 1.0 s'],
    ]) {
      expect(stdout).toContain(`${url}: Revoked agent "everywhere"`)
      expect(stdout).toMatch(new RegExp(`^${url}: In effect everywhere after .*, ${bound}`, 'm'))
    }
    const listed = await at([...both, gate.url], 'list', '--value', 'everywhere', '--json')
    const { gates } = JSON.parse(listed.stdout) as { gates: { revocations: Entry[] }[] }
    expect(gates).toMatchObject(both.map((url) => ({ gate: url, exit_status: 0 })))
    const id = gates[0]?.revocations[0]?.id ?? ''
    // The second gate no longer has what the first has lifted.
    expect(await at(both, 'lift', id)).toMatchObject({ code: 0 })
    expect([await status('everywhere'), await status('everywhere', other)]).toEqual([200, 200])
    expect(await at(both, 'lift', id)).toMatchObject({ code: 1 })
  })

  it('are not all said to refuse it where one cannot be asked', async () => {
    const answer = await at([gate.url, nobody, secret], 'revoke', ...agent('half'))
    expect(answer.code).toBe(2)
    expect(await status('half')).toBe(401)
    expect(answer.stdout).toContain(`${gate.url}: Revoked agent "half"`)
    expect(answer.stderr).toContain(`${nobody}: ${nobody} cannot be reached`)
    expect(answer.stderr).toContain('--gate 3: --gate must not contain a name or password')
    expect(answer.stdout + answer.stderr).not.toContain('secret')
    const asked = await at([gate.url, nobody], 'revoke', 'agent', 'x', '--issuer', 'none')
    expect(asked.code).toBe(1)
  })

  it('need --kill beside a leaked token, and read it once', async () => {
    const both = [gate.url, gate.beside[0]?.url ?? '']
    await writeFile(join(directory, 'leaked-2'), await setting.token({ client_id: 'leaky-2' }))
    const leaked = ['--leaked', 'leaked-2']
    const asked = await at(both, 'revoke', ...leaked)
    expect(asked.code).toBe(2)
    expect(asked.stderr).toContain('--kill')
    expect(await at(both, 'revoke', ...leaked, '--kill', 'agent')).toMatchObject({ code: 0 })
    expect(await status('leaky-2')).toBe(401)
  })
})
