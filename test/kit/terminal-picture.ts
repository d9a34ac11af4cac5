import { stripVTControlCharacters } from 'node:util'

/** A line of a terminal with its colours (ECMA-48 SGR), and when it came, in seconds. */
export interface TerminalLine {
  readonly text: string
  readonly at: number
}

const THEMES = {
  light: { back: '#ffffff', edge: '#d0d7de', plain: '#1f2328', green: '#116329', red: '#a40e26' },
  dark: { back: '#0d1117', edge: '#3d444d', plain: '#e6edf3', green: '#56d364', red: '#ff7b72' },
} as const

export type Theme = keyof typeof THEMES

/** Classes of the colours that a line can have, by the number of SGR. Another number ends them. */
const CLASSES: Readonly<Record<string, string>> = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green' }

/** Pixels of a character, of a line, and around the text. */
const [CHARACTER, LINE, EDGE] = [7.83, 19, 16]

/** Seconds that a line is before the next: shorter and longer pauses are not kept. */
const [SHORTEST, LONGEST] = [0.08, 0.7]

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const spans = (text: string): string => {
  const [first = '', ...rest] = text.split('\u001B[')
  const others = rest.map((part) => {
    const [, number = '', words = ''] = /^(\d*)m(.*)$/.exec(part) ?? []
    const name = CLASSES[number]
    return name && words ? `<tspan class="${name}">${escaped(words)}</tspan>` : escaped(words)
  })
  return escaped(first) + others.join('')
}

const widthOf = ({ text }: TerminalLine): number =>
  stripVTControlCharacters(text).length * CHARACTER

/**
 * A recording of a terminal as an SVG that plays once. Long pauses are shortened. All lines are shown at once to whoever
 * wants no motion. Knows no cursor and no colours but those of {@link CLASSES}.
 */
export function terminalPicture(
  title: string,
  lines: readonly TerminalLine[],
  theme: Theme,
): string {
  const { back, edge, plain, green, red } = THEMES[theme]
  const width = Math.ceil(Math.max(...lines.map(widthOf)) + 2 * EDGE)
  const height = lines.length * LINE + 2 * EDGE
  let [shown, before] = [0, lines[0]?.at ?? 0]
  const rows = lines.map((line, i) => {
    shown += i === 0 ? 0 : Math.min(Math.max(line.at - before, SHORTEST), LONGEST)
    before = line.at
    const y = EDGE + i * LINE + 14
    return `<text x="${EDGE}" y="${y}" style="animation-delay:${shown.toFixed(2)}s">${spans(line.text)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-labelledby="title">
<title id="title">${escaped(title)}</title>
<style>
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: ${plain}; white-space: pre; animation: come .01s both }
.green { fill: ${green} }
.red { fill: ${red} }
.dim { opacity: .7 }
.bold { font-weight: bold }
@keyframes come { from { opacity: 0 } }
@media (prefers-reduced-motion) { text { animation: none } }
</style>
<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="6" fill="${back}" stroke="${edge}"/>
${rows.join('\n')}
</svg>
`
}
