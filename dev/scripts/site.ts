/** Builds the documentation as a site into dist-site/, and checks what was built. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'vitepress'
import { AGENT_ERRORS } from '../../packages/origin/src/errors.ts'
import { denialGroups } from '../../src/command/base/denials.ts'
import { anchorsMissing, brokenLinks, outsideRequests, unsearchable } from '../site/checks.ts'
import { fileUrl, linkOf, linksIn, PAGES, ROOT } from '../site/pages.ts'
import { headersFile, llmsFull, llmsIndex } from '../site/texts.ts'

const OUT = join(ROOT, 'dist-site')

const write = (path: string, text: string): void => {
  const file = join(OUT, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** The text of a file of the repository; of a folder, the texts of its files. */
const textOf = (path: string): string =>
  statSync(join(ROOT, path)).isDirectory()
    ? readdirSync(join(ROOT, path))
        .sort()
        .map((name) => `==== ${path}/${name} ====\n\n${textOf(`${path}/${name}`)}`)
        .join('\n')
    : read(path)

/** What was built, by path. Fonts are no text, and are only asked for. */
const built = (): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(OUT, { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(OUT, path)).isFile())
      .map((path) => [path, path.endsWith('.woff2') ? '' : readFileSync(join(OUT, path), 'utf8')]),
  )

await build(join(ROOT, 'dev/site'))

for (const { source, text } of PAGES) {
  write(source, text)
  for (const href of linksIn(text)) {
    const link = linkOf(source, href).replace(/#.*/, '')
    if (link.startsWith('/files/')) {
      const file = link.slice('/files/'.length, -'.txt'.length)
      write(fileUrl(file), textOf(file))
    }
  }
}
write('llms.txt', llmsIndex(PAGES))
write('llms-full.txt', llmsFull(PAGES))
write(
  '_headers',
  headersFile([...built()].filter(([path]) => path.endsWith('.html')).map(([, html]) => html)),
)

const files = built()
const codes = denialGroups().flatMap(({ rows }) => rows.map(([code]) => code))
const faults = [
  ...brokenLinks(files),
  ...outsideRequests(files),
  ...unsearchable(files),
  ...anchorsMissing(files, 'denials.html', codes),
  ...anchorsMissing(files, 'origin/verify.html', Object.keys(AGENT_ERRORS)),
]
for (const fault of faults) console.error(fault)
const pages = [...files.keys()].filter((path) => path.endsWith('.html')).length
console.log(
  `dist-site: ${pages} pages, ${codes.length} codes with an anchor, ${faults.length} faults`,
)
process.exitCode = faults.length > 0 ? 1 : 0
