import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { VerifyOptions } from '../../packages/origin/src/index.ts'
import { eventually } from '../kit/eventually.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { freePort } from '../kit/port.ts'
import { ROOT } from '../kit/repository.ts'
import { request } from '../kit/request.ts'
import { AGENT_ISSUER, digestOf, openGate, type TestGate, URL_ } from '../origin/support.ts'
import { hostEnv } from './host.ts'
import { compile, createProject, ORIGIN, type Project, packOrigin, tsconfig } from './project.ts'
import { type Packed, type Registry, startRegistry } from './registry.ts'
import { onNode, onWorkerd, type Served } from './runtimes.ts'

let directory: string
let packed: Packed
let registry: Registry
/** Has the package and what comes with it. */
let bare: Project
/** Has Express and Hono too. */
let full: Project

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-origin-'))
  packed = await packOrigin(directory)
  registry = await startRegistry(directory)
  bare = await createProject(join(directory, 'bare'), registry)
  full = await createProject(join(directory, 'full'), registry)
  const tarball = join(directory, packed.filename)
  await bare.run('npm', 'install', tarball)
  await full.run('npm', 'install', tarball, 'express', 'hono')
})
afterAll(async () => {
  await registry?.close()
  await rm(directory, { recursive: true, force: true })
})

describe('the tarball', () => {
  it('holds what package.json names, what that shares, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path.replace(/-[0-9A-Z]{8}\.js$/, '-HASH.js'))
    expect(paths.sort()).toEqual([
      'LICENSE',
      'README.md',
      'lib/chunk-HASH.js',
      'lib/express.d.ts',
      'lib/express.js',
      'lib/hono.d.ts',
      'lib/hono.js',
      'lib/index.d.ts',
      'lib/index.js',
      'package.json',
    ])
  })

  it('brings jose alone into an empty project', async () => {
    const { stdout } = await bare.run('npm', 'query', ':root *')
    const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)
    expect(names.sort()).toEqual(['edgewarden-origin', 'jose'])
  })
})

describe('the types', () => {
  const at = (name: string) => join(ROOT, 'node_modules', name)
  const bundler = { module: 'esnext', moduleResolution: 'bundler', noEmit: true }

  it.each([
    ['no platform', { ...bundler, lib: ['es2022', 'dom'], types: [] }],
    ['Node', { module: 'nodenext', noEmit: true, lib: ['es2022'], types: [at('@types/node')] }],
    ['Workers', { ...bundler, lib: ['es2022'], types: [at('@cloudflare/workers-types')] }],
  ])('compile beside those of %s', async (_, options) => {
    await cp(
      join(ROOT, 'test/package/origin-consumer.ts'),
      join(full.directory, 'origin-consumer.ts'),
    )
    await full.write('tsconfig.json', tsconfig(options, ['origin-consumer.ts']))
    await compile(full, 'tsconfig.json')
  })

  it('need neither Express nor Hono, but for the middleware of Hono', async () => {
    const names = ['edgewarden-origin', 'edgewarden-origin/express']
    await bare.write('types.ts', names.map((name) => `export * from '${name}'\n`).join(''))
    const options = { ...bundler, lib: ['es2022', 'dom'], types: [] }
    await bare.write('tsconfig.json', tsconfig(options, ['types.ts']))
    await compile(bare, 'tsconfig.json')
  })
})

/** The examples of the README, by their headings. */
const EXAMPLES = ['With Express', 'With Hono', 'With any Fetch handler'] as const
type Example = (typeof EXAMPLES)[number]

