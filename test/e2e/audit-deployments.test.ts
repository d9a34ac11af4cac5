import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { folder, runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import type { Members } from '../kit/signing.ts'
import { askGate, RESOURCE, type Setting, startSetting } from './setting.ts'

const OWN = '/.edgewarden'
const versionOf = (n: number) => `00000000-0000-4000-8000-00000000000${n}`
const [ONE, TWO, THREE] = [versionOf(1), versionOf(2), versionOf(3)]

/** The options of a gate of a version, whose rule needs a scope. */
const deployed = (version: string, scope: string) => ({
  version,
  issuer: { admin: 'all', agent_prefix: 'acme/' },
  routes: [{ match: 'GET /v1/x', scopes: [scope], inject: { 'x-key': `\${ORIGIN_KEY}` } }],
  secrets: { ORIGIN_KEY: 'a-secret-of-the-origin' },
})

const directory = await folder()
const KEY = join(directory, 'ops.jwk')
let setting: Setting
let other: Issuer

beforeAll(async () => {
  const { stdout } = await runHere(['keygen', '--operator', '--issuer', 'ops', '--out', KEY])
  const { vars } = parse(stdout) as { vars: { ISSUERS: Members } }
  other = await createIssuer()
  const table = { issuer: other.issuer, jwks_uri: other.jwksUri, allow_insecure_http: true }
  const more = {
    ISSUERS_OTHER: { other: { ...table, admin: 'own', agent_prefix: 'other/' } },
    ISSUERS_OPS: vars.ISSUERS,
  }
  setting = await startSetting({
    ...deployed(ONE, 'x:read'),
    more,
    durableObjects: WITH_AUDIT,
    beside: [
      { ...deployed(TWO, 'x:write'), more },
      { ...deployed(ONE, 'x:read'), more },
      { ...deployed(THREE, 'x:write'), more },
    ],
  })
})
afterAll(async () => {
  await setting.close()
  await other.close()
})

const SCOPE = 'edgewarden:audit:read'
const read = async (path: string, gate: Gate, token?: string) =>
  askGate(gate, `${OWN}/${path}`, { token: token ?? (await setting.token({ scope: SCOPE })) })

const list = async (query: string, gate = setting.gate): Promise<readonly Members[]> => {
  const answer = await read(`decisions?${query}`, gate)
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { decisions: Members[] }).decisions
}

/** Sends a request, which is refused, and waits until it is stored: then the isolate tells what it runs. */
const call = async (gate: Gate) => {
  const jti = crypto.randomUUID()
  const token = await setting.token({ jti, scope: 'y' })
  expect((await askGate(gate, '/v1/x', { token })).status).toBe(403)
  await eventually(async () => expect(await list(`jti=${jti}`, gate)).toHaveLength(1))
}

const acts = (count: number, gate = setting.gate) =>
  eventually(async () => {
    const found = await list('kind=policy', gate)
    expect(found).toHaveLength(count)
    return found
  })

describe('a deployment', () => {
  it('is an act for each new pair of policy and version, whichever isolates tell of it', async () => {
    const [first, second, alike, third] = [setting.gate, ...setting.gate.beside] as [
      Gate,
      Gate,
      Gate,
      Gate,
    ]
    await Promise.all([call(first), call(alike)])
    const [one] = await acts(1)
    expect(one).toMatchObject({ v: 1, kind: 'act', act: 'policy', version: ONE })
    expect(one).not.toHaveProperty('before')
    await call(second)
    const [two] = await acts(2)
    expect(two).toMatchObject({ version: TWO, before: one?.policy })
    expect(two?.policy).not.toBe(one?.policy)
    for (const gate of [first, second, alike]) await call(gate)
    await call(third)
    const found = await acts(3)
    expect(found.map(({ version }) => version)).toEqual([THREE, TWO, ONE])
    // Another version with the same policy.
    expect(found[0]).toMatchObject({ policy: two?.policy, before: two?.policy })
    expect(await list('kind=act')).toEqual(found)
  })

  it('is answered with both policies, without secrets, and with what decides now', async () => {
    const [, { id } = {}, first] = await acts(3)
    const answer = await read(`decisions/${id}?policy=true`, setting.gate)
    const text = await answer.text()
    expect(JSON.parse(text)).toMatchObject({
      policy: { routes: [{ scopes: ['x:write'], inject: { 'x-key': 'redacted' } }] },
      before: { routes: [{ scopes: ['x:read'] }] },
      today: { policy: first?.policy, version: ONE, changed: true },
    })
    expect(text).not.toContain('a-secret')
    const alone = await (await read(`decisions/${id}`, setting.gate)).json()
    expect(alone).not.toHaveProperty('before')
    expect(alone).not.toHaveProperty('policy')
  })

  it('is not shown to administrators of one issuer', async () => {
    const [{ id } = {}] = await acts(3)
    const token = await other.mint({ scope: SCOPE })
    const all = await read('decisions?kind=policy', setting.gate, token)
    expect([all.status, ((await all.json()) as { decisions: unknown }).decisions]).toEqual([
      200,
      [],
    ])
    const found = await read(`decisions/${id}?policy=true`, setting.gate, token)
    expect(found.status).toBe(404)
    expect(await found.json()).toMatchObject({ code: 'decision_unknown' })
  })

  it('has no act if it brings a pair of before back, also after all has restarted', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-deployed-'))
    const options = { durableObjects: WITH_AUDIT, dataDir }
    for (const [version, scope, count] of [
      [ONE, 'x:read', 1],
      [TWO, 'x:write', 2],
      [ONE, 'x:read', 2],
      [THREE, 'x:read', 3],
    ] as const) {
      const gate = await setting.another({ ...options, ...deployed(version, scope) })
      await call(gate)
      const [latest] = await acts(count, gate)
      expect(latest?.version).toBe(count === 2 ? TWO : version)
      await gate.stop()
    }
    await rm(dataDir, { recursive: true, force: true })
  })
})

