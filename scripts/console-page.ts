import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build } from 'esbuild'

const PAGE = fileURLToPath(new URL('../src/console/page/', import.meta.url))
const { resolve } = createRequire(import.meta.url)

const STYLES = [
  resolve('@picocss/pico/css/pico.classless.min.css'),
  resolve('uplot/dist/uPlot.min.css'),
  './style.css',
]

const bundled = async (input: BuildOptions): Promise<string> => {
  const { outputFiles } = await build({
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    ...input,
  })
  return outputFiles?.[0]?.text ?? ''
}

/** The page of the console as a module with its script and its style, each as text. */
export async function consolePage(): Promise<string> {
  const contents = STYLES.map((one) => `@import ${JSON.stringify(one)};`).join('\n')
  const [script, style] = await Promise.all([
    bundled({ entryPoints: [`${PAGE}main.ts`] }),
    bundled({ stdin: { contents, loader: 'css', resolveDir: PAGE } }),
  ])
  return `export const script = ${JSON.stringify(script)}\nexport const style = ${JSON.stringify(style)}\n`
}
