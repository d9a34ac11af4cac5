import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { render } from '../../src/command/base/output.ts'
import { type ExplainOptions, explain } from '../../src/command/operate/explain.ts'
import { runHere } from '../command/kit.ts'
import { COMMANDS } from './commands-setting.ts'
import { askGate, RESOURCE, type Setting, sharedSetting } from './setting.ts'

let directory: string
let setting: Setting

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-explain-'))
  setting = await sharedSetting(COMMANDS)
  // An explanation fetches nothing: the gate has keys of an issuer once a request has needed them.
  const token = await setting.token()
  expect((await askGate(setting.gate, '/v1/chat', { method: 'POST', token })).status).toBe(200)
})
beforeEach(() => setting.origin.clear())
afterAll(() => rm(directory, { recursive: true, force: true }))

/** The environment of an operator who may read explanations. */
const operator = async () => ({
  EDGEWARDEN_TOKEN: await setting.token({ client_id: 'operator', scope: 'edgewarden:read' }),
})

const around = (env: Readonly<Record<string, string>>, token = '') => ({
  env,
  now: () => Date.now() / 1000,
  stdin: async () => token,
})

/** Explains a request at the running gate, or by a file. */
const explained = async (
  [method, path]: readonly [string, string],
  token: string,
  options: ExplainOptions = { gate: setting.gate.url },
) => {
  const env = options.gate === undefined ? {} : await operator()
  const outcome = await explain(
    method,
    `${RESOURCE}${path}`,
    { ...options, token: '-' },
    around(env, token),
  )
  return { ...outcome, ...render(outcome, false) }
}

const CHAT = ['POST', '/v1/chat'] as const
const DOCUMENT = ['GET', '/v1/documents/7'] as const

describe('explain --gate', () => {
  it('tells what the gate would do, and forwards nothing', async () => {
    const token = await setting.token({ client_id: 'planner', scope: 'chat:write' })
    const file = join(directory, 'planner.txt')
    await writeFile(file, `${token}\n`)
    const args = ['explain', 'POST', `${RESOURCE}/v1/chat`, '--token', `@${file}`]
    const allowed = await runHere([...args, '--gate', setting.gate.url], await operator())
    expect(allowed).toMatchObject({ code: 0, stderr: '' })
    expect(allowed.stdout).toContain('✓ revocation')
    expect(allowed.stdout).toContain('Allowed by the rule "POST /v1/chat", as acme/planner of ')

    const denied = await explained(DOCUMENT, token)
    expect(denied).toMatchObject({ exitCode: 1, stderr: '' })
    expect(denied.stdout).toContain('✗ scope ')
    expect(denied.stdout).toContain('(scope_missing, 403)')
    expect(denied.stdout).toContain('Scopes it needs, all of them: documents:read')
    expect(denied.json).toMatchObject({ allowed: false, denial: { code: 'scope_missing' } })
    for (const part of token.split('.')) {
      expect(allowed.stdout + JSON.stringify(denied)).not.toContain(part)
    }
    expect(setting.origin.requests).toEqual([])
  })
})

describe('explain by a file', () => {
  it('comes to the same as the gate, with the key set that the issuer publishes', async () => {
    const jwks = join(directory, 'jwks.json')
    await writeFile(jwks, await (await fetch(setting.issuer.jwksUri)).text())
    const config = join(directory, 'wrangler.toml')
    await writeFile(config, policyFile(setting))
    for (const asked of [CHAT, DOCUMENT]) {
      const token = await setting.token()
      const there = await explained(asked, token)
      const here = await explained(asked, token, { config, jwks })
      expect(here.exitCode).toBe(there.exitCode)
      const { revocations, at, ...explanation } = here.json as Explanation
      expect(revocations).toBe('unknown')
      expect(at).toBeGreaterThan(0)
      expect(withoutTimes(explanation)).toEqual(withoutTimes(there.json as Explanation))
    }
  })
})

interface Explanation {
  readonly revocations?: string
  readonly at?: number
  readonly steps: readonly { readonly ms?: number }[]
}

const policyFile = ({ issuer }: Setting): string => `
[[kv_namespaces]]
binding = "JWKS_CACHE"
[durable_objects]
bindings = [{ name = "REVOCATIONS", class_name = "RevocationShard" }, { name = "KEY_SERVICE", class_name = "KeyService" }, { name = "ASSERTION_KEY_SERVICE", class_name = "AssertionKeyService" }]
[vars.GATE]
resource = "${RESOURCE}"
origin = "https://origin.acme.dev"
[vars.ISSUERS.acme]
issuer = "${issuer.issuer}"
jwks_uri = "${issuer.jwksUri}"
allow_insecure_http = true
agent_prefix = "acme/"
admin = "all"
[[vars.ROUTES]]
match = "GET /v1/documents/{id}"
scopes = ["documents:read"]
[[vars.ROUTES]]
match = "POST /v1/chat"
scopes = ["chat:write"]
`

/** An explanation without how long its steps took. */
const withoutTimes = (explanation: Explanation) => ({
  ...explanation,
  steps: explanation.steps.map(({ ms: _, ...step }) => step),
})
