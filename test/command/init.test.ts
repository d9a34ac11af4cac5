import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { describe, expect, inject, it } from 'vitest'
import type { Process } from '../../src/command/base/command.ts'
import { readFilePolicy } from '../../src/command/base/file-policy.ts'
import { init } from '../../src/command/install/init.ts'
import { projectFiles } from '../../src/command/install/init-files.ts'
import { test } from '../../src/command/tests/test.ts'
import { PROFILE_NAMES, PROFILES, type Profile } from '../../src/gate/policy/keys/profiles.ts'
import { CONFIG, ROOT } from '../kit/repository.ts'
import { folder, runHere } from './kit.ts'

const directory = await folder()
let count = 0
const fresh = () => join(directory, `gate-${++count}`)

const NEEDED = { resource: 'https://api.acme.dev', issuer: 'https://auth.acme.dev' }
const ORIGIN = { ...NEEDED, origin: 'https://origin.acme.dev' }
const ALL = { ...ORIGIN, modelApi: 'openai', mcp: 'https://tools.acme.dev/mcp' }

const filesOf = async (path: string): Promise<Readonly<Record<string, string>>> => {
  const names = await readdir(path, { recursive: true, withFileTypes: true })
  const files = names.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name))
  return Object.fromEntries(
    files.sort().map((name) => [name.slice(path.length + 1), readFileSync(name, 'utf8')]),
  )
}

