import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './kit/repository.ts'

/** Floors from below: a file imports from its own or from those below it. The first prefix counts. */
const FLOORS: readonly (readonly [floor: number, prefix: string])[] = [
  [4, 'core/guard.ts'],
  [2, 'core/stages/'],
  [1, 'core/model/'],
  [0, 'core/'],
  [2, 'origin/'],
  [3, 'policy/'],
  [4, 'diff/'],
  [4, 'wrangler/'],
  // The parts of a capability, in the order of a request.
  [2, '*/stage.ts'],
  [2, 'revocation/precheck.ts'],
  [2, 'revocation/checks/'],
  [2, 'mcp/access.ts'],
  [2, 'mcp/operation/'],
  [3, '*/options.ts'],
  [3, 'mcp/options/'],
  [5, 'mcp/'],
  [5, 'assertion/assertion.ts'],
  [5, 'gateway/answer/'],
  [5, 'gateway/relay/'],
  [5, 'gateway/ports.ts'],
  [6, 'platform/'],
  [6, 'keys/'],
  [6, 'agents/'],
  [6, 'assertion/'],
  [6, 'audit/'],
  [6, 'limit/'],
  [6, 'replay/'],
  [6, 'revocation/'],
  [6, 'gateway/platform/'],
  [7, 'gateway/apps/'],
  [7, 'hono.ts'],
  [0, 'team-rules.ts'],
  [8, 'index.ts'],
  [8, 'worker.ts'],
  [0, 'console/page-text.ts'],
  [9, 'console/page/'],
  [7, 'console/'],
  [9, 'worker-with-console.ts'],
  [8, 'denials.ts'],
  [9, 'tools/'],
]

/** The highest floor that knows no platform but the web's own. */
const PORTABLE = 5

const MAX_LINES = 300

/** Import and re-export statements, those of types too, and dynamic imports of a literal. */
const IMPORT = /^(?:import|export)\s+(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm

const importsOf = (text: string): readonly string[] =>
  [...text.replace(/\/\*.*?\*\/|^\s*\/\/.*$/gms, '').matchAll(IMPORT)].map(
    ([, from, dynamic]) => from ?? dynamic ?? '',
  )

const files = new Map(
  readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [name, readFileSync(join(ROOT, 'src', name), 'utf8')]),
)

const floorOf = (name: string): number | undefined =>
  FLOORS.find(([, prefix]) =>
    prefix.startsWith('*/')
      ? name.replace(/^[^/]+/, '*') === prefix
      : name === prefix || (prefix.endsWith('/') && name.startsWith(prefix)),
  )?.[0]

const CAPABILITIES = [
  'agents',
  'assertion',
  'audit',
  'keys',
  'limit',
  'mcp',
  'replay',
  'revocation',
]