/** The text of an example, with these addresses and this port in place of its own. */
const exampleOf = async (name: Example, gate: string, audience: string, port: number) => {
  const readme = await readFile(join(ORIGIN, 'README.md'), 'utf8')
  const [, text = ''] = readme.split(`\n${name}:\n\n\`\`\`js\n`)
  return text
    .replace(/```.*/s, '')
    .replace('https://api.example.com', gate)
    .replace('https://origin.example.com', audience)
    .replace('8080', String(port))
}

/** Runs a module that listens by itself. */
const run = ({ directory }: Project, module: string, port: number): Served => {
  const stdio = ['ignore', 'ignore', 'inherit'] as const
  const child = spawn('node', [module], { cwd: directory, env: hostEnv(), stdio: [...stdio] })
  const ended = once(child, 'close')
  return {
    port,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

describe('behind a gate', () => {
  let issuer: Issuer
  let gate: Gate
  let ports: Readonly<Record<Example, number>>
  const served: Served[] = []
  beforeAll(async () => {
    const port = await freePort()
    const resource = `http://127.0.0.1:${port}`
    ports = {
      'With Express': await freePort(),
      'With Hono': await freePort(),
      'With any Fetch handler': await freePort(),
    }
    const urlOf = (name: Example) => `http://127.0.0.1:${ports[name]}`
    issuer = await createIssuer({ defaults: { aud: resource } })
    gate = await startGate({
      port,
      vars: {
        GATE: { resource, origin: urlOf('With Express'), insecure_http: true },
        ISSUERS: {
          acme: {
            issuer: issuer.issuer,
            jwks_uri: issuer.jwksUri,
            allow_insecure_http: true,
          },
        },
        ROUTES: EXAMPLES.map((name, i) => ({
          match: `GET /${i}/v1/documents/{id}`,
          scopes: ['docs:read'],
          strip_prefix: `/${i}`,
          origin: urlOf(name),
        })),
      },
    })
    for (const name of EXAMPLES) {
      const project = name === 'With any Fetch handler' ? bare : full
      const module = `${name.replaceAll(' ', '-')}.js`
      await project.write(module, await exampleOf(name, resource, urlOf(name), ports[name]))
      served.push(
        name === 'With Express'
          ? run(project, module, ports[name])
          : await onNode(project.directory, module, { port: ports[name] }),
      )
    }
    await eventually(() => request(ports['With Express'], '/'))
  })
  afterAll(() => Promise.all([gate?.stop(), issuer?.close(), ...served.map((one) => one.stop())]))

  it.each(EXAMPLES)('the example "%s" knows who calls', async (name) => {
    const authorization = `Bearer ${await issuer.mint({ scope: 'docs:read' })}`
    const path = `/${EXAMPLES.indexOf(name)}/v1/documents/7`
    const answer = await gate.fetch(path, { headers: { authorization } })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ by: 'agent-1' })
  })

  it.each(EXAMPLES)('the example "%s" refuses whoever passes by it', async (name) => {
    const answer = await request(ports[name], '/v1/documents/7')
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ code: 'assertion_missing' })
  })
})

describe.each([
  ['Node', onNode],
  ['workerd', onWorkerd],
] as const)('on %s', (_, start) => {
  let gate: TestGate
  let served: Served
  beforeAll(async () => {
    gate = await openGate()
    await bare.write('origin.js', originText(gate.options))
    served = await start(bare.directory, 'origin.js')
  })
  afterAll(() => Promise.all([served?.stop(), gate?.close()]))

  const ask = async (assertion?: string, { body = 'to be continued', by = served } = {}) => {
    const own = assertion === undefined ? {} : { 'x-agent-assertion': assertion }
    const headers = { host: new URL(URL_).host, ...own }
    const init = { method: 'POST', headers, body }
    const answer = await request(by.port, '/v1/documents/7', init)
    return { status: answer.status, ...((await answer.json()) as object) }
  }
  const bound = { htm: 'POST', htu: URL_, bdh: digestOf('to be continued') }

  it('knows who calls, and is not told twice', async () => {
    const assertion = await gate.assertion(bound)
    expect(await ask(assertion)).toEqual({ status: 200, id: 'agent-1', issuer: AGENT_ISSUER })
    expect(await ask(assertion)).toMatchObject({ status: 401, code: 'assertion_replayed' })
  })

  it('refuses what is not so', async () => {
    expect(await ask()).toMatchObject({ status: 401, code: 'assertion_missing' })
    const other = await ask(await gate.assertion(bound), { body: 'to be ended' })
    expect(other).toMatchObject({ status: 401, code: 'body_mismatch' })
  })
})

/** An origin that tells its callers who they are. */
const originText = (options: VerifyOptions): string => `
import { createProcessReplays, refusal, verifyAgent } from 'edgewarden-origin'
const replays = createProcessReplays()
const options = { ...${JSON.stringify(options)}, replays }
export default {
  fetch: (request) =>
    verifyAgent(request, options).then(({ id, issuer }) => Response.json({ id, issuer }), refusal),
}
`
