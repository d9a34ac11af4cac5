import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { serialize } from 'node:v8'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import type { Gate } from '../kit/gate.ts'
import { revoking } from './revoking.ts'
import { askGate, outcome, type Setting, type SettingOptions, startSetting } from './setting.ts'

/** One rule for each kind of what is stored, and one that needs nothing. */
const OPTIONS: SettingOptions = {
  durableObjects: WITH_AUDIT,
  issuer: { admin: 'all', agent_id: 'sub' },
  gate: { assertion: 'identity' },
  routes: [
    { match: 'GET /v1/revoked', scopes: [], revocation: 'strict' },
    { match: 'GET /v1/once', scopes: [], single_use: true },
    { match: 'GET /v1/counted', scopes: [], rate_limit: { daily: 1 } },
    { match: 'GET /v1/*', scopes: [] },
  ],
}

let dataDir: string
let setting: Setting
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-versions-'))
  setting = await startSetting({ ...OPTIONS, dataDir })
})
afterAll(async () => {
  await setting.close()
  await rm(dataDir, { recursive: true, force: true })
})

/** Writes the version of what the objects of a class have stored on disk, while no gate runs. */
const setVersion = async (className: string, version: number): Promise<number> => {
  const files = (await readdir(dataDir, { recursive: true })).filter(
    (path) => path.includes(className) && /[0-9a-f]{64}\.sqlite$/.test(path),
  )
  let written = 0
  for (const file of files) {
    const database = new DatabaseSync(join(dataDir, file))
    const update = database.prepare("UPDATE _cf_KV SET value = ? WHERE key = 'schema'")
    written += Number(update.run(serialize(version)).changes)
    database.close()
  }
  return written
}

it('refuses with data of a newer version, and goes on where it is of its own again', async () => {
  const [revoked, used, counted, other] = await Promise.all(
    ['revoked', 'used', 'counted', 'other'].map((sub) => setting.token({ sub })),
  )
  const ask = async (gate: Gate, path: string, token: string | undefined) => {
    const { status, code } = await outcome(await askGate(gate, path, { token: token ?? '' }))
    return code ?? status
  }
  const all = async (gate: Gate) => [
    await ask(gate, '/v1/revoked', revoked),
    await ask(gate, '/v1/once', used),
    await ask(gate, '/v1/counted', counted),
    await ask(gate, '/v1/any', other),
  ]
  const keysOf = async (gate: Gate) => (await askGate(gate, '/.edgewarden/jwks.json')).text()
  const reader = await setting.token({ scope: 'edgewarden:audit:read' })
  const decisions = '/.edgewarden/decisions?decision=allowed&rule=GET+/v1/revoked'
  const stored = async (gate: Gate) => {
    const answer = await askGate(gate, decisions, { token: reader })
    return ((await answer.json()) as { readonly decisions: readonly object[] }).decisions
  }
  expect(await all(setting.gate)).toEqual([200, 200, 200, 200])
  await expect.poll(() => stored(setting.gate)).toHaveLength(1)
  await revoking(setting, setting.gate).revoke({ kind: 'agent', value: 'revoked' })
  const refused = ['token_revoked', 'token_replayed', 'rate_limited', 200]
  expect(await all(setting.gate)).toEqual(refused)
  const published = await keysOf(setting.gate)
  await setting.gate.stop()

  const again = async (use: (gate: Gate) => Promise<void>) => {
    const gate = await setting.another({ ...OPTIONS, dataDir })
    await use(gate).finally(() => gate.stop())
  }
  const newer = async (className: string, answers: readonly (string | number)[], own = 1) => {
    expect(await setVersion(className, own + 1), className).toBeGreaterThan(0)
    await again(async (gate) => expect(await all(gate), className).toEqual(answers))
    await setVersion(className, own)
  }
  await newer('RevocationShard', Array(4).fill('revocations_unavailable'), 2)
  // An earlier version is migrated.
  expect(await setVersion('RevocationShard', 1)).toBeGreaterThan(0)
  await again(async (gate) => expect(await all(gate)).toEqual(refused))
  await newer('ReplayShard', ['token_revoked', 'single_use_unavailable', 'rate_limited', 200])
  await newer('RateLimiter', ['token_revoked', 'token_replayed', 'rate_limit_unavailable', 200], 2)
  await newer('AssertionKeyService', Array(4).fill('assertion_unavailable'))
  // What is decided does not depend on whether it can be stored.
  await newer('AuditLog', refused)
  expect(await setVersion('AuditLog', 2)).toBeGreaterThan(0)
  await again(async (gate) => expect(await ask(gate, decisions, reader)).toBe('audit_unavailable'))
  await setVersion('AuditLog', 1)
  await again(async (gate) => expect(await stored(gate)).toHaveLength(1))
  await again(async (gate) => {
    expect(await all(gate)).toEqual(refused)
    expect(await keysOf(gate)).toBe(published)
  })
})
