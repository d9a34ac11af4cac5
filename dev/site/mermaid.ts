import { renderMermaidSVG } from 'beautiful-mermaid'

/**
 * A Mermaid diagram as SVG that stands in a page, in the colors of the page's theme. The renderer's style sheet asks
 * another site for a font, so of it only the variables are taken.
 */
export function diagram(source: string): string {
  const svg = renderMermaidSVG(source, {
    bg: 'var(--vp-c-bg)',
    fg: 'var(--vp-c-text-1)',
    muted: 'var(--vp-c-text-2)',
  })
  const [sheet = ''] = svg.match(/<style>[\s\S]*?<\/style>/) ?? []
  const variables = [...sheet.replace(/\/\*[\s\S]*?\*\//g, '').matchAll(/(--_[a-z-]+:[^;]+);/g)]
  const style = [
    'font-family:var(--vp-font-family-base);max-width:100%;height:auto',
    ...variables.map(([, one]) => one),
  ].join(';')
  const bare = svg.replace(sheet, '').replace(/ style="([^"]*)"/, ` style="$1;${style}"`)
  return `<div class="diagram" v-pre>${bare}</div>\n`
}
