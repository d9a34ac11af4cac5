import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, parse as parsePath } from 'node:path'
import { Ajv } from 'ajv'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { nameOf } from '../../src/command/base/command.ts'
import { COMMANDS } from '../../src/command/commands.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'
import { deployment, ROOT } from '../kit/repository.ts'
import type { Members } from '../kit/signing.ts'
import { hostEnv, run } from './host.ts'
import { CREATE, createProject, type Project, packCreate, packRepository } from './project.ts'
import { type Packed, type Registry, startRegistry } from './registry.ts'

/**
 * The first day of a user, from the packed tarballs: an empty folder, a real issuer, a model API and an MCP
 * server, to the first allowed and the first refused call. No file is edited.
 */

const KEY = 'sk-of-the-model-api'
const READER = { clientId: 'reader', clientSecret: 'reader-secret', scopes: ['other'] }
const AGENT = {
  clientId: 'agent-1',
  clientSecret: 'agent-secret',
  scopes: ['models:use', 'mcp:connect', 'mcp:tools'],
}

let directory: string
let registry: Registry
let create: Packed
let empty: Project
let issuer: AuthorizationServer
let model: Origin
let mcp: McpOrigin
let gate: Gate | undefined
let port: number
const project = () => join(empty.directory, 'gate')
const resource = () => `http://127.0.0.1:${port}`

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-create-'))
  port = await freePort()
  const packed = await packRepository(directory)
  create = await packCreate(directory)
  registry = await startRegistry(directory, { [ROOT]: packed, [CREATE]: create })
  empty = await createProject(join(directory, 'empty'), registry)
  await rm(join(empty.directory, 'package.json'))
  ;[issuer, model, mcp] = await Promise.all([
    startAuthorizationServer({
      resource: resource(),
      furtherResources: [`${resource()}/mcp`],
      clients: [AGENT, READER],
    }),
    startOrigin(),
    startMcpOrigin(),
  ])
})
afterAll(async () => {
  await Promise.all([
    gate?.stop(),
    registry?.close(),
    issuer?.close(),
    model?.close(),
    mcp?.close(),
  ])
  await rm(directory, { recursive: true, force: true })
})

/** Seconds of each step, and what processors gave to the commands that it ran. */
const watch: Record<string, readonly [elapsed: number, processor: number]> = {}
const timed = async <T>(name: string, step: () => Promise<T>): Promise<T> => {
  const [start, spent] = [performance.now(), childSeconds()]
  const value = await step()
  watch[name] = [(performance.now() - start) / 1000, childSeconds() - spent]
  return value
}

/** Processor time of all commands that have ended, in seconds, as Linux tells it (proc_pid_stat(5)); elsewhere elapsed time. */
const childSeconds = (): number => {
  if (process.platform !== 'linux') return performance.now() / 1000
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(13)
  return (Number(user) + Number(system)) / 100
}

/** Runs a command in the project that was made. */
const inProject = (...command: readonly [string, ...string[]]) =>
  empty.run('env', '-C', project(), ...command)

