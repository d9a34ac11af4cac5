import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build as esbuild } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../kit/repository.ts'
import { request } from '../kit/request.ts'
import { createKey } from '../kit/signing.ts'
import { run } from './host.ts'
import { compile, tsconfig } from './project.ts'
import { onNode, onWorkerd, type Served } from './runtimes.ts'
import { COMPANIONS, openWorld, RESOURCE, type World } from './world.ts'

const NODE = `Node ${(await run(tmpdir(), ['node', '--version'])).stdout.trim()}`

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world?.close())

describe('the tarball', () => {
  const paths = () => world.packed.files.map(({ path }) => path)

  it('holds the package and nothing else of the repository', () => {
    const rest = paths().filter(
      (path) =>
        !/^src\/.*\.(?:ts|template)$|^lib\/.*(?:\.template|(?:\.js|\.d\.ts)(?:\.map)?)$|^packages\/cel\/src\/[\w-]+(?:\.js|\.d\.ts)$/.test(
          path,
        ),
    )
    expect(rest.sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'config-schema.json',
      'package.json',
      'packages/cel/LICENSE',
      'packages/cel/README.md',
      'src/control/console/page/style.css',
    ])
  })

  it('holds what package.json names', async () => {
    const manifest = await readFile(join(ROOT, 'package.json'), 'utf8')
    const { exports, bin } = JSON.parse(manifest) as {
      readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
      readonly bin: Readonly<Record<string, string>>
    }
    const named = [...Object.values(exports), bin]
      .flatMap((one) => (typeof one === 'string' ? one : Object.values(one)))
      .map((path) => posix.normalize(path))
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter((path) => !paths().includes(path))).toEqual([])
    const command = world.packed.files.find(({ path }) => path === bin.edgewarden)
    expect((command?.mode ?? 0) & 0o111).toBe(0o111)
  })

  it('has a bill of materials with all that it brings, and nothing of development', async () => {
    const file = join(world.directory, 'edgewarden.cdx.json')
    const node = join(ROOT, 'node_modules/.bin/node')
    await world.project.run(node, join(ROOT, 'dev/scripts/release.ts'), 'sbom', world.tarball, file)
    const { bomFormat, metadata, components } = JSON.parse(await readFile(file, 'utf8'))
    expect([bomFormat, metadata.component.purl]).toEqual([
      'CycloneDX',
      `pkg:npm/edgewarden@${world.packed.version}`,
    ])
    const names = (components as { name: string }[]).map(({ name }) => name)
    expect(names.sort()).toEqual([...COMPANIONS, '@marcbachmann/cel-js'].sort())
  })
})

describe(`an empty project on ${NODE}`, () => {
  it('gets each package once, hono among them', async () => {
    const { stdout } = await world.project.run('npm', 'query', ':root *')
    const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)
    expect(names.sort()).toEqual([...COMPANIONS, 'edgewarden'].sort())
  })

  it('has the command', async () => {
    const { project, origin } = world
    const key = ['--key', 'ops.jwk'] as const
    await project.run('npx', 'edgewarden', 'keygen', '--agent', '--issuer', 'ops')
    const mint = ['npx', 'edgewarden', 'mint', '--json', '--audience', RESOURCE] as const
    const { stdout } = await project.run(...mint, ...key)
    expect(JSON.parse(stdout)).toMatchObject({ claims: { aud: RESOURCE } })
    // An origin is no gate, and tells no resource.
    const list = project.run('npx', 'edgewarden', 'list', '--gate', origin.url, ...key)
    await expect(list).rejects.toThrow('The gate names no resource')
  })
})

describe('the types', () => {
  const at = (name: string) => join(ROOT, 'node_modules', name)

  it.each([
    ['no platform', { lib: ['es2022', 'dom'], types: [] }],
    ['Node', { lib: ['es2022'], types: [at('@types/node')] }],
    ['Workers', { lib: ['es2022'], types: [at('@cloudflare/workers-types')] }],
  ])('compile beside those of %s', async (name, around) => {
    const options = { ...around, module: 'esnext', moduleResolution: 'bundler', noEmit: true }
    const path = `tsconfig.${name.replace(' ', '-')}.json`
    await world.project.write(path, tsconfig(options))
    await compile(world.project, path)
  })

  it.each(['worker', 'worker-with-console'])('of the %s are those of Workers', async (entry) => {
    await world.project.write(
      'worker.ts',
      `export * from 'edgewarden/${entry}'\nexport { default } from 'edgewarden/${entry}'\n`,
    )
    const options = { lib: ['es2024'], types: [at('@cloudflare/workers-types')] }
    const around = { ...options, module: 'esnext', moduleResolution: 'bundler', noEmit: true }
    await world.project.write('tsconfig.worker.json', tsconfig(around, ['worker.ts']))
    await compile(world.project, 'tsconfig.worker.json')
  })
})

