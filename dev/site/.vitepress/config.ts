import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitepress'
import { diagram } from '../mermaid.ts'
import { anchorOf, groupsOf, linkOf, PAGES, ROOT } from '../pages.ts'

const rewrites = Object.fromEntries(PAGES.map(({ source, path }) => [source, `${path}.md`]))
const index = PAGES.find(({ path }) => path === 'contents')?.text ?? ''

export default defineConfig({
  title: 'Edgewarden',
  description: 'A gate for AI agents at Cloudflare’s edge.',
  lang: 'en',
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  srcDir: '../..',
  outDir: '../../dist-site',
  cacheDir: '../../node_modules/.cache/vitepress',
  srcExclude: readdirSync(ROOT)
    .filter((name) => name !== 'docs' && !Object.hasOwn(rewrites, name))
    .flatMap((name) => [name, `${name}/**`]),
  rewrites,
  ignoreDeadLinks: 'localhostLinks',
  cleanUrls: true,
  // Without scripts in the page that differ from page to page.
  metaChunk: true,
  themeConfig: {
    nav: [
      { text: 'Contents', link: '/contents' },
      { text: 'Why was I refused', link: '/denials' },
      { text: 'Security', link: '/security' },
      { text: 'Changes', link: '/changelog' },
    ],
    sidebar: groupsOf(index).map(({ title, items }) => ({
      text: title,
      collapsed: false,
      items: items.map(({ title, link }) => ({ text: title, link })),
    })),
    outline: [2, 3],
    search: { provider: 'local' },
  },
  markdown: {
    anchor: { slugify: anchorOf },
    config(md) {
      const { fence } = md.renderer.rules
      md.renderer.rules.fence = (tokens, at, ...rest) => {
        const token = tokens[at]
        return token?.info === 'mermaid'
          ? diagram(token.content)
          : (fence?.(tokens, at, ...rest) ?? '')
      }
      md.core.ruler.push('links', ({ tokens, env }) => {
        const source = sourceOf(env)
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.type === 'link_open' ? token.attrGet('href') : null
          if (href === null) continue
          const link = linkOf(source, decodeURI(href))
          token.attrSet('href', link)
          // A text is loaded as a whole, not by the site's router.
          if (link.startsWith('/files/')) token.attrSet('target', '_self')
        }
      })
    },
  },
  vite: {
    configFile: false,
    publicDir: false,
    build: { target: 'es2022' },
    plugins: [
      {
        // The theme would load icons that it does not have from another site.
        name: 'own-icons',
        enforce: 'pre',
        transform: (code, id) =>
          id.endsWith('VPSocialLink.vue') ? code.replace('https://api.iconify.design/', '/') : null,
      },
    ],
  },
})

/** The file that a page is made of, relative to the repository. */
const sourceOf = (env: { relativePath: string }): string =>
  PAGES.find(({ path, source }) => [`${path}.md`, source].includes(env.relativePath))?.source ?? ''
