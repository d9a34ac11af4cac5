/** Checks of the built site, over its files by path. Each returns a line for each fault. */
import { posix } from 'node:path'

type Files = ReadonlyMap<string, string>

const all = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, found = '']) => found)

const pagesOf = (files: Files) => [...files].filter(([path]) => path.endsWith('.html'))

const plain = (text: string): string =>
  text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'")

const anchorsOf = (html: string): ReadonlySet<string> =>
  new Set(all(html, /\sid="([^"]+)"/g).map(plain))

/** Links of pages to files and anchors that the site does not have. Addresses are those of a server that adds `.html`. */
export function brokenLinks(files: Files): readonly string[] {
  const anchors = new Map(pagesOf(files).map(([path, html]) => [path, anchorsOf(html)]))
  const fileOf = (path: string) =>
    [path, `${path}.html`, posix.join(path, 'index.html')].find((file) => files.has(file))
  return pagesOf(files).flatMap(([page, html]) =>
    [...new Set(all(html, /\s(?:href|src)="([^"]*)"/g).map(plain))].flatMap((link) => {
      if (/^[a-z]+:/i.test(link)) return []
      const { pathname, hash } = new URL(link, `http://site/${page}`)
      const path = decodeURIComponent(pathname.slice(1))
      const file = link.startsWith('#') ? page : fileOf(path)
      if (file === undefined) return [`${page}: ${link} leads nowhere`]
      const anchor = decodeURIComponent(hash.slice(1))
      const isThere = anchor === '' || anchors.get(file)?.has(anchor)
      return isThere ? [] : [`${page}: ${link} has no such anchor`]
    }),
  )
}

/** In style sheets, also those in pages and scripts. */
const STYLES = /(?:@import\s+["']|url\(\\?["']?)((?:https?:)?\/\/[^"')\s\\]+)/gi
/** What a browser would load by itself from another site. Links that a person follows are none. */
const LOADS: readonly (readonly [ending: string, pattern: RegExp])[] = [
  [
    '.html',
    /<(?!a\s)[a-z][^>]*\s(?:src|srcset|href|poster|action|data|ping)="((?:https?:)?\/\/[^"]*)"/gi,
  ],
  [
    '.js',
    /\b(?:import|fetch|open|WebSocket|EventSource|sendBeacon)\s*\(?\s*["'`]((?:https?:|wss?:)?\/\/[^"'`]+)/g,
  ],
  ['.html', STYLES],
  ['.css', STYLES],
  ['.js', STYLES],
]

/** Addresses of other sites that pages, style sheets and scripts load. The Content-Security-Policy forbids others. */
export function outsideRequests(files: Files): readonly string[] {
  return [...files].flatMap(([path, text]) =>
    LOADS.filter(([ending]) => path.endsWith(ending)).flatMap(([, pattern]) =>
      all(text, pattern).map((url) => `${path}: loads ${url}`),
    ),
  )
}

/** Anchors that a page lacks, or has twice. */
export function anchorsMissing(
  files: Files,
  page: string,
  anchors: readonly string[],
): readonly string[] {
  const found = all(files.get(page) ?? '', /\sid="([^"]+)"/g)
  return anchors.flatMap((anchor) => {
    const times = found.filter((one) => one === anchor).length
    return times === 1 ? [] : [`${page}: #${anchor} is there ${times} times`]
  })
}

/** Pages that the index of the search lacks. Without an index in the site, all. */
export function unsearchable(files: Files): readonly string[] {
  const index = [...files].filter(([path]) => /localSearchIndex[^/]*\.js$/.test(path))
  const ids = new Set(index.flatMap(([, text]) => all(text, /"\/([^"#]*?)(?:#[^"]*)?"/g)))
  return pagesOf(files).flatMap(([page]) => {
    const path = page.replace(/(?:index)?\.html$/, '')
    return page === '404.html' || ids.has(path) ? [] : [`${page}: the search does not find it`]
  })
}