it.each([
  ['worker', false],
  ['worker-with-console', true],
] as const)('bundled, the %s has the page of the console: %s', async (entry, hasPage) => {
  const { outputFiles } = await esbuild({
    stdin: {
      contents: `export * from 'edgewarden/${entry}'\nexport { default } from 'edgewarden/${entry}'`,
      resolveDir: world.project.directory,
    },
    bundle: true,
    write: false,
    format: 'esm',
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'silent',
  })
  const text = outputFiles[0]?.text ?? ''
  expect(text.length).toBeGreaterThan(100_000)
  expect(text.includes('Revoke this')).toBe(hasPage)
  expect(text.includes('edgewarden-console-session')).toBe(hasPage)
})

const RUNTIMES = [
  [NODE, onNode],
  ['workerd', onWorkerd],
] as const

describe.each(RUNTIMES)('on %s', (_, start) => {
  describe.each(['plain', 'hono'])('the example %s', (name) => {
    let served: Served
    beforeAll(async () => {
      served = await start(world.project.directory, `built/${name}.js`)
    })
    afterAll(() => served?.stop())

    const ask = async (token?: string, init: RequestInit = {}) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      return request(served.port, '/v1/notes', { ...init, headers })
    }
    const write = (token?: string) => ask(token, { method: 'POST', body: 'to be continued' })

    it('lets a crowd through that comes before the keys are known', async () => {
      const token = await world.issuer.mint({ scope: 'notes:read' })
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask(token)))
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    })

    it('knows who writes', async () => {
      world.origin.clear()
      const answer = await write(await world.issuer.mint({ scope: 'notes:write' }))
      const [arrived] = world.origin.requests
      if (name === 'hono') {
        expect(answer.status).toBe(201)
        expect(await answer.json()).toEqual({ by: 'agent-1', text: 'to be continued' })
        expect(arrived).toBeUndefined()
      } else {
        expect(answer.status).toBe(200)
        expect(await answer.json()).toMatchObject({ method: 'POST', bodyLength: 15 })
        expect(arrived?.header('x-agent-id')).toBe('agent-1')
        expect(arrived?.header('authorization')).toBeUndefined()
      }
    })

    it.runIf(name === 'plain')('hands a compressed answer on so that it can be read', async () => {
      world.origin.on('/v1/notes', (_, response) => {
        const headers = { 'content-encoding': 'gzip', 'content-type': 'text/plain' }
        response.writeHead(200, headers).end(gzipSync('a note'))
      })
      const token = await world.issuer.mint({ scope: 'notes:read' })
      const headers = { authorization: `Bearer ${token}` }
      const answer = await fetch(`http://127.0.0.1:${served.port}/v1/notes`, { headers })
      expect(await answer.text()).toBe('a note')
    })

    it.each<[string, () => Promise<string | undefined>, number, string]>([
      ['no token', async () => undefined, 401, 'credential_missing'],
      ['a missing scope', () => world.issuer.mint({ scope: 'notes:read' }), 403, 'scope_missing'],
      ['a forged token', forged, 401, 'signature_invalid'],
      ['an expired token', () => world.issuer.mint({ iat: 1_700_000_000 }), 401, 'token_expired'],
    ])('refuses %s', async (_, token, status, code) => {
      const answer = await write(await token())
      expect(answer.status).toBe(status)
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer.headers.has('www-authenticate')).toBe(true)
      expect(await answer.json()).toMatchObject({ status, code })
    })
  })
})

/** Signed by another key, under the name of the issuer's own. */
const forged = async (): Promise<string> => {
  const key = await createKey('ES256', world.issuer.kid)
  return world.issuer.mint({ scope: 'notes:write' }, {}, { key })
}
