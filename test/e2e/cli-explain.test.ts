import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../cli/kit.ts'
import { askGate, RESOURCE, type Setting, startSetting } from './setting.ts'

let directory: string
let key: string
let setting: Setting

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-explain-'))
  key = join(directory, 'ops.jwk')
  const keygen = await run(['keygen', '--issuer', 'ops', '--out', key])
  const printed = parse(keygen.stdout) as { vars: { ISSUERS: object } }
  setting = await startSetting({
    issuer: { agent_prefix: 'acme/' },
    routes: [
      { match: 'GET /v1/documents/{id}', scopes: ['documents:read'] },
      { match: 'POST /v1/chat', scopes: ['chat:write'] },
    ],
    more: { ISSUERS_OPS: printed.vars.ISSUERS },
  })
  // An explanation fetches nothing: the gate has keys of an issuer once a request has needed them.
  const token = await setting.token()
  expect((await askGate(setting.gate, '/v1/chat', { method: 'POST', token })).status).toBe(200)
  setting.origin.clear()
})
afterAll(async () => {
  await setting.close()
  await rm(directory, { recursive: true, force: true })
})

/** Explains a request at the running gate; the token comes from a file. */
const explain = async (request: readonly [string, string], token: string, ...more: string[]) => {
  const file = join(directory, 'token.txt')
  await writeFile(file, `${token}\n`)
  const [method, path] = request
  const args = ['explain', method, `${RESOURCE}${path}`, '--token', `@${file}`]
  return run([...args, '--gate', setting.gate.url, '--key', key, ...more])
}

const CHAT = ['POST', '/v1/chat'] as const
const DOCUMENT = ['GET', '/v1/documents/7'] as const

describe('explain --gate', () => {
  it('tells what the gate would do, and forwards nothing', async () => {
    const token = await setting.token({ client_id: 'planner', scope: 'chat:write' })
    const allowed = await explain(CHAT, token)
    expect(allowed).toMatchObject({ code: 0, stderr: '' })
    expect(allowed.stdout).toContain('✓ standing')
    expect(allowed.stdout).toContain('Allowed by the rule "POST /v1/chat", as acme/planner of ')

    const denied = await explain(DOCUMENT, token)
    expect(denied).toMatchObject({ code: 1, stderr: '' })
    expect(denied.stdout).toContain('✗ scope ')
    expect(denied.stdout).toContain('(scope_missing, 403)')
    expect(denied.stdout).toContain('Scopes it needs, all of them: documents:read')
    for (const part of token.split('.')) {
      expect(allowed.stdout + denied.stdout).not.toContain(part)
    }

    const json = await explain(DOCUMENT, token, '--json')
    const document = JSON.parse(json.stdout)
    expect(document).toMatchObject({ allowed: false, denial: { code: 'scope_missing' } })
    expect(document.steps.at(-1)).toMatchObject({ stage: 'scope', outcome: 'denied' })
    expect(setting.origin.requests).toEqual([])
  })

  it('knows what is revoked', async () => {
    const token = await setting.token({ client_id: 'rogue', scope: 'chat:write' })
    expect(await explain(CHAT, token)).toMatchObject({ code: 0 })
    const rogue = ['agent', 'rogue', '--issuer', setting.issuer.issuer]
    const access = ['--gate', setting.gate.url, '--key', key]
    expect(await run(['revoke', ...rogue, ...access])).toMatchObject({ code: 0 })
    const revoked = await explain(CHAT, token)
    expect(revoked.code).toBe(1)
    expect(revoked.stdout).toContain('(token_revoked, 401)')
  })

  it('reads the path as it was given', async () => {
    const ambiguous = await explain(['GET', '/v1/x/%2e%2e/chat'], await setting.token())
    expect(ambiguous.code).toBe(1)
    expect(ambiguous.stdout).toContain('(path_ambiguous, 400)')
  })

  it('cannot tell where the gate does not answer the caller', async () => {
    const args = ['explain', 'GET', RESOURCE, '--gate', setting.gate.url]
    const refused = await run(args, { EDGEWARDEN_TOKEN: await setting.token() })
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toContain('No explanation: the gate refused the call')
    expect(refused.stderr).toContain('scope_missing')
  })
})

describe('explain by a file', () => {
  it('comes to the same as the gate, with the key set that the issuer publishes', async () => {
    const jwks = join(directory, 'jwks.json')
    await writeFile(jwks, await (await fetch(setting.issuer.jwksUri)).text())
    const config = join(directory, 'wrangler.toml')
    await writeFile(config, policyFile(setting))
    const token = join(directory, 'token.txt')
    const here = ['--config', config, '--jwks', jwks, '--token', `@${token}`, '--json']
    for (const [method, path] of [CHAT, DOCUMENT]) {
      const there = await explain([method, path], await setting.token(), '--json')
      const judged = await run(['explain', method, `${RESOURCE}${path}`, ...here])
      expect(judged.code).toBe(there.code)
      const { revocations, at, ...explanation } = JSON.parse(judged.stdout)
      expect(revocations).toBe('unknown')
      expect(at).toBeGreaterThan(0)
      expect(withoutTimes(explanation)).toEqual(withoutTimes(JSON.parse(there.stdout)))
    }
  })
})

const policyFile = ({ issuer }: Setting): string => `
[[kv_namespaces]]
binding = "JWKS_CACHE"
[durable_objects]
bindings = [{ name = "REVOCATIONS", class_name = "RevocationShard" }, { name = "KEY_KEEPER", class_name = "KeyKeeper" }, { name = "ASSERTION_KEEPER", class_name = "AssertionKeeper" }]
[vars.GATE]
resource = "${RESOURCE}"
origin = "https://origin.acme.dev"
[vars.ISSUERS.acme]
issuer = "${issuer.issuer}"
jwks_uri = "${issuer.jwksUri}"
allow_insecure_http = true
agent_prefix = "acme/"
[[vars.ROUTES]]
match = "GET /v1/documents/{id}"
scopes = ["documents:read"]
[[vars.ROUTES]]
match = "POST /v1/chat"
scopes = ["chat:write"]
`

/** An explanation without how long its steps took. */
const withoutTimes = (explanation: { readonly steps: readonly { readonly ms?: number }[] }) => ({
  ...explanation,
  steps: explanation.steps.map(({ ms: _, ...step }) => step),
})
