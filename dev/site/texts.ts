/** Files of the site that are no pages. */
import { createHash } from 'node:crypto'
import { groupsOf, type Page } from './pages.ts'

/** The first paragraph, without links. */
const summaryOf = (text: string): string =>
  (text.replace(/^```.*?^```$|<!--.*?-->/gms, '').match(/^[^\s#|<-].+(?:\n.+)*/m)?.[0] ?? '')
    .replace(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .replaceAll('\n', ' ')

const linked = ({ source, title, text }: Page): string =>
  `- [${title}](/${source}): ${summaryOf(text)}`

/** `llms.txt`: every page with its first paragraph, in the groups of docs/index.md. */
export function llmsIndex(pages: readonly Page[]): string {
  const readme = pages.find(({ path }) => path === 'index')
  const contents = pages.find(({ path }) => path === 'contents')
  const left = new Map(pages.map((page) => [`/${page.path}`, page]))
  const groups = groupsOf(contents?.text ?? '').map(({ title, items }) => {
    const lines = items.flatMap(({ link }) => {
      const page = left.get(link)
      left.delete(link)
      return page ? [linked(page)] : []
    })
    return `## ${title}\n\n${lines.join('\n')}\n`
  })
  const rest = [...left.values()].filter((page) => page !== contents).map(linked)
  return [
    `# ${readme?.title}\n\n> ${summaryOf(readme?.text ?? '')}\n`,
    ...groups,
    `## More\n\n${rest.join('\n')}\n`,
  ].join('\n')
}

/** `llms-full.txt`: the text of every page, each below the name of its file. */
export function llmsFull(pages: readonly Page[]): string {
  return pages.map(({ source, text }) => `<!-- ${source} -->\n\n${text.trim()}\n`).join('\n')
}

/** The response headers, as Cloudflare's static assets read them. Scripts in the pages are named by their hash. */
export function headersFile(pages: readonly string[]): string {
  const scripts = pages.flatMap((html) =>
    [...html.matchAll(/<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/g)].map(
      ([, text = '']) => text,
    ),
  )
  const hashes = [...new Set(scripts)].map(
    (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`,
  )
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return `/*
  Content-Security-Policy: ${policy.join('; ')}
  X-Content-Type-Options: nosniff
  Referrer-Policy: no-referrer
  Strict-Transport-Security: max-age=31536000
  Permissions-Policy: camera=(), geolocation=(), microphone=()

/assets/*
  Cache-Control: public, max-age=31536000, immutable
`
}
