import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keygen } from '../../src/command/install/keygen.ts'
import { mint } from '../../src/command/install/mint.ts'
import { type CurlOptions, curl } from '../../src/command/operate/curl.ts'
import { folder } from '../command/kit.ts'
import type { Gate } from '../kit/gate.ts'
import { RESOURCE, type Setting, startSetting } from './setting.ts'

const directory = await folder()
const [issuerKey, client, thief] = ['issuer', 'client', 'thief'].map((name) =>
  join(directory, `${name}.jwk`),
) as [string, string, string]
const now = () => Date.now() / 1000

/** A token of `mint`, bound to the key in a file. */
const tokenFor = async (dpop: string) => {
  const outcome = await mint({ key: issuerKey, audience: RESOURCE, dpop }, now())
  expect(outcome.exitCode).toBe(0)
  return { outcome, token: outcome.out[0] as string }
}
const send = (url: string, token: string, options: CurlOptions = {}) =>
  curl(url, { tokenEnv: 'T', ...options }, { env: { T: token }, now })

let setting: Setting
beforeAll(async () => {
  const made = await keygen({ agent: true, issuer: 'dev', out: issuerKey })
  const { table } = made.json as { table: object }
  const more = { ISSUERS: { dev: table } }
  setting = await startSetting({ more, beside: [{ more, gate: { dpop_nonce: true } }] })
})
afterAll(() => setting.close())

describe('mint --dpop and curl', () => {
  it('make a key, a token that is bound to it, and requests with proofs', async () => {
    const { outcome, token } = await tokenFor(client)
    expect(outcome.err.join()).toContain(`curl URL --dpop ${client}`)
    expect((await stat(client)).mode & 0o777).toBe(0o600)
    const again = await tokenFor(client)
    expect(again.outcome.err).toEqual([])
    expect(decodeJwt(again.token).cnf).toEqual(decodeJwt(token).cnf)
    for (const gate of [setting.gate, ...setting.gate.beside] as Gate[]) {
      const asked = await send(`${gate.url}/v1/x?q=1`, token, { dpop: client })
      expect(asked).toMatchObject({ exitCode: 0, json: { status: 200 } })
      const posted = await send(`${gate.url}/v1/x`, token, { dpop: client, data: '{"a":1}' })
      expect(posted.exitCode).toBe(0)
    }
    const [last] = setting.origin.requests.slice(-1)
    expect(last?.header('x-agent-possession')).toBe('dpop')
    expect(last?.header('content-type')).toBe('application/json')
  })

  it('show that a stolen token is worthless', async () => {
    const { token } = await tokenFor(client)
    await tokenFor(thief)
    const url = `${setting.gate.url}/v1/x`
    for (const [dpop, code] of [
      [undefined, 'token_bound'],
      [thief, 'proof_key_mismatch'],
    ] as const) {
      const asked = await send(url, token, { ...(dpop !== undefined && { dpop }) })
      expect(asked).toMatchObject({ exitCode: 1, json: { status: 401 } })
      expect(asked.out.join()).toContain(code)
      expect(asked.err.join()).toContain('WWW-Authenticate: DPoP ')
    }
  })
})
