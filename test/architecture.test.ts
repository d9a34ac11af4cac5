import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './kit/repository.ts'

/** The rooms of src/ from below: a file imports from its own room, and from those on lines before. */
const ROOMS = [
  'gate/base',
  'gate/model',
  'gate/events',
  'gate/platform',
  'gate/policy/reading',
  'gate/policy/conditions',
  'gate/policy/keys',
  'gate/policy',
  'gate/guard/operation',
  'gate/guard/operation/mcp',
  'gate/guard/checks',
  'gate/guard/possession',
  'gate/guard/stages',
  'gate/guard',
  'gate/answer',
  'gate/relay/origin',
  'gate/relay/secrets',
  'gate/relay/streams',
  'gate/relay/mcp',
  'gate/relay',
  'gate/outbox',
  'gate/keys',
  'gate/limit',
  'gate/replay',
  'gate/approvals/object',
  'gate/approvals',
  'gate/assertion',
  'gate/revocation',
  'gate/revocation/object',
  'gate/app/platform',
  'gate/app/workerd',
  'gate/app',
  'compare/wrangler',
  'compare',
  'compare/reach',
  'control/records',
  'control/agents',
  'control/audit',
  'control/events',
  'control/api',
  'control',
  'control/console/page',
  'control/console',
  'command/base',
  'command/doctor',
  'command/lints',
  'command/openapi',
  'command/tests',
  'command/policy',
  'command/install',
  'command/operate',
  'command/drill',
  'command/serve',
  'command/try',
  'command',
  '',
]

const MAX_LINES = 300

/** Import and re-export statements, those of types too, and dynamic imports of a literal. */
const IMPORT = /^(?:import|export)\s+(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm

const importsOf = (text: string): readonly string[] =>
  [...text.replace(/\/\*.*?\*\/|^\s*\/\/.*$/gms, '').matchAll(IMPORT)].map(
    ([, from, dynamic]) => from ?? dynamic ?? '',
  )

const filesIn = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => [name, readFileSync(join(ROOT, folder, name), 'utf8')]),
  )

const files = filesIn('src')

const ORIGIN = 'packages/origin/src'

/** The files of both packages, by their paths in the repository. */
const tree: ReadonlyMap<string, string> = new Map(
  ['src', ORIGIN].flatMap((folder) =>
    [...filesIn(folder)].map(([name, text]) => [`${folder}/${name}`, text] as const),
  ),
)

const roomOf = (name: string): string => posix.dirname(name).replace(/^\.$/, '')

const placeOf = (name: string): number => ROOMS.indexOf(roomOf(name))

/** What a file names of the tree, by code or by type. */
const imports = new Map(
  [...files].map(([name, text]) => [
    name,
    importsOf(text).flatMap((from) =>
      from.startsWith('.') ? [posix.join(posix.dirname(name), from)] : [],
    ),
  ]),
)

describe('imports', () => {
  it('of each file are of its own room, or of rooms below', () => {
    expect([...files.keys()].filter((name) => placeOf(name) < 0)).toEqual([])
    expect(
      ROOMS.filter((room) => ![...files.keys()].some((name) => roomOf(name) === room)),
    ).toEqual([])
    const pairs = [...imports].flatMap(([name, targets]) =>
      targets.map((target) => [name, target] as const),
    )
    expect(pairs.length).toBeGreaterThan(files.size)
    expect(pairs.filter(([, target]) => !files.has(target))).toEqual([])
    expect(pairs.filter(([name, target]) => placeOf(target) > placeOf(name))).toEqual([])
  })

  it('are not needed for time, chance or network where the gate decides', () => {
    const world =
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|(?<![.\w])fetch\(|\bset(?:Timeout|Interval)\(/
    const deciding = [...files].filter(([name]) =>
      /^(?:gate\/(?:base|model|policy|guard)|compare)\//.test(name),
    )
    expect(deciding.length).toBeGreaterThan(100)
    const found = deciding.filter(([, text]) => world.test(text))
    // What does not come, a body or shared work, is given up after a time.
    expect(found.map(([name]) => name)).toEqual(['gate/base/body.ts', 'gate/base/timeout.ts'])
  })

  it('of the language of conditions are in one place', () => {
    const importers = [...files].flatMap(([name, text]) =>
      importsOf(text).includes('#cel') ? [name] : [],
    )
    expect(importers.length).toBeGreaterThan(3)
    expect(importers.filter((name) => !name.startsWith('gate/policy/conditions/'))).toEqual([])
  })

  it('load the language of conditions into the Worker only on demand', () => {
    const VALUE = /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm
    const loaded = new Set<string>()
    const packages = new Set<string>()
    const load = (name: string): void => {
      if (loaded.has(name)) return
      loaded.add(name)
      for (const [, from = ''] of (files.get(name) ?? '').matchAll(VALUE)) {
        if (from.startsWith('.')) load(posix.join(posix.dirname(name), from))
        else packages.add(from)
      }
    }
    load('worker.ts')
    expect([...packages]).toEqual(expect.arrayContaining(['jose', 'valibot']))
    expect([...loaded]).toContain('gate/policy/conditions/field.ts')
    expect([...packages]).not.toContain('#cel')
  })

  it('make no circle', () => {
    const done = new Set<string>()
    const visit = (name: string, path: readonly string[]): void => {
      if (done.has(name)) return
      expect(path, [...path, name].join(' → ')).not.toContain(name)
      for (const next of imports.get(name) ?? []) visit(next, [...path, name])
      done.add(name)
    }
    for (const name of files.keys()) visit(name, [])
    expect(done.size).toBe(files.size)
  })
})

const readJson = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))

