import { afterAll, beforeAll, expect, it } from 'vitest'
import { askGate, outcome, RESOURCE } from '../../e2e/setting.ts'
import { agenticClaims, checksumOf, type RegisteredAgent } from '../../kit/agentic.ts'
import { createProofKey, proofOf } from '../../kit/dpop.ts'
import { type ConsoleSetting, OPERATOR, startConsole } from './console-setting.ts'

/** An operator with Agentic JWTs, whose code is approved in the registry of agents. */

const PASSED = { status: 200, code: undefined }
const HELD = { status: 403, code: 'agent_checksum_changed' }

let setting: ConsoleSetting
beforeAll(async () => {
  setting = await startConsole({ issuer: { profile: 'agentic-jwt', admin: 'all' } })
})
afterAll(() => setting.close())

it('acts by token and in the console while its code is approved', async () => {
  const key = await createProofKey()
  const chief = { id: 'chief', checksum: checksumOf('a'), registration: 'reg_chief_1', key }
  const other = { ...chief, checksum: checksumOf('b') }
  const call = async (method: string, path: string, body?: object, of: RegisteredAgent = chief) => {
    const scope = `${OPERATOR} edgewarden:agents`
    const token = await setting.token({ ...agenticClaims(of), scope })
    const [url = ''] = `${RESOURCE}${path}`.split('?')
    const dpop = await proofOf(key, { url, method, token })
    const headers = { authorization: `DPoP ${token}`, dpop, 'content-type': 'application/json' }
    const sent = { method, headers, ...(body && { body: JSON.stringify(body) }) }
    return askGate(setting.gate, path, sent)
  }
  const { issuer } = setting.issuer
  const at = `/.edgewarden/agents/entry?${new URLSearchParams({ issuer, agent: chief.id })}`
  const pins = { checksums: [chief.checksum], registrations: [chief.registration], keys: [key.jkt] }
  expect((await call('PUT', at, pins)).status).toBe(200)

  const entry = { kind: 'token', issuer, value: 'a-token-of-nobody' }
  const revoke = async (of = chief) =>
    outcome(await call('POST', '/.edgewarden/revocations', entry, of))
  expect(await revoke()).toEqual(PASSED)
  expect(await revoke(other)).toEqual(HELD)

  const code = await call('POST', '/.edgewarden/console')
  const { url } = (await code.json()) as { url: string }
  const headers = { cookie: await setting.enter(new URL(url).hash.slice('#code='.length)) }
  const act = { method: 'POST', headers, body: JSON.stringify(entry) }
  const session = async () => [
    await outcome(await setting.page('/api/revocations', { headers })),
    await outcome(await setting.page('/api/revocations', act)),
  ]
  expect(await session()).toEqual([PASSED, PASSED])
  // A session ends with the approval of the code that began it.
  const put = { method: 'PUT', headers: { ...headers, 'if-match': '*' } }
  const body = JSON.stringify({ checksums: [other.checksum] })
  const changed = await setting.page(at.replace('/.edgewarden', '/api'), { ...put, body })
  expect(changed.status).toBe(200)
  expect(await session()).toEqual([HELD, HELD])
})
