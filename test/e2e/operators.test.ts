import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readKeyFile, signToken } from '../../src/command/base/key-file.ts'
import { folder, runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Members } from '../kit/signing.ts'
import { RESOURCE, type Setting, startSetting } from './setting.ts'

const OWN = '/.edgewarden'
const MARIA = 'https://maria.ops.invalid'

const directory = await folder()
let setting: Setting

/** Makes the key of an operator, and returns its table. */
const keygen = async (name: string, file = `${name}.jwk`): Promise<Members> => {
  const out = join(directory, file)
  const made = ['keygen', '--operator', '--name', name, '--issuer', name, '--out', out]
  const { stdout } = await runHere(made)
  return (parse(stdout) as { vars: { ISSUERS: Members } }).vars.ISSUERS
}

beforeAll(async () => {
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    issuer: { agent_prefix: 'acme/' },
    more: { ISSUERS_OPS: { ...(await keygen('maria')), ...(await keygen('joe')) } },
  })
})
afterAll(() => setting.close())

/** Runs a command with the key of an operator, on a machine whose user has another name. */
const as = (name: string, ...args: readonly string[]) => {
  const key = ['--key', join(directory, `${name}.jwk`), '--audience', RESOURCE]
  return runHere([...args, '--gate', setting.gate.url, ...key], { USER: 'build' })
}

const revoke = (name: string, agent: string, reason: string) => {
  const what = ['revoke', 'agent', agent, '--as-id', '--issuer', setting.issuer.issuer]
  return as(name, ...what, '--reason', reason)
}

describe('the key of an operator', () => {
  it('is shown by the name in the policy, with when, why and whom it hit', async () => {
    const { issuer } = setting.issuer
    expect((await revoke('maria', 'agent-7', 'leaked token')).code).toBe(0)
    expect((await revoke('joe', 'agent-8', 'loops')).code).toBe(0)
    const when = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`
    const list = await as('joe', 'list', '--value', 'agent-7')
    expect(list.stdout).toMatch(
      new RegExp(`reason: leaked token, created ${when} by maria \\(${MARIA}\\)\n$`),
    )
    expect(list.stdout).not.toContain('edgewarden-cli')
    const log = await eventually(async () => {
      const { stdout } = await as('joe', 'log', '--kind', 'act', '--issuer', MARIA)
      expect(stdout).toContain('agent-7')
      return stdout
    })
    const what = `agent agent-7 of ${issuer}, reason: leaked token`
    expect(log).toMatch(new RegExp(`UTC.*  act revoke  maria  ${what}  `))
    expect(log.trimEnd().split('\n')).toHaveLength(1)
    expect(log).not.toMatch(/edgewarden-cli|build|allowed/)
  })

  it('is renewed and filtered by that name', async () => {
    await revoke('maria', 'agent-9', 'first')
    await revoke('joe', 'agent-9', 'second')
    const { stdout } = await as('joe', 'list', '--value', 'agent-9')
    expect(stdout).toMatch(
      /by maria \(https:.*\), renewed .* by joe \(https:\/\/joe\.ops\.invalid\)/,
    )
    await revoke('maria', 'agent-10', 'third')
    const made = await as('joe', 'list', '--created-by', `${MARIA} maria`, '--json')
    const { revocations } = JSON.parse(made.stdout) as { revocations: readonly Members[] }
    expect(revocations.map(({ value }) => value)).toContain('agent-10')
    expect(revocations.map(({ value }) => value)).not.toContain('agent-9')
  })

  it('cannot act under another name, whatever its token says', async () => {
    const key = await readKeyFile(join(directory, 'maria.jwk'))
    if (!key.ok) throw new Error(key.reason)
    const now = Math.floor(Date.now() / 1000)
    const token = await signToken(key.value, {
      ...{ iss: MARIA, aud: RESOURCE, iat: now, exp: now + 60, jti: crypto.randomUUID() },
      ...{ scope: 'edgewarden:revoke', sub: 'joe', client_id: 'joe', operator: 'joe' },
    })
    const answer = await setting.ask(`${OWN}/revocations`, {
      method: 'POST',
      token,
      headers: { 'content-type': 'application/json', 'x-request-id': 'called-joe' },
      body: JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: 'agent-11' }),
    })
    expect(await answer.json()).toMatchObject({ revocations: [{ created_by: `${MARIA} maria` }] })
    await eventually(async () => {
      const { stdout } = await as('maria', 'log', '--request-id', 'called-joe', '--json')
      const { decisions } = JSON.parse(stdout) as { decisions: readonly Members[] }
      expect(decisions.map(({ kind, operator }) => [kind, operator])).toEqual(
        expect.arrayContaining([
          ['act', 'maria'],
          [undefined, 'maria'],
        ]),
      )
    })
  })

  it('that is not deployed gets advice that helps, for a new table and for a new key of a table', async () => {
    await keygen('eve')
    const unknown = await as('eve', 'list')
    expect(unknown.code).toBe(1)
    expect(unknown.stderr).toContain('issuer_unknown')
    await keygen('maria', 'maria-2.jwk')
    const rotated = await as('maria-2', 'list')
    expect(rotated.code).toBe(1)
    expect(rotated.stderr).toContain('key_unknown')
    for (const { stderr } of [unknown, rotated]) {
      expect(stderr).toMatch(
        /The gate does not have the key of .*\.jwk: put the table .* and deploy/,
      )
    }
  })

  it('reads apart from what it changes', async () => {
    await as('joe', 'list', '--value', 'agent-7')
    await as('joe', 'log', '--subject', 'somebody')
    await eventually(async () => {
      const { stdout } = await as(
        'joe',
        'log',
        '--kind',
        'read',
        '--issuer',
        'https://joe.ops.invalid',
      )
      expect(stdout).toMatch(/allowed +joe +GET \/\.edgewarden\/decisions/)
    })
    const acts = await as('joe', 'log', '--kind', 'act', '--all')
    expect(acts.stdout).not.toMatch(/allowed|denied|GET /)
  })
})
