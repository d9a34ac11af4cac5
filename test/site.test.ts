import { describe, expect, it } from 'vitest'
import { brokenLinks, outsideRequests, unsearchable } from '../dev/site/checks.ts'
import { diagram } from '../dev/site/mermaid.ts'
import { groupsOf, linkOf, PAGES } from '../dev/site/pages.ts'
import { headersFile, llmsFull, llmsIndex } from '../dev/site/texts.ts'

describe('a link of a page', () => {
  it.each([
    ['docs/mcp/clients.md', '../denials.md#scope_missing', '/denials#scope_missing'],
    ['docs/deploy.md', '../SECURITY.md', '/security'],
    ['docs/deploy.md', '../README.md', '/'],
    ['README.md', 'docs/index.md', '/contents'],
    ['README.md', 'wrangler.toml', '/files/wrangler.toml.txt'],
    ['docs/library.md', '../examples/library', '/files/examples/library.txt'],
    ['docs/deploy.md', '#here', '#here'],
    ['docs/deploy.md', 'https://example.com/x.md', 'https://example.com/x.md'],
    ['docs/deploy.md', 'gone.md', 'gone.md'],
  ])('in %s to %s is %s', (source, href, link) => {
    expect(linkOf(source, href)).toBe(link)
  })
})

it('the sidebar and llms.txt have every page', () => {
  const index = PAGES.find(({ path }) => path === 'contents')?.text ?? ''
  const links = groupsOf(index).flatMap(({ items }) => items.map(({ link }) => link))
  const paths = PAGES.map(({ path }) => `/${path}`)
  expect(paths.filter((path) => !links.includes(path))).toEqual(['/index', '/contents'])
  const llms = llmsIndex(PAGES)
  expect(llms).toMatch(/^# Edgewarden\n\n> Edgewarden is a Cloudflare Worker .+\n\n## /)
  const lines = llms.split('\n').filter((line) => line.startsWith('- '))
  const listed = PAGES.filter(({ path }) => path !== 'contents')
  expect(lines).toHaveLength(listed.length)
  for (const { source } of listed) expect(llms).toContain(`](/${source}): `)
  for (const line of lines) expect(line).toMatch(/^- \[.+\]\(\/\S+\): \S[^[\]]+$/)
  for (const { text } of PAGES) expect(llmsFull(PAGES)).toContain(text.trim())
})

describe('the checks of the built site', () => {
  const html = (text: string) => new Map([['page.html', text]])

  it('find links and anchors that are not there', () => {
    const files = new Map([
      [
        'index.html',
        '<a href="/guide/a#b%20c">x</a><a href="#x" id="x"></a><a href="./guide/a"></a>',
      ],
      ['guide/a.html', '<h1 id="b c"></h1><a href="/">x</a><a href="/b"></a><a href="/#y"></a>'],
    ])
    expect(brokenLinks(files)).toEqual([
      'guide/a.html: /b leads nowhere',
      'guide/a.html: /#y has no such anchor',
    ])
    expect(brokenLinks(html('<a href="https://x.example/#y"></a><img src="data:,">'))).toEqual([])
    expect(brokenLinks(html('<script src="/a.js"></script>'))).toHaveLength(1)
  })

  it.each([
    ['page.html', '<script src="https://cdn.example/x.js"></script>'],
    ['page.html', '<link rel="preload" href="//cdn.example/x.css">'],
    ['page.html', '<img alt="" src="https://cdn.example/x.png">'],
    ['page.html', "<style>@import url('https://fonts.example/css');</style>"],
    ['page.html', '<p style="background: url(https://cdn.example/x.png)"></p>'],
    ['a.css', '@font-face { src: url("https://fonts.example/x.woff2") }'],
    ['a.js', 'fetch("https://stats.example/")'],
    ['a.js', 'import("https://cdn.example/x.js")'],
    // As a theme builds the style of an icon.
    ['a.js', `const style = \`url('https://icons.example/\${name}.svg')\``],
  ])('find what %s loads from another site: %s', (path, text) => {
    expect(outsideRequests(new Map([[path, text]]))).toEqual([
      expect.stringMatching(/^\S+: loads (?:https:)?\/\/[a-z]+\.example/),
    ])
  })

  it('find pages that the search does not find', () => {
    const pages = ['index.html', 'denials.html', 'mcp/names.html', '404.html']
    const site = new Map(pages.map((page) => [page, '<h1 id="a"></h1>']))
    expect(unsearchable(site)).toEqual(
      pages.slice(0, 3).map((page) => `${page}: the search does not find it`),
    )
    const index = 'const e=\'{"documentIds":{"0":"/#a","1":"/denials#a","2":"/mcp/names#a"}}\''
    site.set('assets/chunks/@localSearchIndexroot.x1.js', index)
    expect(unsearchable(site)).toEqual([])
    site.set('mcp/lists.html', '')
    expect(unsearchable(site)).toEqual(['mcp/lists.html: the search does not find it'])
  })
})

it.each(['README.md', 'docs/request.md', 'docs/mcp.md', 'docs/rollout.md'])(
  'the diagram of %s is drawn with all its texts, and loads nothing',
  (source) => {
    const text = PAGES.find((page) => page.source === source)?.text ?? ''
    const [, code = ''] = text.match(/```mermaid\n(.*?)```/s) ?? []
    const drawn = diagram(code)
    expect(drawn.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|@import|<style/)
    const labels = [...code.matchAll(/"([^"\n]+)"|\[([^\]"\n]+)\]/g)].flatMap(
      ([, a = '', b = '']) => (a || b).split('<br>'),
    )
    for (const label of labels) expect(drawn).toContain(label.replaceAll("'", '&#39;'))
  },
)

it('scripts in pages are allowed by their hash, and no other', () => {
  const headers = headersFile([
    '<script>a()</script><script src="/x.js"></script>',
    '<script>a()</script>',
  ])
  expect(headers).toMatch(/script-src 'self' 'sha256-[\w+/]{43}='; /)
  for (const line of headers.split('\n')) expect(line.length).toBeLessThan(2_000)
})
