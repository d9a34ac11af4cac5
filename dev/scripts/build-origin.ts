import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/**
 * Builds packages/origin/lib anew: the entries as JavaScript and as types, both with what they need of src/. What is
 * built refers to no file outside the package.
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PACKAGE = join(ROOT, 'packages/origin')
const LIB = join(PACKAGE, 'lib')
const ENTRIES = ['index', 'express', 'hono']

/** A file of declarations that the compiler has written. */
interface Declarations {
  /** The text of each declaration, by name. */
  readonly own: ReadonlyMap<string, string>
  /** The files and packages from which it takes the other names. */
  readonly others: ReadonlyMap<string, string>
  readonly exported: ReadonlySet<string>
}

const DOCSTRING = /\/\*\*.*?\*\//gs
/** The break before a statement: before its docstring, if it has one. */
const START =
  /(?<!\*\/)\n(?=(?:\/\*\*(?:(?!\*\/).)*\*\/\n)?(?:import|export|declare|interface|type) )/s
const FROM = /^(?:import|export) (?:type )?\{ (.*) \} from '(.*)';$/
const DECLARATION =
  /^(?:\/\*\*.*?\*\/\n)?(?:export )?(?:declare )?(?:interface|type|class|function|const) (\w+)/s

/** Reads a file of declarations. Throws for a statement that it does not know. */
const declarationsIn = (path: string): Declarations => {
  const own = new Map<string, string>()
  const others = new Map<string, string>()
  const exported = new Set<string>()
  for (const statement of readFileSync(path, 'utf8').trim().split(START)) {
    if (statement === 'export {};') continue
    const [, list = '', from = ''] = FROM.exec(statement) ?? []
    const [, declared] = DECLARATION.exec(statement) ?? []
    const names = declared === undefined ? list.replaceAll('type ', '').split(', ') : [declared]
    if (names.includes('')) throw new Error(`${path}: unknown statement: ${statement}`)
    for (const name of names) {
      if (declared === undefined) others.set(name, from)
      else own.set(name, [own.get(name) ?? [], statement].flat().join('\n'))
      if (/^export /m.test(statement)) exported.add(name)
    }
  }
  return { own, others, exported }
}

/** One file with what an entry exports, and with the declarations that this needs of other files. */
const rolledUp = (entry: string): string => {
  const files = new Map<string, Declarations>()
  const kept = new Map<string, readonly [path: string, text: string]>()
  const keep = (path: string, name: string): void => {
    const file = files.get(path) ?? declarationsIn(path)
    files.set(path, file)
    const [text, from] = [file.own.get(name), file.others.get(name)]
    if (from !== undefined) {
      if (!from.startsWith('.')) throw new Error(`${path}: ${name} is of the package ${from}`)
      keep(join(dirname(path), from.replace(/\.ts$/, '.d.ts')), name)
    }
    if (text === undefined) return
    const [before = path] = kept.get(name) ?? []
    if (before !== path) throw new Error(`${name} is declared in ${before} and in ${path}`)
    if (kept.has(name)) return
    kept.set(name, [path, text])
    for (const [word] of text.replace(DOCSTRING, '').matchAll(/\w+/g)) keep(path, word)
  }
  const { exported } = declarationsIn(entry)
  for (const name of exported) {
    keep(entry, name)
    if (!kept.has(name)) throw new Error(`${entry}: ${name} is not declared`)
  }
  const texts = [...kept].map(([name, [, text]]) =>
    exported.has(name) ? text : text.replace(/^export /m, ''),
  )
  return `${texts.join('\n')}\nexport {};\n`
}

const types = mkdtempSync(join(tmpdir(), 'edgewarden-origin-'))
try {
  rmSync(LIB, { recursive: true, force: true })
  const tsc = createRequire(import.meta.url).resolve('typescript/package.json')
  const args = [join(dirname(tsc), 'bin/tsc'), '-p', PACKAGE, '--outDir', types]
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (status !== 0) throw new Error('the compiler refuses the sources')
  await build({
    entryPoints: ENTRIES.map((name) => join(PACKAGE, 'src', `${name}.ts`)),
    outdir: LIB,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    target: 'es2022',
  })
  const emitted = (name: string) => join(types, 'packages/origin/src', `${name}.d.ts`)
  const [index = '', ...middleware] = ENTRIES
  writeFileSync(join(LIB, `${index}.d.ts`), rolledUp(emitted(index)))
  for (const name of middleware) copyFileSync(emitted(name), join(LIB, `${name}.d.ts`))
} finally {
  rmSync(types, { recursive: true, force: true })
}