describe('log --kind policy', () => {
  const log = (gate: Gate, ...args: readonly string[]) =>
    runHere([
      ...['log', '--kind', 'policy', ...args],
      ...['--gate', gate.url, '--key', KEY, '--audience', RESOURCE],
    ])

  it('says when which version came, and what it changed in words', async () => {
    const [three, two, one] = (await acts(3)).map((act) => String(act.policy).slice(0, 8))
    const { code, stdout, stderr } = await log(setting.gate.beside[2] as Gate)
    expect([code, stderr]).toEqual([0, ''])
    const lines = stdout.trimEnd().split('\n')
    const when = String.raw`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  act policy  a deployment  `
    const rows = [
      `${when}version ${ONE}, policy ${one} \\(the one before is not known\\) `,
      `${when}version ${TWO}, policy ${two} \\(before: ${one}\\) `,
      '^  changes: GET /v1/x: `scopes` is now \\["x:write"\\] \\(was \\["x:read"\\]\\)$',
      `${when}version ${THREE}, policy ${three} \\(as before\\) `,
      `^In force now: version ${THREE}, policy ${three}\\.$`,
    ]
    expect(lines).toHaveLength(rows.length)
    for (const [i, row] of rows.entries()) expect(lines[i]).toMatch(new RegExp(row))
  })

  it('says if the latest deployment does not decide', async () => {
    const { stdout } = await log(setting.gate, '--limit', '1')
    expect(stdout).toContain(`In force now: version ${ONE}, policy `)
    expect(stdout).toContain('The latest deployment was rolled back, or several versions answer.')
    const none = await log(setting.gate, '--from', '2030-01-01T00:00:00Z')
    expect([none.code, none.stdout]).toEqual([
      0,
      expect.stringMatching(
        `^No deployment was found.\nIn force now: version ${ONE}, policy [0-9a-f]{8}.\nThe latest deployment was rolled back`,
      ),
    ])
  })

  it('has the same words in a column of CSV', async () => {
    const found = (await acts(3)).toReversed()
    const { stdout } = await log(setting.gate, '--csv')
    const [names = '', ...lines] = stdout.trimEnd().split('\n')
    expect(names).toMatch(/,operator,version,policy,before,changed$/)
    const before = (i: number) => found[i]?.before ?? ''
    const row = (i: number, words: string) =>
      `,${found[i]?.version},${found[i]?.policy},${before(i)},${words}`
    const words = '"changes: GET /v1/x: `scopes` is now [""x:write""] (was [""x:read""])"'
    expect(lines.map((line, i) => line.slice(-row(i, ['', words][i] ?? '').length))).toEqual([
      row(0, ''),
      row(1, words),
      row(2, ''),
    ])
  })

  it('has the same words while it follows', async () => {
    const found = (await acts(3)).toReversed()
    const followed = async (count: number, ...args: readonly string[]) => {
      const child = spawn(process.execPath, [
        ...[inject('command'), 'log', '--kind', 'policy', '--follow', ...args],
        ...['--gate', setting.gate.url, '--key', KEY, '--audience', RESOURCE],
      ])
      let shown = ''
      child.stdout.on('data', (data) => {
        shown += String(data)
      })
      try {
        await eventually(() => expect(shown.trimEnd().split('\n')).toHaveLength(count))
      } finally {
        child.kill()
      }
      return shown.trimEnd().split('\n')
    }
    const text = 'GET /v1/x: `scopes` is now ["x:write"] (was ["x:read"])'
    expect((await followed(4))[2]).toBe(`  changes: ${text}`)
    expect((await followed(4, '--csv'))[2]).toContain('`scopes` is now [""x:write""]')
    const records = (await followed(3, '--json')).map((line) => JSON.parse(line))
    expect(records.map(({ changes }) => changes?.[0].text)).toEqual([undefined, text, undefined])
    expect(records.map(({ id }) => id)).toEqual(found.map(({ id }) => id))
  })

  it('has the same as JSON', async () => {
    const found = await acts(3)
    const { stdout } = await log(setting.gate, '--json')
    const { decisions, compared, now } = JSON.parse(stdout)
    expect(decisions.toReversed()).toEqual(found)
    const text = 'GET /v1/x: `scopes` is now ["x:write"] (was ["x:read"])'
    const changes = [{ text, of: ['GET /v1/x'], issuers: [], widens: false }]
    expect(compared).toEqual([{ id: found[1]?.id, gains: [], loses: [], changes }])
    expect(now).toEqual({ policy: found[2]?.policy, version: ONE })
  })
})
