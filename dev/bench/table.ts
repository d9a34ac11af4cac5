import { baseOf } from './lineup.ts'
import { fixed, grouped, markdown, UNKNOWN } from './markdown.ts'
import type { Line, Report } from './report.ts'
import { median, pairedRatio, quickerHalf, surcharge, uncertainty } from './statistics.ts'

type Column = readonly [head: string, cell: (line: Line, base: Line) => string]

const ABOVE: Column = ['µs above (a)', ({ cpu }, base) => fixed(0, surcharge(cpu, base.cpu))]
const TO_A: Column = ['req/s × (a)', ({ rate }, base) => fixed(2, pairedRatio(rate, base.rate))]
const COLUMNS: readonly Column[] = [
  ABOVE,
  [
    '±',
    ({ cpu }, base) =>
      fixed(
        0,
        uncertainty(cpu.length, (own) => surcharge(own(cpu), own(base.cpu))),
      ),
  ],
  ['µs', ({ cpu }) => fixed(0, quickerHalf(cpu))],
  ['req/s', ({ rate }) => grouped(median(rate))],
  TO_A,
]

/** The cells of a line; dashes where it, or what it is compared to, was not measured. */
const cellsOf = (columns: readonly Column[], lines: readonly Line[], id: string) => {
  const line = lines.find((one) => one.id === id)
  const base = line && lines.find((one) => one.id === baseOf(line.group))
  return columns.map(([, cell]) => (line && base ? cell(line, base) : UNKNOWN))
}

/** Every line that was measured, as a Markdown table. */
export const renderTable = ({ lines }: Pick<Report, 'lines'>): string =>
  markdown(
    ['', ...COLUMNS.map(([head]) => head)],
    lines.map(({ id, kind, title }) => [
      `${kind}: ${title} (\`${id}\`)`,
      ...cellsOf(COLUMNS, lines, id),
    ]),
  )

/** What reading a policy takes by the number of its rules, as a Markdown table. */
export const renderPolicyTable = ({ policy }: Pick<Report, 'policy'>): string =>
  markdown(
    ['rules', 'reading the policy'],
    policy.map(({ rules, parse }) => [grouped(rules), `${fixed(parse < 10 ? 1 : 0, parse)} ms`]),
  )

/** Who is shown to readers, in their order. */
const SHOWN = [
  ['post', 'b'],
  ['post', 'b+'],
  ['post', 'gate'],
  ['post', 'gate-new'],
  ['get', 'gate'],
  ['dpop', 'o'],
  ['dpop', 'o+'],
  ['dpop', 'gate'],
  ['dpop', 'gate-exact'],
  ['sse', 'gate'],
  ['upload', 'gate'],
  ['mcp-1k', 'gate'],
] as const

/** The comparison in few columns and rows, for readers. */
export const renderMain = ({ lines }: Pick<Report, 'lines'>): string => {
  const columns = [ABOVE, TO_A]
  return markdown(
    ['', ...columns.map(([head]) => head), ...columns.map(([head]) => `over HTTP: ${head}`)],
    SHOWN.flatMap(([group, name]) => {
      const id = `${group}.${name}`
      const line = lines.find((one) => one.id === id)
      if (!line) return []
      return [
        [
          `${line.kind}: ${line.title}`,
          ...cellsOf(columns, lines, id),
          ...cellsOf(columns, lines, `${group}-http.${name}`),
        ],
      ]
    }),
  )
}

/** Where, when, with which versions and how long it was measured. */
export const renderSurroundings = ({ date, machine, versions, settings }: Report): string => {
  const { rounds, seconds, connections } = settings
  const all = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${date}; ${machine.system}, ${machine.cpu}, ${machine.cores} processors.`,
    `With ${all.join(', ')}.`,
    `ES256; ${rounds} rounds of ${seconds} s over ${connections} connections.`,
  ].join(' ')
}