describe('npm create edgewarden', () => {
  it('writes a project', async () => {
    const options = {
      resource: resource(),
      issuer: issuer.issuer,
      'model-api': `${model.url}/v1`,
      mcp: `${mcp.url}/mcp`,
    }
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
    const made = await timed('npm create edgewarden', () =>
      empty.run('npm', 'create', '--yes', 'edgewarden', 'gate', '--', ...flags),
    )
    expect(made.stdout).toContain('wrote gate/wrangler.toml')
    expect(made.stderr).not.toContain('EBADENGINE')
    expect(await readdir(empty.directory)).toContain('gate')
  })

  it('which installs without a word about engines', async () => {
    const { stdout, stderr } = await timed('npm install', () => inProject('npm', 'install'))
    expect(stdout + stderr).not.toMatch(/EBADENGINE|npm warn/i)
    // wrangler refuses an older Node than 22: the project brings one for such a machine.
    const { stdout: version } = await run(directory, ['node', '--version'])
    const isOld = Number(/\d+/.exec(version)) < 22
    expect((await readdir(project())).includes('.npmrc')).toBe(isOld)
  })

  it('whose wrangler.toml an editor checks by the schema of the package', async () => {
    const text = readFileSync(join(project(), 'wrangler.toml'), 'utf8')
    const [, schema = ''] = /^#:schema (\S+)\n/.exec(text) ?? []
    const accepts = new Ajv({ strict: false }).compile(
      JSON.parse(readFileSync(join(project(), schema), 'utf8')),
    )
    expect([accepts(parse(text)), accepts.errors]).toEqual([true, null])
    expect(accepts(parse(text.replace('[[vars.ROUTES]]\nmatch', '[[vars.ROUTES]]\nmach')))).toBe(
      false,
    )
  })

  it('passes its own check, and wrangler', async () => {
    await timed('edgewarden check', () => inProject('npx', 'edgewarden', 'check'))
    const { stdout } = await timed('wrangler deploy --dry-run', () =>
      inProject('npx', 'wrangler', 'deploy', '--dry-run', '--outdir', 'dist'),
    )
    expect(stdout).toContain('Running: npx edgewarden check')
    for (const name of ['KeyService', 'RevocationShard']) expect(stdout).toContain(name)
  })

  it.runIf(COMMANDS.some((row) => nameOf(row) === 'test'))('passes its own tests', async () => {
    const command = ['npx', 'edgewarden', 'test', '--min-coverage', '100'] as const
    await timed('edgewarden test', () => inProject(...command))
  })

  it('tries its MCP rule and its model rule, without a server and without a key', async () => {
    const { stdout } = await timed('edgewarden try', () => inProject('npx', 'edgewarden', 'try'))
    expect(stdout).toContain(`> POST ${resource()}/mcp tools/call search`)
    expect(stdout).toContain('search was called.')
    expect(stdout).toContain(`> POST ${resource()}/v1/chat/completions`)
    expect(stdout).toContain('chat.completion')
    expect(stdout).toMatch(/requests: \d+ as expected, 0 not/)
    expect([model.requests.length, mcp.requests.length]).toEqual([0, 0])
  })

  it('allows the first call, and refuses the first', async () => {
    const config = join(project(), 'wrangler.toml')
    const { vars } = parse(readFileSync(config, 'utf8')) as { vars: Members }
    gate = await timed('workerd', () =>
      startGate({
        port,
        vars,
        secrets: { MODEL_API_KEY: KEY },
        bundle: join(project(), 'dist', `${parsePath(deployment(config).main).name}.js`),
        durableObjects: deployment(config).durableObjects,
      }),
    )
    const call = async (client: typeof AGENT, scope: string) => {
      const token = await issuer.token({ ...client, scope })
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ model: 'any', messages: [] })
      return fetch(`${resource()}/v1/chat/completions`, { method: 'POST', headers, body })
    }
    const allowed = await timed('first allowed call', () => call(AGENT, 'models:use'))
    expect(allowed.status).toBe(200)
    const [arrived] = model.requests
    expect(arrived?.header('authorization')).toBe(`Bearer ${KEY}`)
    expect(arrived?.header('x-agent-id')).toBe('main/agent-1')
    const refused = await timed('first refused call', () => call(READER, 'other'))
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ code: 'scope_missing' })
    expect(model.requests).toHaveLength(1)
    const total = [0, 1].map((i) => Object.values(watch).reduce((sum, s) => sum + (s[i] ?? 0), 0))
    const column = (seconds: number) => `${seconds.toFixed(1).padStart(6)} s`
    const lines = Object.entries({ ...watch, 'in all': total })
    console.log(lines.map(([name, s]) => `${s.map(column).join('')}  ${name}`).join('\n'))
    expect(total[1]).toBeGreaterThan(1)
    expect(total[1]).toBeLessThan(120)
  })

  it('is not deployed with a mistake in its policy', async () => {
    const config = join(project(), 'wrangler.toml')
    const text = readFileSync(config, 'utf8')
    await empty.write('gate/wrangler.toml', text.replace('scopes = ["models:use"]', 'scops = []'))
    const deploy = inProject('npx', 'wrangler', 'deploy', '--dry-run')
    await expect(deploy).rejects.toThrow('did you mean `scopes`')
    await empty.write('gate/wrangler.toml', text)
  })
})

