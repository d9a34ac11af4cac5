import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from './kit/repository.ts'

/** What a user may import, and where it is. */
const ENTRIES = {
  edgewarden: 'src/index.ts',
  'edgewarden/hono': 'src/hono.ts',
  'edgewarden-origin': 'packages/origin/src/index.ts',
  'edgewarden-origin/express': 'packages/origin/src/express.ts',
  'edgewarden-origin/hono': 'packages/origin/src/hono.ts',
} as const

/** An example of a docstring. */
interface Example {
  readonly file: string
  /** The name of what it is an example of. */
  readonly name: string
  /** A whole module, or lines such as `cut('planner', 4) // 'plan…'`. */
  readonly code: string
  readonly isModule: boolean
}

const DOCUMENTED =
  /\/\*\*((?:(?!\*\/).)*)\*\/\nexport (?:async )?(?:function\*?|class|const) (\w+)/gs

const examplesIn = (file: string, source: string): readonly Example[] =>
  [...source.matchAll(DOCUMENTED)].flatMap(([, doc = '', name = '']) => {
    const text = doc.replace(/^ \*(?: |$)/gm, '')
    return text
      .split(/^@example/m)
      .slice(1)
      .map((example) => {
        const [, block] = /^\s*```ts\n(.*)\n```\s*$/s.exec(example) ?? []
        return { file, name, code: block ?? example.trim(), isModule: block !== undefined }
      })
  })

let examples: readonly Example[]
let tags: number

beforeAll(async () => {
  const folders = ['src', 'packages/origin/src']
  const files = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(ROOT, folder), { recursive: true }))
        .filter((path) => path.endsWith('.ts'))
        .map((path) => join(folder, path)),
    ),
  )
  const sources = await Promise.all(
    files.flat().map(async (file) => [file, await readFile(join(ROOT, file), 'utf8')] as const),
  )
  examples = sources.flatMap(([file, source]) => examplesIn(file, source))
  tags = sources.reduce((sum, [, source]) => sum + source.split(' * @example').length - 1, 0)
})

/** The lines of a file's examples: a call, and what it returns. */
const callsOf = (all: readonly Example[]) =>
  all.flatMap(({ code }) =>
    code.split('\n').map((line) => {
      const at = line.lastIndexOf(' // ')
      return [line.slice(0, at), line.slice(at + 4)] as const
    }),
  )

/** Examples of one line or a few, by their files. */
const byFile = () =>
  Map.groupBy(
    examples.filter(({ isModule }) => !isModule),
    ({ file }) => file,
  )

describe('an example of a docstring', () => {
  it('is read here, whatever it is an example of', () => {
    expect(examples.length).toBe(tags)
    expect(byFile().size).toBeGreaterThan(30)
  })

  it('returns the value beside it', async () => {
    for (const [file, ofFile] of byFile()) {
      const module: Readonly<Record<string, unknown>> = await import(join(ROOT, file))
      const resultOf = (text: string): Promise<unknown> =>
        new Function(...Object.keys(module), `return (async () => (${text}))()`)(
          ...Object.values(module),
        )
      for (const [call, value] of callsOf(ofFile)) {
        expect(await resultOf(call), `${file}: ${call}`).toStrictEqual(await resultOf(value))
      }
    }
  })

  it.each(Object.entries(ENTRIES))('is there for each function of %s', async (entry, file) => {
    const functions = Object.entries(await import(join(ROOT, file))).flatMap(([name, value]) =>
      typeof value === 'function' ? [name] : [],
    )
    const shown = examples
      .filter(({ isModule, code }) => isModule && code.includes(`'${entry}'`))
      .map(({ name }) => name)
    expect(shown).toEqual(expect.arrayContaining(functions))
  })

  it('compiles', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'edgewarden-docstrings-'))
    try {
      const modules = examples
        .filter(({ isModule }) => isModule)
        .map(({ name, code }, i) => [`${name}-${i}.ts`, code] as const)
      const calls = [...byFile()].map(([file, ofFile], i) => {
        const names = ofFile.map(({ name }) => name).join(', ')
        const list = callsOf(ofFile).map(([call]) => `\n${call},`)
        const from = JSON.stringify(join(ROOT, file))
        return [
          `calls-${i}.ts`,
          `import { ${names} } from ${from}\nexport default [${list.join('')}\n]`,
        ] as const
      })
      const project = { extends: join(ROOT, 'test/tsconfig.json'), include: ['*.ts'] }
      const files = [...modules, ...calls, ['tsconfig.json', JSON.stringify(project)] as const]
      await Promise.all(files.map(([name, text]) => writeFile(join(directory, name), text)))
      await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
      const compiled = promisify(execFile)(process.execPath, [
        tsc,
        '--noEmit',
        '--singleThreaded',
        '-p',
        directory,
      ])
      expect(await compiled.catch(({ stdout }) => stdout)).toEqual({ stdout: '', stderr: '' })
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
