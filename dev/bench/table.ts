import { baseOf } from './lineup.ts'
import { fixed, grouped, markdown, UNKNOWN } from './markdown.ts'
import type { Line, Report } from './report.ts'
import { mean, median, pairedRatio, quickerHalf, surcharge, uncertainty } from './statistics.ts'

type Column = readonly [head: string, cell: (line: Line, base: Line) => string]

const ABOVE: Column = ['µs above (a)', ({ cpu }, base) => fixed(0, surcharge(cpu, base.cpu))]
const HALF: Column = [
  'quicker half',
  ({ cpu }, base) => fixed(0, surcharge(cpu, base.cpu, quickerHalf)),
]
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
  HALF,
  ['µs', ({ cpu }) => fixed(0, mean(cpu))],
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

/** How long after the decision held calls are forwarded, as a Markdown table. */
export const renderApprovals = ({ approvals }: Pick<Report, 'approvals'>): string =>
  approvals === undefined
    ? 'This run did not measure it.'
    : markdown(
        ['from the decision to the forwarded request', 'ms'],
        [
          [`median of ${approvals.calls} calls that were held`, fixed(1, approvals.median)],
          ['the slowest', fixed(1, approvals.most)],
        ],
      )

/** What uploads of strangers cost that are refused, as a Markdown table. */
export const renderUploads = ({ uploads }: Pick<Report, 'uploads'>): string =>
  uploads === undefined
    ? 'This run did not measure it.'
    : markdown(
        [
          'bytes of an upload',
          'the rest',
          'processor time, µs',
          'memory, MiB',
          'refusals that arrive',
        ],
        uploads.flatMap(({ bytes, by: { left, read } }) =>
          (
            [
              ['left', left],
              ['read', read],
            ] as const
          ).map(([name, cost]) => [
            ...[grouped(bytes), name, fixed(0, cost.cpu), fixed(0, cost.memory / 2 ** 20)],
            `${fixed(0, cost.arrived * 100)} %`,
          ]),
        ),
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
  const columns = [ABOVE, HALF, TO_A]
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

/** Parts of what a gate that `edgewarden init` deploys does for a known token, as one row above another. */
const PARTS = [
  ['all of it', 'get.gate', 'get.a'],
  ['without audit, registry and assertion', 'get.gate-bare', 'get.a'],
  ['a record of the decision, made and sent', 'get.gate-audit-dropped', 'get.gate-no-audit'],
  ['the objects of audit and registry', 'get.gate', 'get.gate-audit-dropped'],
  ['the `identity` assertion', 'get.gate', 'get.gate-no-assertion'],
] as const

/** What each part costs, as a Markdown table. */
export const renderParts = ({ lines }: Pick<Report, 'lines'>): string => {
  const cpuOf = (wanted: string) => lines.find(({ id }) => id === wanted)?.cpu ?? []
  return markdown(
    ['GET, known token', 'µs', '±', 'measured as'],
    PARTS.map(([what, id, less]) => {
      const [all, without] = [cpuOf(id), cpuOf(less)]
      return [
        what,
        fixed(0, surcharge(all, without)),
        fixed(
          0,
          uncertainty(all.length, (own) => surcharge(own(all), own(without))),
        ),
        `\`${id}\` − \`${less}\``,
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
