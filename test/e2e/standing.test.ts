import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { ALLOWED, clocked, forward, makePatient } from './keys-setting.ts'
import { revoking } from './revoking.ts'
import { askGate, outcome, type Setting, type SettingOptions, startSetting } from './setting.ts'

const POLICY = {
  issuer: { admin: 'all' },
  routes: [{ match: 'GET,POST /v1/*', scopes: [] }],
}
/** Seconds for which a token is taken after its end. */
const TOLERANCE = 30

let setting: Setting
let dataDir: string
let options: SettingOptions

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-standing-'))
  options = { ...POLICY, ...(await clocked()), dataDir }
  setting = await startSetting({
    ...options,
    gate: { clock_tolerance: `${TOLERANCE}s` },
  })
  await makePatient(setting.gate)
})
afterAll(async () => {
  await setting.close()
  await rm(dataDir, { recursive: true, force: true })
})

const revoke = (gate: Gate, entry: object) => revoking(setting, gate).revoke(entry)
const use = async (gate: Gate, token: string) => outcome(await askGate(gate, '/v1/x', { token }))

describe('a revocation', () => {
  it('of tokens until now holds for no token that is issued later', async () => {
    const at = Math.floor(Date.now() / 1000) - 60
    const claims = { client_id: 'agent-i' }
    const old = await setting.token({ ...claims, iat: at - 1 })
    const fresh = await setting.token({ ...claims, iat: at + TOLERANCE + 10 })
    await revoke(setting.gate, { kind: 'agent', value: 'agent-i', mode: 'before', at })
    expect((await use(setting.gate, old)).status).toBe(401)
    expect(await use(setting.gate, fresh)).toEqual(ALLOWED)
  })

  it('of mode step-up asks for a new authentication, and holds for no token that is issued later', async () => {
    const at = Math.floor(Date.now() / 1000) - 60
    const token = (iat: number) => setting.token({ client_id: 'agent-s', sub: 'steps', iat })
    const [old, fresh] = [await token(at - 1), await token(at + TOLERANCE + 10)]
    const id = await revoke(setting.gate, { kind: 'subject', value: 'steps', mode: 'step-up', at })
    const answer = await askGate(setting.gate, '/v1/x', { token: old })
    const challenge = answer.headers.get('www-authenticate') ?? ''
    expect(await outcome(answer)).toMatchObject({ status: 401, code: 'step_up_required' })
    expect(challenge).toContain('error="insufficient_user_authentication"')
    expect(challenge).not.toContain('acr_values')
    const maxAge = Number(/max_age="?(\d+)/.exec(challenge)?.[1])
    expect(maxAge).toBeGreaterThanOrEqual(60)
    expect(maxAge).toBeLessThan(80)
    expect(await use(setting.gate, fresh)).toEqual(ALLOWED)
    // What stops the token altogether is said first.
    await revoke(setting.gate, { kind: 'agent', value: 'agent-s', mode: 'before', at })
    expect(await use(setting.gate, old)).toMatchObject({ code: 'token_revoked' })
    await revoking(setting, setting.gate).lift(id)
  })

  it('of a token holds until its own end, and for as long as it is taken after that', async () => {
    const { gate } = setting
    const exp = Math.floor(Date.now() / 1000) + 60
    const claims = { client_id: 'agent-y', exp }
    const token = await setting.token({ ...claims, jti: 'until-its-end' })
    const late = await setting.token({ ...claims, jti: 'late' })
    const taken = await setting.token({ ...claims, jti: 'taken' })
    await revoke(gate, { kind: 'token', value: 'until-its-end', expires: exp })
    expect((await use(gate, token)).code).toBe('token_revoked')
    await forward(gate, 60_000)
    expect(await use(gate, taken)).toEqual(ALLOWED)
    expect((await use(gate, token)).code).toBe('token_revoked')
    // It can be revoked as long as it is taken.
    expect(await use(gate, late)).toEqual(ALLOWED)
    await revoke(gate, { kind: 'token', value: 'late', expires: exp })
    expect((await use(gate, late)).code).toMatch(/^token_(?:revoked|expired)$/)
    await forward(gate, TOLERANCE * 1_000)
    for (const one of [token, late, taken]) {
      expect((await use(gate, one)).code).toMatch(/^token_(?:revoked|expired)$/)
    }
    expect((await use(gate, taken)).code).toBe('token_expired')
  })

  it('outlives a restart, until GATE.lift says that it does not count', async () => {
    const token = await setting.token({ client_id: 'agent-z' })
    const first = await revoke(setting.gate, { kind: 'agent', value: 'agent-z' })
    await setting.gate.stop('SIGKILL')
    const same = await setting.another(options)
    expect((await use(same, token)).status).toBe(401)
    await same.stop()
    const lifted = await setting.another({ ...options, gate: { lift: [first] } })
    expect(await use(lifted, token)).toEqual(ALLOWED)
    // Only what is named.
    await revoke(lifted, { kind: 'client', value: 'agent-z' })
    expect((await use(lifted, token)).status).toBe(401)
    await lifted.stop()
  })
})
