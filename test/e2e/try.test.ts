import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { init } from '../../src/command/install/init.ts'
import { folder, runHere } from '../command/kit.ts'
import { ROOT } from '../kit/repository.ts'

/** `edgewarden try` in a project that `init` has just written, with the bundle of this run. */

const ANSWERS = {
  resource: 'https://api.acme.dev',
  issuer: 'https://auth.acme.dev',
  modelApi: 'openai',
  mcp: 'https://tools.acme.dev/mcp',
}

const directory = await folder()
const project = join(directory, 'gate')
const config = join(project, 'wrangler.toml')
const tests = join(project, 'tests/policy.test.toml')
const MODULES = join(ROOT, 'node_modules')

interface Case {
  readonly name: string
  readonly request: string
  readonly status: number
  readonly code?: string
  readonly body: string
  readonly origin?: { readonly address: string; readonly headers: Record<string, string> }
  readonly skipped?: string
}

const args = ['try', tests, '--config', config, '--bundle', inject('bundle')]
const tried = async (env: Record<string, string> = {}) => {
  const { code, stdout, stderr } = await runHere([...args, '--json'], env)
  return { code, stderr, ...(JSON.parse(stdout) as { passed: boolean; cases: readonly Case[] }) }
}

beforeAll(async () => {
  expect(await init(project, ANSWERS, {})).toMatchObject({ exitCode: 0 })
  await symlink(MODULES, join(project, 'node_modules'))
})

describe('a project that init has just written', () => {
  it('calls its MCP server and its model API, and shows what came back', async () => {
    const real = 'sk-of-the-environment'
    const { code, passed, cases } = await tried({ OPENAI_API_KEY: real })
    expect([code, passed]).toEqual([0, true])
    const named = (start: string) => cases.find(({ name }) => name.startsWith(start))

    const tool = named('a tool call with')
    expect(tool).toMatchObject({
      request: 'POST https://api.acme.dev/mcp tools/call search',
      status: 200,
      origin: {
        address: 'tools.acme.dev/mcp',
        headers: { 'x-agent-id': 'main/example', 'x-agent-scope': 'mcp:connect mcp:tools' },
      },
    })
    expect(JSON.parse(tool?.body ?? '').result.content[0].text).toContain('search was called.')

    const chat = named('POST /v1/chat/completions with models:use')
    expect(chat).toMatchObject({
      status: 200,
      origin: {
        address: 'api.openai.com/v1/chat/completions',
        headers: { authorization: `Bearer \${OPENAI_API_KEY}` },
      },
    })
    expect(JSON.parse(chat?.body ?? '').choices[0].message.content).toContain('api.openai.com')

    const refused = named('POST /v1/chat/completions without')
    expect(refused).toMatchObject({ status: 403, code: 'scope_missing' })
    expect(refused).not.toHaveProperty('origin')
    expect(named('a request without a token')).toMatchObject({ status: 401 })
    expect(JSON.stringify(cases)).not.toContain(real)
  })

  it('prints the same for people', async () => {
    const { code, stdout } = await runHere(args)
    expect(code).toBe(0)
    expect(stdout).toContain(`✓ a tool call with mcp:connect mcp:tools
  > POST https://api.acme.dev/mcp tools/call search
    tools.acme.dev/mcp got POST, x-agent-id: main/example, x-agent-scope: mcp:connect mcp:tools
  < 200 {`)
    expect(stdout).toMatch(/ {2}< 403 scope_missing \{/)
    expect(stdout).toContain('9 requests: 9 as expected, 0 not\n')
  })
})

it.each([
  ['spiffe://prod.acme.dev', 'spiffe'],
  ['https://token.actions.githubusercontent.com', 'github-actions'],
])('signs as %s does', async (issuer, profile) => {
  const path = join(directory, profile)
  const { resource } = ANSWERS
  await init(path, { resource, issuer, profile, origin: 'https://origin.acme.dev' }, {})
  await symlink(MODULES, join(path, 'node_modules'))
  const [policy, cases] = ['wrangler.toml', 'tests/policy.test.toml'].map((name) =>
    join(path, name),
  ) as [string, string]
  for (const file of [policy, cases])
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replaceAll(/"(?:OWNER|AGENT)_ID"/g, '"65"'),
    )
  const bundle = ['--bundle', inject('bundle')]
  const { code, stdout } = await runHere(['try', cases, '--config', policy, ...bundle])
  expect([code, stdout]).toEqual([0, expect.stringContaining('5 requests: 5 as expected, 0 not')])
})

describe('a case', () => {
  const added = async (lines: string) => {
    const text = await readFile(tests, 'utf8')
    await writeFile(tests, `${text}\n[[case]]\nname = "mine"\n${lines}\n`)
    try {
      const result = await tried()
      return { ...result, mine: result.cases.at(-1) }
    } finally {
      await writeFile(tests, text)
    }
  }
  const CHAT = 'request = "POST /v1/chat/completions"'

  it('that is decided otherwise fails, at its line', async () => {
    const claims = 'claims = { scope = "models:use" }'
    const { code, mine } = await added(`${CHAT}\n${claims}\nexpect = { code = "scope_missing" }`)
    expect([code, mine]).toEqual([
      1,
      expect.objectContaining({ failure: 'decision is to be "denied", but it is allowed' }),
    ])
    const other = await added(`${CHAT}\nexpect = { code = "token_expired" }`)
    expect([other.code, other.mine]).toEqual([
      1,
      expect.objectContaining({
        failure: 'code is to be "token_expired", but it is denied: credential_missing',
      }),
    ])
  })

  it('whose refusal has no body is refused all the same', async () => {
    const head = 'request = "HEAD /v1/chat/completions"'
    const { code, mine } = await added(`${head}\nexpect = { decision = "allowed" }`)
    const { status } = mine ?? {}
    expect([code, mine]).toEqual([
      1,
      expect.objectContaining({
        failure: `decision is to be "allowed", but it is denied: status ${status}, without a code`,
      }),
    ])
  })

  it('that no running gate can decide is not sent', async () => {
    const { code, mine } = await added(`${CHAT}\nconnection = { country = "DE" }`)
    expect([code, mine]).toEqual([
      0,
      expect.objectContaining({ skipped: 'it says where the request comes from' }),
    ])
    expect(mine).not.toHaveProperty('status')
  })
})

describe('does not start', () => {
  it('with a mistake in the policy', async () => {
    const text = await readFile(config, 'utf8')
    await writeFile(config, text.replace('scopes = ["models:use"]', 'scops = []'))
    const { code, stderr } = await runHere(args)
    await writeFile(config, text)
    expect([code, stderr]).toEqual([1, expect.stringContaining('did you mean `scopes`')])
  })

  it('without tests', async () => {
    const empty = join(directory, 'empty.test.toml')
    const { code, stderr } = await runHere(['try', empty, '--config', config])
    expect([code, stderr]).toEqual([2, expect.stringContaining(empty)])
  })
})