const TEAM = 'payments@my-company.com'

describe('rules of a team', () => {
  const config = () => join(project(), 'wrangler.toml')
  let text: string
  beforeAll(async () => {
    text = readFileSync(config(), 'utf8')
    const [build, module] = [
      '"npx edgewarden check --write"',
      '"./.wrangler/edgewarden/policy.mjs"',
    ]
    await empty.write(
      'gate/wrangler.toml',
      `${text.replace('"npx edgewarden check"', build)}
[vars.TEAMS.payments]
owner = "${TEAM}"
paths = ["/payments"]
[alias]
"edgewarden/policy" = ${module}
`,
    )
    await mkdir(join(project(), 'routes'))
  })
  afterAll(() => empty.write('gate/wrangler.toml', text))

  const rules = (scope: string) =>
    empty.write(
      'gate/routes/payments.toml',
      `[[routes]]\nmatch = "GET /payments/{id}"\nscopes = ["${scope}"]\n`,
    )
  const bundle = async () => {
    const { stdout } = await inProject('npx', 'wrangler', 'deploy', '--dry-run', '--outdir', 'dist')
    expect(stdout).toContain('wrote ./.wrangler/edgewarden/policy.mjs')
  }
  const asked = async (client: typeof AGENT, scope: string) => {
    const token = await issuer.token({ ...client, scope })
    const headers = { authorization: `Bearer ${token}` }
    return (await fetch(`${resource()}/payments/7`, { headers })).status
  }
  /** Asks a gate that has the variables of wrangler.toml and no others. */
  const answers = async (client: typeof AGENT, scope: string) => {
    const { vars } = parse(readFileSync(config(), 'utf8')) as { vars: Members }
    await gate?.stop()
    gate = await startGate({
      port,
      vars,
      secrets: { MODEL_API_KEY: KEY },
      bundle: join(project(), 'dist', `${parsePath(deployment(config()).main).name}.js`),
      durableObjects: deployment(config()).durableObjects,
    })
    return asked(client, scope)
  }

  it('are in the bundle of each deploy, as they are then', async () => {
    await rules('models:use')
    await bundle()
    expect(await answers(AGENT, 'models:use')).toBe(200)
    expect(await answers(READER, 'other')).toBe(403)
    await rules('other')
    await bundle()
    expect(await answers(AGENT, 'models:use')).toBe(403)
    expect(await answers(READER, 'other')).toBe(200)
  })

  it('keep the gate from a deploy that has a mistake of theirs, which names file and owner', async () => {
    await empty.write(
      'gate/routes/payments.toml',
      '[[routes]]\nmatch = "GET /search"\nscopes = []\n',
    )
    await expect(bundle()).rejects.toThrow(
      `routes/payments.toml:2:1 (${TEAM}): routes[0].match: is outside the paths of this team`,
    )
    await empty.write('gate/routes/payments.toml', '[[routes]\n')
    await expect(bundle()).rejects.toThrow(`routes/payments.toml:1:10 (${TEAM}): not valid TOML`)
  })

  it('are served off Cloudflare', async () => {
    await rules('models:use')
    await gate?.stop()
    const bin = join(project(), 'node_modules/.bin')
    const host = hostEnv()
    // As npx has it: the Node of the project comes first.
    const env = { ...host, PATH: `${bin}${delimiter}${host.PATH}`, MODEL_API_KEY: KEY }
    const args = ['serve', '--listen', `127.0.0.1:${port}`]
    const served = spawn(join(bin, 'edgewarden'), args, { cwd: project(), env, stdio: 'ignore' })
    const ended = once(served, 'exit')
    try {
      await expect.poll(() => asked(AGENT, 'models:use').catch(() => 0)).toBe(200)
      expect(await asked(READER, 'other')).toBe(403)
    } finally {
      served.kill()
      await ended
    }
  })
})