/** What users of the package import, as package.json says, and the command. */
const { exports, bin } = readJson('package.json') as {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>
  readonly bin: Readonly<Record<string, string>>
}
const sourceOf = (built: string): string =>
  built.replace(/^(?:\.\/)?lib\/(.*)\.(?:js|d\.ts)$/, 'src/$1.ts')
const ENTRIES = Object.values(exports).flatMap((one) =>
  typeof one === 'string' ? [] : [sourceOf(one.types)],
)
/** The entries for a platform. */
const WORKERS = ['src/worker.ts', 'src/worker-with-console.ts']
const LIBRARY = ENTRIES.filter((name) => !WORKERS.includes(name))
const COMMANDS = Object.values(bin).map(sourceOf)
const ORIGIN_ENTRIES = ['index', 'express', 'hono'].map((name) => `${ORIGIN}/${name}.ts`)

/** Every file that is reached from some, by code or by type, and what they import beside files. */
const reach = (entries: readonly string[]) => {
  const names = new Set(entries)
  const packages = new Set<string>()
  for (const name of names) {
    for (const from of importsOf(tree.get(name) ?? '')) {
      if (from.startsWith('.')) names.add(posix.join(posix.dirname(name), from))
      else packages.add(from)
    }
  }
  return { names: [...names], packages: [...packages] }
}

describe('the package', () => {
  it.each(LIBRARY)('needs no platform for %s', (entry) => {
    const { names, packages } = reach([entry])
    expect(names.filter((name) => !tree.has(name))).toEqual([])
    expect(packages.filter((name) => !/^(?:jose|valibot|#cel|hono(?:\/.+)?)$/.test(name))).toEqual(
      [],
    )
  })

  it('calls nothing that Node 20 lacks and the compiler takes for a given', () => {
    const entries = [...LIBRARY, ...COMMANDS, ...ORIGIN_ENTRIES]
    const { names } = reach(entries)
    expect(names.length).toBeGreaterThan(entries.length)
    const newer = /\bURL\.parse\(|\.bytes\(\)|\bnew (?:WebSocket|EventSource|CloseEvent)\b/
    expect(names.filter((name) => newer.test(tree.get(name) ?? ''))).toEqual([])
  })
})

describe('the package edgewarden-origin', () => {
  const manifest = readJson('packages/origin/package.json')

  it('is checked from its entries, and is one version with the gate', () => {
    const built = Object.values(manifest.exports).flatMap((one) =>
      typeof one === 'string' ? [] : [(one as { readonly default: string }).default],
    )
    const sources = built.map((path) => path.replace(/^\.\/lib\/(.*)\.js$/, `${ORIGIN}/$1.ts`))
    expect(sources).toEqual(ORIGIN_ENTRIES)
    expect(readJson('packages/origin/tsconfig.json').files).toEqual(
      ORIGIN_ENTRIES.map((path) => path.replace('packages/origin/', '')),
    )
    const { version, dependencies, peerDependencies } = readJson('package.json')
    expect(manifest).toMatchObject({ version, peerDependencies })
    expect(manifest.dependencies).toEqual({ jose: dependencies.jose })
  })

  it.each([
    ['index', ['jose']],
    ['express', ['jose']],
    ['hono', ['hono', 'jose']],
  ])('is light for whoever needs %s alone', (entry, needed) => {
    const { names, packages } = reach([`${ORIGIN}/${entry}.ts`])
    expect(packages.sort()).toEqual(needed)
    expect(names.filter((name) => !tree.has(name))).toEqual([])
    const outside = names.filter((name) => !name.startsWith(ORIGIN))
    expect(outside.length).toBeGreaterThan(10)
    expect(outside.filter((name) => !/^src\/gate\/(?:base|model)\//.test(name))).toEqual([])
  })
})

it('each file is short', () => {
  const lengths = [...tree].map(([name, text]) => [name, text.split('\n').length - 1] as const)
  expect(lengths.filter(([, length]) => length > MAX_LINES)).toEqual([])
})

it('each exported function is a declaration with a docstring', () => {
  const arrow =
    /^export const \w+(?:: (?!Warn\b)[A-Z]\w*(?:<[^=]*>)?)? = (?:async )?(?:<[^=]*>)?\([^=]*=>/m
  expect([...tree].filter(([, text]) => arrow.test(text)).map(([name]) => name)).toEqual([])
  const bare = /(?<!\*\/)\nexport (?:async )?function (\w+)/g
  const overloads = /\)(?:: [^\n]*)?\nexport function \w+/g
  const missing = [...tree].flatMap(([name, text]) =>
    [...text.replace(overloads, '*/').matchAll(bare)].map(([, symbol]) => `${name}: ${symbol}`),
  )
  expect(missing).toEqual([])
})

it('the second implementation shares nothing with the first, and needs no package', () => {
  const folder = join(ROOT, 'test/reference')
  const found = readdirSync(folder).flatMap((name) =>
    importsOf(readFileSync(join(folder, name), 'utf8'))
      .filter((from) => !/^(?:\.\/[\w-]+\.ts|node:.+)$/.test(from))
      .filter((from) => !(from === 'vitest' && name.endsWith('.test.ts')))
      .map((from) => `${name}: ${from}`),
  )
  expect(found).toEqual([])
})
