import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { expect, it } from 'vitest'
import { keygen } from '../../../src/command/install/keygen.ts'
import { tokenFor } from '../../../src/command/operate/access.ts'
import { folder } from './kit.ts'
import { recordingGate } from './recording-gate.ts'

const { origin: gate, state } = await recordingGate()
const key = join(await folder(), 'ops.jwk')
await keygen({ issuer: 'ops', operator: true, out: key })

it('a gate on another machine gets a token for a resource of its own origin, and for no other', async () => {
  const remote = { origin: gate, prefix: '/.edgewarden', loopback: false }
  const tokenAt = (resource: string) => {
    state.answer = () => ({ status: 200, body: { resource } })
    return tokenFor(remote, { key }, 'edgewarden:revoke', { env: {}, now: () => 1_790_000_000 })
  }
  expect(await tokenAt('https://bank.dev')).toMatchObject({
    ok: false,
    reason: expect.stringContaining('says it is https://bank.dev'),
  })
  const token = await tokenAt(`${gate}/mcp`)
  expect(token.ok && decodeJwt(token.value).aud).toBe(`${gate}/mcp`)
})