const roomOf = (name: string): string => name.split('/')[0] ?? ''

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
  it('are read from every kind of statement', () => {
    const text = [
      "import { a } from './a.ts'",
      "import type { B } from './b.ts'",
      "import {\n  c,\n  type D,\n} from './c.ts'",
      "import './d.ts'",
      "export { e } from './e.ts'",
      "export * from './f.ts'",
      "export type { G } from './g.ts'",
      "const h = await import('./h.ts')",
      "const text = 'import nothing'",
      "export const from = 'x'",
    ].join('\n')
    expect(importsOf(text)).toEqual([...'abcdefgh'].map((name) => `./${name}.ts`))
  })

  it('of each file stay on its floor or below', () => {
    const floors = [...files.keys()].map((name) => [name, floorOf(name)] as const)
    expect(floors.filter(([, floor]) => floor === undefined)).toEqual([])
    const all = floors.flatMap(([name, floor = 0]) =>
      (imports.get(name) ?? []).map((target) => ({ name, floor, target })),
    )
    expect(all.length).toBeGreaterThan(files.size)
    expect(all.filter(({ target }) => !files.has(target))).toEqual([])
    expect(all.filter(({ floor, target }) => (floorOf(target) ?? 0) > floor)).toEqual([])
  })

  it('of origin/ are of core/, and no part of a gate imports it', () => {
    const pairs = [...imports].flatMap(([name, targets]) =>
      targets.map((target) => [name, target] as const),
    )
    const own = pairs.filter(([name]) => name.startsWith('origin/'))
    expect(own.length).toBeGreaterThan(20)
    expect(own.filter(([, target]) => !/^(?:origin|core)\//.test(target))).toEqual([])
    expect(
      pairs.filter(([name, target]) => target.startsWith('origin/') && !name.startsWith('origin/')),
    ).toEqual([])
  })

  it('of clients and Durable Objects are of their own room, or of what composes the gate', () => {
    const composing = /^(?:gateway\/platform\/|index\.ts$|worker\.ts$)/
    const pairs = [...imports].flatMap(([name, targets]) =>
      targets.map((target) => [name, target] as const),
    )
    const adapters = pairs.filter(([, target]) => /^[^/]+\/(?:client|object)\.ts$/.test(target))
    expect(adapters.length).toBeGreaterThan(5)
    expect(
      adapters.filter(([name, target]) => roomOf(name) !== roomOf(target) && !composing.test(name)),
    ).toEqual([])
  })

  it('of what a capability decides by itself are of no other capability', () => {
    const pairs = [...imports].flatMap(([name, targets]) =>
      CAPABILITIES.includes(roomOf(name)) && (floorOf(name) ?? 0) <= 3
        ? targets.map((target) => [name, target] as const)
        : [],
    )
    expect(pairs.length).toBeGreaterThan(20)
    expect(
      pairs.filter(
        ([name, target]) =>
          CAPABILITIES.includes(roomOf(target)) && roomOf(target) !== roomOf(name),
      ),
    ).toEqual([])
  })

  it('are not needed for time, chance or network where the gate decides', () => {
    const world =
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|(?<![.\w])fetch\(|\bset(?:Timeout|Interval)\(/
    const deciding = [...files].filter(([name]) => (floorOf(name) ?? 0) <= 4)
    expect(deciding.length).toBeGreaterThan(100)
    const found = deciding.filter(([name, text]) => !name.startsWith('origin/') && world.test(text))
    // What does not come, a body or shared work, is given up after a time.
    expect(found.map(([name]) => name)).toEqual(['core/body.ts', 'core/timeout.ts'])
  })

  it('of the language of conditions are in one place', () => {
    const importers = [...files].flatMap(([name, text]) =>
      importsOf(text).some((from) => from.includes('cel-js')) ? [name] : [],
    )
    expect(importers.length).toBeGreaterThan(3)
    expect(importers.filter((name) => !name.startsWith('policy/conditions/'))).toEqual([])
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
    expect([...loaded]).toContain('policy/conditions/field.ts')
    expect([...packages]).not.toContain('@marcbachmann/cel-js')
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

  it('name no platform on the floors that are portable', () => {
    const portable = [...files].filter(([name]) => (floorOf(name) ?? 0) <= PORTABLE)
    const platform = portable.flatMap(([name, text]) =>
      importsOf(text)
        .filter((from) => /^(?:cloudflare|node|bun|workerd):/.test(from))
        .map((from) => `${name}: ${from}`),
    )
    expect(platform).toEqual([])
  })
})

/** What users of the package import, as package.json says, and the command. */
const { exports, bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
  readonly bin: Readonly<Record<string, string>>
}
const sourceOf = (built: string): string => built.replace(/^(?:\.\/)?lib\/(.*)\.js$/, '$1.ts')
const ENTRIES = Object.values(exports).flatMap((one) =>
  typeof one === 'string' ? [] : [sourceOf(one.default)],
)
/** The entries for a platform. */
const WORKERS = ['worker.ts', 'worker-with-console.ts']
const LIBRARY = ENTRIES.filter((name) => !WORKERS.includes(name))
const COMMANDS = Object.values(bin).map(sourceOf)

/** Every file that is reached from some, by code or by type, and what they import beside files. */
const reach = (entries: readonly string[]) => {
  const names = new Set(entries)
  const packages = new Set<string>()
  for (const name of names) {
    for (const from of importsOf(files.get(name) ?? '')) {
      if (from.startsWith('.')) names.add(posix.join(posix.dirname(name), from))
      else packages.add(from)
    }
  }
  return { names: [...names], packages: [...packages] }
}

describe('the package', () => {
  it('is built and checked from its entries', () => {
    const filesOf = (path: string): unknown =>
      JSON.parse(readFileSync(join(ROOT, path), 'utf8')).files
    const entries = LIBRARY.map((name) => `src/${name}`)
    expect(ENTRIES).toEqual(expect.arrayContaining(WORKERS))
    expect(filesOf('tsconfig.build-worker.json')).toEqual(WORKERS.map((name) => `src/${name}`))
    expect(filesOf('tsconfig.portable.json')).toEqual(entries)
    expect(filesOf('tsconfig.build.json')).toEqual([
      ...entries,
      ...COMMANDS.map((name) => `src/${name}`),
    ])
  })

  it.each(LIBRARY)('needs no platform for %s', (entry) => {
    const { names, packages } = reach([entry])
    expect(names.filter((name) => !files.has(name))).toEqual([])
    expect(
      packages.filter(
        (name) => !/^(?:jose|valibot|@marcbachmann\/cel-js|hono(?:\/.+)?)$/.test(name),
      ),
    ).toEqual([])
  })

  it.each([
    ['origin/index.ts', ['jose']],
    ['origin/express.ts', ['jose']],
    ['origin/hono.ts', ['hono', 'jose']],
  ])('is light for whoever needs %s alone', (entry, needed) => {
    const { names, packages } = reach([entry])
    expect(packages.sort()).toEqual(needed)
    expect(names.filter((name) => !/^(?:origin|core)\//.test(name))).toEqual([])
  })

  it('calls nothing that Node 20 lacks and the compiler takes for a given', () => {
    const { names } = reach([...LIBRARY, ...COMMANDS])
    expect(names.length).toBeGreaterThan(LIBRARY.length + COMMANDS.length)
    const newer = /\bURL\.parse\(|\.bytes\(\)|\bnew (?:WebSocket|EventSource|CloseEvent)\b/
    expect(names.filter((name) => newer.test(files.get(name) ?? ''))).toEqual([])
  })
})

it('each file is short', () => {
  const lengths = [...files].map(([name, text]) => [name, text.split('\n').length - 1] as const)
  expect(lengths.filter(([, length]) => length > MAX_LINES)).toEqual([])
})

it('each exported function is a declaration with a docstring', () => {
  const arrow =
    /^export const \w+(?:: (?!Warn\b)[A-Z]\w*(?:<[^=]*>)?)? = (?:async )?(?:<[^=]*>)?\([^=]*=>/m
  expect([...files].filter(([, text]) => arrow.test(text)).map(([name]) => name)).toEqual([])
  const bare = /(?<!\*\/)\nexport (?:async )?function (\w+)/g
  const overloads = /\)(?:: [^\n]*)?\nexport function \w+/g
  const missing = [...files].flatMap(([name, text]) =>
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
