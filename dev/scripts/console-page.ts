import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build } from 'esbuild'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PAGE = fileURLToPath(new URL('../../src/control/console/page/', import.meta.url))
const { resolve } = createRequire(import.meta.url)

const STYLES = [
  resolve('@picocss/pico/css/pico.classless.min.css'),
  resolve('uplot/dist/uPlot.min.css'),
  './style.css',
]

interface Bundled {
  readonly text: string
  /** Paths of the files that it is made from. */
  readonly inputs: readonly string[]
}

const bundled = async (input: BuildOptions): Promise<Bundled> => {
  const { outputFiles, metafile } = await build({
    metafile: true,
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    ...input,
  })
  return { text: outputFiles?.[0]?.text ?? '', inputs: Object.keys(metafile?.inputs ?? {}) }
}

/** The licence of each package that files are from. Throws if a package has none. */
const noticesOf = (inputs: readonly string[]): string => {
  const folders = inputs.flatMap(
    (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? [],
  )
  const notices = [...new Set(folders)].sort().map((folder) => {
    const [licence] = readdirSync(join(ROOT, folder)).filter((one) => /^licen[cs]e/i.test(one))
    if (licence === undefined) throw new Error(`${folder} has no licence`)
    const { name, version } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'))
    return `${name} ${version}\n\n${readFileSync(join(ROOT, folder, licence), 'utf8').trim()}\n`
  })
  return notices.join(`\n${'-'.repeat(80)}\n\n`)
}

/** The page of the console as a module with its script, its style and the notices of packages in both, each as text. */
export async function consolePage(): Promise<string> {
  const contents = STYLES.map((one) => `@import ${JSON.stringify(one)};`).join('\n')
  const [script, style] = await Promise.all([
    bundled({ entryPoints: [`${PAGE}main.ts`] }),
    bundled({ stdin: { contents, loader: 'css', resolveDir: PAGE } }),
  ])
  const texts = {
    script: script.text,
    style: style.text,
    notices: noticesOf([...script.inputs, ...style.inputs]),
  }
  return Object.entries(texts)
    .map(([name, text]) => `export const ${name} = ${JSON.stringify(text)}\n`)
    .join('')
}