const options = (answers: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(answers).flatMap(([name, value]) => [
    `--${name.replace('modelApi', 'model-api')}`,
    value,
  ])

describe('init', () => {
  it('writes a project that check accepts, once', async () => {
    const path = fresh()
    const first = await runHere(['init', path, ...options(ALL)])
    expect(first).toMatchObject({ code: 0 })
    const files = await filesOf(path)
    expect(first.stdout.trim().split('\n').sort()).toEqual(
      Object.keys(files).map((name) => `wrote ${join(path, name)}`),
    )
    expect(Object.keys(files)).toEqual([
      '.dev.vars.example',
      '.github/workflows/gate.yml',
      '.gitignore',
      'README.md',
      'package.json',
      'src/worker.ts',
      'tests/policy.test.toml',
      'wrangler.toml',
    ])
    expect(await runHere(['check', join(path, 'wrangler.toml')])).toMatchObject({ code: 0 })

    const second = await runHere(['init', path, ...options({ ...ALL, modelApi: 'anthropic' })])
    expect(second).toMatchObject({ code: 1, stdout: '' })
    expect(second.stderr).toContain(`${join(path, 'wrangler.toml')} already exists`)
    expect(second.stderr).toContain('Nothing was written')
    expect(await filesOf(path)).toEqual(files)
  })

  it('leaves alone what is there and writes the rest, if that is wanted', async () => {
    const path = fresh()
    await mkdir(path)
    await writeFile(join(path, 'package.json'), '{ "name": "mine" }')
    const { code, stderr } = await runHere(['init', path, '--keep', ...options(ORIGIN)])
    expect([code, stderr]).toEqual([0, expect.stringContaining('package.json')])
    const files = await filesOf(path)
    expect(files['package.json']).toBe('{ "name": "mine" }')
    expect(files['src/worker.ts']).toContain("export * from 'edgewarden/worker'")
  })

  it('writes no wrangler.toml beside a wrangler.jsonc, which wrangler would read', async () => {
    const path = fresh()
    await mkdir(path)
    await writeFile(join(path, 'wrangler.jsonc'), '{}')
    const { exitCode, err } = await init(path, ORIGIN, {})
    expect([exitCode, err[0]]).toEqual([1, `${join(path, 'wrangler.jsonc')} already exists`])
    const kept = await init(path, { ...ORIGIN, keep: true }, {})
    expect([kept.exitCode, kept.err[0]]).toEqual([0, `kept ${join(path, 'wrangler.jsonc')}`])
    expect(Object.keys(await filesOf(path))).not.toContain('wrangler.toml')
    expect(existsSync(join(path, 'src/worker.ts'))).toBe(true)
  })

  it('pins what this package is and was tested with', async () => {
    const path = fresh()
    await init(path, ORIGIN, {})
    const { version, devDependencies } = JSON.parse(
      await readFile(join(ROOT, 'package.json'), 'utf8'),
    )
    const manifest = JSON.parse(await readFile(join(path, 'package.json'), 'utf8'))
    expect(manifest).toMatchObject({
      dependencies: { edgewarden: version },
      devDependencies: { wrangler: devDependencies.wrangler },
    })
    const create = JSON.parse(
      await readFile(join(ROOT, 'packages/create-edgewarden/package.json'), 'utf8'),
    )
    expect(create).toMatchObject({ version, dependencies: { edgewarden: version } })
  })

  it.each([
    [{}, '--resource, --issuer, one of --origin'],
    [NEEDED, 'What is missing: one of --origin, --model-api and --mcp'],
    [{ ...ORIGIN, resource: 'api.acme.dev' }, '--resource: "api.acme.dev" is not a URL'],
    [{ ...ORIGIN, issuer: 'https://auth.acme.dev/?a' }, '--issuer: "https://auth.acme.dev/?a" is'],
    [{ ...ORIGIN, profile: 'oktta' }, '--profile: "oktta" is not a profile; choose one of rfc9068'],
    [{ ...NEEDED, modelApi: 'mistral' }, '--model-api: "mistral" is not a URL'],
    [{ ...NEEDED, mcp: 'https://tools.acme.dev' }, '--mcp: "https://tools.acme.dev" has no path'],
  ])('cannot tell what to write for %j', async (answers, message) => {
    const path = fresh()
    const { exitCode, err } = await init(path, answers, {})
    expect([exitCode, err.join()]).toEqual([2, expect.stringContaining(message)])
    expect(existsSync(path)).toBe(false)
  })

  it.each([
    [{ ...ORIGIN, resource: 'https://api.example.com' }, 'is a placeholder'],
    [{ ...ORIGIN, resource: 'http://api.acme.dev' }, 'GATE.resource'],
    [{ ...ORIGIN, issuer: 'http://auth.acme.dev' }, 'ISSUERS.main'],
    [{ ...ORIGIN, origin: ORIGIN.resource }, 'GATE.origin'],
    [{ ...ORIGIN, profile: 'cognito' }, 'ISSUERS.main.audiences'],
    [{ ...ORIGIN, resource: 'https://api.acme.dev/"\n[vars.GATE]' }, 'GATE.resource'],
  ])('writes nothing that check would refuse: %j', async (answers, message) => {
    const path = fresh()
    const { exitCode, err } = await init(path, answers, {})
    expect([exitCode, err.join('\n')]).toEqual([1, expect.stringContaining(message)])
    expect(err.at(-1)).toMatch(/^Nothing was written/)
    expect(err.join()).not.toContain('edgewarden-init-')
    expect(existsSync(path)).toBe(false)
  })

  it('says why it cannot write', async () => {
    const path = fresh()
    await writeFile(path, '')
    const { exitCode, err } = await init(path, ORIGIN, {})
    expect([exitCode, err[0]]).toEqual([2, expect.stringMatching(/^Cannot write .*wrangler\.toml/)])
  })
})

describe('the policy that it writes', () => {
  const policyOf = async (answers: Parameters<typeof init>[1]) => {
    const path = fresh()
    const { exitCode, err } = await init(path, answers, {})
    expect([exitCode, err]).toEqual([0, expect.anything()])
    const read = await readFilePolicy({ file: join(path, 'wrangler.toml') })
    if (!read.ok) throw new Error(read.reason.err.join())
    return read.value
  }

  it.each([
    ['an API', { origin: ORIGIN.origin }, 'https://origin.acme.dev', 2, []],
    ['OpenAI', { modelApi: 'openai' }, 'https://api.openai.com', 3, ['OPENAI_API_KEY']],
    ['Anthropic', { modelApi: 'anthropic' }, 'https://api.anthropic.com', 1, ['ANTHROPIC_API_KEY']],
    [
      'a model API',
      { modelApi: 'https://ai.acme.dev/v1' },
      'https://ai.acme.dev',
      3,
      ['MODEL_API_KEY'],
    ],
    ['an MCP server', { mcp: ALL.mcp }, 'https://tools.acme.dev', 1, []],
  ])('is for %s alone', async (_, answers, origin, rules, secrets) => {
    const { vars, secrets: named } = await policyOf({ ...NEEDED, ...answers })
    expect(vars.GATE).toMatchObject({ resource: NEEDED.resource, origin })
    expect(vars.ROUTES).toHaveLength(rules)
    expect([...named]).toEqual(secrets)
  })

  it('is for all of them together', async () => {
    const { policy, vars } = await policyOf({ ...ALL, resource: 'https://api.acme.dev/' })
    expect(vars.ROUTES).toHaveLength(6)
    expect([...policy.resources.keys()]).toContain('https://api.acme.dev/mcp')
  })

  it.each(PROFILE_NAMES)('takes an issuer of profile %s', async (profile) => {
    const { workload, trustDomain }: Profile = PROFILES[profile]
    await policyOf({
      ...ORIGIN,
      profile,
      ...(trustDomain && { issuer: 'spiffe://prod.acme.dev' }),
      ...(!workload && { audience: 'client-7' }),
    })
  })
})

describe('an issuer whose address says what its tokens look like', () => {
  const GITHUB = { ...ORIGIN, issuer: 'https://token.actions.githubusercontent.com' }

  it.each([
    [GITHUB.issuer, 'github-actions'],
    ['https://acme.eu.auth0.com/', 'auth0'],
    ['https://sso.acme.dev/realms/agents', 'keycloak'],
  ])('%s gets its profile', async (issuer, profile) => {
    const path = fresh()
    const { exitCode, err } = await init(path, { ...ORIGIN, issuer }, {})
    expect(exitCode).toBe(0)
    expect(err).toContainEqual(
      `profile = "${profile}" is by the issuer's address; --profile names another.`,
    )
    const { vars } = parse(await readFile(join(path, 'wrangler.toml'), 'utf8'))
    expect(vars).toMatchObject({ ISSUERS: { main: { issuer, profile } } })
  })

  it('keeps the profile that is named', async () => {
    const path = fresh()
    await init(path, { ...ORIGIN, issuer: 'https://acme.eu.auth0.com/', profile: 'rfc9068' }, {})
    const { vars } = parse(await readFile(join(path, 'wrangler.toml'), 'utf8'))
    expect(vars).toMatchObject({ ISSUERS: { main: { profile: 'rfc9068' } } })
  })

  it('needs the id of an account where it signs for everybody, and check asks for it', async () => {
    const path = fresh()
    const { err } = await init(path, GITHUB, {})
    expect(err).toContainEqual(
      'Write the id of your account in place of OWNER_ID in wrangler.toml and tests/policy.test.toml.',
    )
    expect(err).toContainEqual(
      'Write the id of your agent in place of AGENT_ID in wrangler.toml and tests/policy.test.toml.',
    )
    const file = join(path, 'wrangler.toml')
    const wrong = await runHere(['check', file])
    expect(wrong).toMatchObject({ code: 1 })
    for (const id of ['OWNER_ID', 'AGENT_ID']) {
      expect(wrong.stderr).toContain(`"${id}" has the placeholder ${id}; write your own`)
    }
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replaceAll(/"(?:OWNER|AGENT)_ID"/g, '"65"'),
    )
    expect(await runHere(['check', file])).toMatchObject({ code: 0 })
  })
})

