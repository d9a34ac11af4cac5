import { notices, script, style } from 'edgewarden/console-page'
import { sha256Name } from '../../gate/base/bytes.ts'
import { declaredDenials } from '../../gate/base/denial.ts'
import { GUARD } from '../../gate/guard/guard.ts'

interface File {
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

/** Addresses of the page. */
const PAGES = /^\/(?:(?:decisions|approvals)(?:\/[^/]+)?|policy|agents|find)$/

let files: ReadonlyMap<string, File> | undefined

/**
 * The page, or one of its files; the page has each address that it shows. The address of a file changes with its
 * content. Nothing if the page has no such address.
 * @example (await fileAt('/agents'))?.headers['Cache-Control'] // 'no-store'
 */
export async function fileAt(path: string): Promise<File | undefined> {
  files ??= await filesOf()
  return files.get(PAGES.test(path) ? '/' : path)
}

const filesOf = async (): Promise<ReadonlyMap<string, File>> => {
  const kept = 'public, max-age=31536000, immutable'
  const file = (text: string, type: string, cached: string): File => ({
    text,
    headers: { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': cached },
  })
  const js = `/assets/${(await sha256Name(script)).slice(0, 20)}.js`
  const css = `/assets/${(await sha256Name(style)).slice(0, 20)}.css`
  const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Edgewarden</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,"><link rel="license" href="/licenses.txt"><link rel="stylesheet" href="${css}"><script type="module" src="${js}"></script>
</head><body><noscript>The console needs JavaScript.</noscript></body></html>`
  const stages = GUARD.stages.map(({ name, establishes, denials }) => ({
    name,
    establishes,
    codes: denials.flatMap(({ rows }) => Object.keys(rows)),
  }))
  const codes = Object.fromEntries(declaredDenials().flatMap(({ rows }) => Object.entries(rows)))
  return new Map([
    ['/', file(page, 'text/html', 'no-store')],
    [js, file(script, 'text/javascript', kept)],
    [css, file(style, 'text/css', kept)],
    ['/licenses.txt', file(notices, 'text/plain', 'no-cache')],
    ['/codes.json', file(JSON.stringify(codes), 'application/json', 'no-cache')],
    ['/stages.json', file(JSON.stringify(stages), 'application/json', 'no-cache')],
  ])
}
