/** Which pages the site has, where they are, and where a link of a page leads. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** A page: its file in the repository, and its path on the site, without `/` and `.html`. */
export interface Page {
  readonly source: string
  readonly path: string
  readonly title: string
  readonly text: string
}

/** The pages outside docs/, and what is not named after its file. */
const PATHS: Readonly<Record<string, string>> = {
  'README.md': 'index',
  'SECURITY.md': 'security',
  'CHANGELOG.md': 'changelog',
  'docs/index.md': 'contents',
}

const SOURCES = [
  ...Object.keys(PATHS),
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && file !== 'index.md')
    .map((file) => posix.join('docs', file))
    .sort(),
]

export const PAGES: readonly Page[] = SOURCES.map((source) => {
  const text = readFileSync(join(ROOT, source), 'utf8')
  const path = PATHS[source] ?? source.replace(/^docs\/|\.md$/g, '')
  return { source, path, title: /^# (.+)$/m.exec(text)?.[1] ?? path, text }
})

const PATH_OF = new Map(PAGES.map(({ source, path }) => [source, path]))

/** Where the text of a file of the repository is, or the texts of a folder. */
export const fileUrl = (file: string): string => `/files/${file}.txt`

/**
 * Where a link of a page leads on the site: to a page, or to the text of a file that the repository has. Links to
 * other sites, to anchors, and to what does not exist stay as they are.
 */
export function linkOf(source: string, href: string): string {
  if (/^(?:[a-z]+:|#|$)/i.test(href)) return href
  const [path = '', anchor] = href.split('#')
  const target = posix.join(posix.dirname(source), path)
  const page = PATH_OF.get(target)
  if (page === undefined) return existsSync(join(ROOT, target)) ? fileUrl(target) : href
  const url = page === 'index' ? '/' : `/${page}`
  return anchor === undefined ? url : `${url}#${anchor}`
}

/** The relative links of a text in Markdown. */
export const linksIn = (text: string): readonly string[] =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, href = '']) => href)

/** The anchor that GitHub gives to a heading, without the number of a repeated one. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')

/** The groups of docs/index.md: each heading, with the links below it. */
export function groupsOf(index: string) {
  return index
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      title: section.split('\n', 1)[0] ?? '',
      items: [...section.matchAll(/\[([^\]]+)\]\(([^)\s#]+)\)/g)].map(
        ([, title = '', href = '']) => ({
          title: title.replace(/[`\s]+/g, ' ').trim(),
          link: linkOf('docs/index.md', href),
        }),
      ),
    }))
}