describe('the policy tests that it writes for workloads', () => {
  it.each(PROFILE_NAMES.filter((name) => (PROFILES[name] as Profile).workload))(
    'have tokens as %s has them',
    async (profile) => {
      const { shared, trustDomain }: Profile = PROFILES[profile]
      const [signer = trustDomain ? 'spiffe://prod.acme.dev' : NEEDED.issuer] =
        shared?.issuers ?? []
      const path = fresh()
      const answers = { ...ORIGIN, profile, issuer: signer }
      expect((await init(path, answers, {})).exitCode).toBe(0)
      const config = join(path, 'wrangler.toml')
      const { exitCode, err } = await test([join(path, 'tests/policy.test.toml')], { config }, 0)
      expect([exitCode, err]).toEqual([0, []])
    },
  )
})

describe('the files that it writes', () => {
  const versions = { edgewarden: '1.0.0', wrangler: '4.0.0', node: '24.0.0' }
  const files = projectFiles(ALL, { name: 'gate', versions, bringsNode: true, imported: [] })
  const wrangler = parse(files['wrangler.toml'])

  it('bind what the Worker has', () => {
    const { vars: _, build, secrets, main, name, ...rest } = wrangler
    const { vars: __, main: ___, name: ____, ...known } = parse(readFileSync(CONFIG, 'utf8'))
    expect(rest).toEqual(known)
    expect({ build, secrets, main, name }).toEqual({
      build: { command: 'npx edgewarden check' },
      secrets: { required: ['OPENAI_API_KEY'] },
      main: 'src/worker.ts',
      name: 'gate',
    })
  })

  it('give to dev what it takes beside secrets: variables that are there', () => {
    const names = [...(files['.dev.vars.example'] ?? '').matchAll(/^(\w+)=/gm)].map(([, n]) => n)
    expect(names).toEqual(['OPENAI_API_KEY', 'GATE_LOCAL', 'ISSUERS_DEV'])
    expect(wrangler.vars).toMatchObject({ GATE_LOCAL: {}, ISSUERS_DEV: {}, ROUTES_LOCAL: [] })
    const page = readFileSync(join(ROOT, 'docs/local-development.md'), 'utf8')
    const written = [...page.matchAll(/\b((?:GATE|ISSUERS|ROUTES)_\w+)=[{[$]/g)].map(([, n]) => n)
    expect(new Set(written)).toEqual(new Set(['GATE_LOCAL', 'ISSUERS_DEV', 'ROUTES_LOCAL']))
  })

  it('bring a Node where the one here is too old', () => {
    expect(files['package.json']).toContain('"node": "24.0.0"')
    expect(files['.npmrc']).toContain('loglevel=error')
    const others = projectFiles(ALL, { name: 'gate', versions, bringsNode: false, imported: [] })
    expect(others['package.json']).not.toContain('"node"')
    expect(Object.keys(others)).not.toContain('.npmrc')
  })

  it('demand no secret where none is needed', () => {
    const text = projectFiles(ORIGIN, { name: 'gate', versions, bringsNode: false, imported: [] })
    expect(text['wrangler.toml']).not.toContain('[secrets]')
    expect(text['README.md']).not.toContain('secrets.env')
  })
})

describe('in a terminal', () => {
  const dialogue = (replies: readonly string[]) => {
    const asked: string[] = []
    const converse: Process['converse'] = (talk) =>
      talk(async (question) => replies[asked.push(question) - 1])
    return { asked, converse: { converse } }
  }

  it('asks for what no option says, again where an answer is none', async () => {
    const path = fresh()
    const { asked, converse } = dialogue([
      'api',
      'https://api.acme.dev',
      'okta',
      '',
      '',
      ' openai ',
      '',
    ])
    const { exitCode } = await init(path, { issuer: NEEDED.issuer }, converse)
    expect(exitCode).toBe(0)
    expect(asked[0]).toMatch(/^URL that agents will call, such as .*\n> $/)
    expect(asked[1]).toMatch(/^"api" is not a URL such as .*\nURL that agents will call/)
    expect(asked).toHaveLength(7)
    const { vars } = parse(await readFile(join(path, 'wrangler.toml'), 'utf8'))
    expect(vars).toMatchObject({ ISSUERS: { main: { profile: 'okta' } } })
  })

  it('asks nothing where options say enough, and writes nothing if nobody answers', async () => {
    const enough = dialogue([])
    expect(await init(fresh(), ORIGIN, enough.converse)).toMatchObject({ exitCode: 0 })
    expect(enough.asked).toEqual([])
    const path = fresh()
    const outcome = await init(path, NEEDED, dialogue(['rfc9068']).converse)
    expect(outcome).toMatchObject({
      exitCode: 2,
      err: [expect.stringContaining('some answers are missing')],
    })
    expect(existsSync(path)).toBe(false)
  })

  it('asks for an API if neither a model API nor an MCP server is named', async () => {
    const { asked, converse } = dialogue(['', '', '', '', '', '', 'https://origin.acme.dev'])
    expect(await init(fresh(), NEEDED, converse)).toMatchObject({ exitCode: 0 })
    expect(asked.at(-1)).toMatch(/^Without a model API and an MCP server, the gate needs an API/)
  })

  it('gives a command that repeats the answers, if they are not enough', async () => {
    const replies = ['', '', 'https://o.acme.dev', "it's.yaml", '', '']
    const { err } = await init('gate', NEEDED, dialogue(replies).converse)
    expect(err.at(-1)).toBe(
      "To go on with these answers: npx edgewarden init gate --resource 'https://api.acme.dev' --issuer 'https://auth.acme.dev' --origin 'https://o.acme.dev' --openapi 'it'\\''s.yaml'",
    )
  })

  // util-linux makes the terminal. What is typed comes with the question that it answers.
  const SCRIPT = '/usr/bin/script'
  const inTerminal = (args: readonly string[], replies: readonly string[]) =>
    new Promise<{ readonly code: number; readonly shown: string }>((done) => {
      const command = [process.execPath, inject('command'), 'init', ...args].join(' ')
      const child = execFile(SCRIPT, ['-qec', command, '/dev/null'], (error, shown) =>
        done({ code: Number(error?.code ?? 0), shown }),
      )
      const left = [...replies]
      child.stdout?.on('data', (text: string) => {
        if (text.includes('> ')) child.stdin?.write(left.shift() ?? '')
      })
    })

  it.runIf(existsSync(SCRIPT))('is talked with, and takes a pasted list of answers', async () => {
    const path = fresh()
    const pasted = ['', '', '', 'anthropic', '', ''].join('\r')
    const { code, shown } = await inTerminal(
      [path],
      ['https://api.acme.dev\r', `https://auth.acme.dev\r${pasted}`],
    )
    expect([code, shown]).toEqual([0, expect.stringContaining('model API that the gate has a key')])
    expect(Object.keys(await filesOf(path))).toContain('wrangler.toml')
  })

  it.runIf(existsSync(SCRIPT))('ends by ^D with nothing written', async () => {
    const path = fresh()
    const { code, shown } = await inTerminal([path], ['https://api.acme.dev\r', '\u0004'])
    expect([code, shown]).toEqual([2, expect.stringContaining('Nothing was written')])
    expect(existsSync(path)).toBe(false)
  })
})
