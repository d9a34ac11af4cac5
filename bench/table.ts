import { fixed, grouped, markdown, UNKNOWN } from './markdown.ts'
import { ALGORITHMS } from './public-key.ts'
import type { Line, Report } from './report.ts'

/** The comparison as one Markdown table: a row per contender, a group of columns per algorithm. */
export const renderTable = ({ lines }: Report): string => {
  const algorithms = ALGORITHMS.filter((alg) => lines.some((line) => line.alg === alg))
  const head = algorithms.flatMap((alg) => [`${alg} req/s`, '× (a)', '× (b)', 'p50 / p99 ms'])
  const rows = [...new Set(lines.map(({ id }) => id))].map((id) => [
    nameIn(lines, id),
    ...algorithms.flatMap((alg) => cellsOf(lineIn(lines, id, alg))),
  ])
  return markdown(['', ...head], rows)
}

/** Who is shown to readers, in their order. */
const SHOWN = ['a', 'b', 'c', 'd', 'e-bounded', 'f-bounded', 'e', 'f']

/** The comparison in few columns and rows, for readers. */
export const renderMain = ({ lines, network = [] }: Report): string =>
  markdown(
    [
      '',
      'ES256 req/s',
      '× (a)',
      '× (b)',
      'p50 / p99 ms',
      'RS256 × (a)',
      '× (b)',
      'ES256 over HTTP × (a)',
      '× (b)',
    ],
    SHOWN.filter((id) => lines.some((line) => line.id === id)).map((id) => {
      const rs256 = lineIn(lines, id, 'RS256')
      const overHttp = lineIn(network, id, 'ES256')
      return [
        nameIn(lines, id),
        ...cellsOf(lineIn(lines, id, 'ES256')),
        fixed(2, rs256?.toA),
        fixed(2, rs256?.toB),
        fixed(2, overHttp?.toA),
        fixed(2, overHttp?.toB),
      ]
    }),
  )

/** Where, when, with which versions and how long it was measured. */
export const renderSurroundings = ({ date, machine, versions, settings }: Report): string => {
  const { rounds, seconds, connections, turns, overHttp, origin } = settings
  const all = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const times = [
    `${rounds} rounds of ${seconds} s`,
    ...(turns ? [`steps ${turns.rounds} turns of ${turns.seconds} s`] : []),
    ...(overHttp ? [`over HTTP ${overHttp.rounds} rounds of ${overHttp.seconds} s`] : []),
  ]
  const [usual, ...others] = times
  return [
    `${date}; ${machine.system}, ${machine.cpu}, ${machine.cores} processors; ${all.join(', ')}.`,
    `Medians of ${usual}${others.length > 0 ? ` (${others.join(', ')})` : ''} over ${connections} connections,`,
    origin === 'binding' ? 'origin behind a service binding.' : 'origin over HTTP on this machine.',
  ].join(' ')
}

/** What each single step costs, as a Markdown table. */
export const renderSteps = ({ steps }: Report): string =>
  markdown(
    [
      'the pass-through (a), and',
      'done by the gate',
      steps.base === undefined ? 'µs above (a)' : `µs above the ${fixed(0, steps.base)} of (a)`,
      '× (a)',
    ],
    steps.lines.map(({ id, title, isOurs, above, toA }) => [
      `${title} (\`${id}\`)`,
      isOurs ? 'yes' : '',
      fixed(above !== undefined && Math.abs(above) < 10 ? 1 : 0, above),
      fixed(2, toA),
    ]),
  )

/** What is compared to what, in processor time. */
const DIFFERENCES = [
  ['a signature verified by `crypto.subtle` alone', 'd', 'a'],
  ['a token verified by jose', 'b', 'a'],
  ['all that the gate does, for a token it knows', 'e-bounded', 'a'],
  ['what knowing the token saves', 'f-bounded', 'e-bounded'],
  ['looking into the copy of the revocation set', 'e-bounded', 'e-open'],
  ['a million entries in that copy', 'e-bounded-1m', 'e-bounded'],
  ['asking the revocation set on each request', 'e', 'e-bounded'],
] as const

/** What parts of the gate cost: two rows of the comparison taken from one another. */
export const renderDifferences = ({ lines }: Report): string =>
  markdown(
    ['µs of processor time for a request', ...ALGORITHMS],
    DIFFERENCES.map(([text, more, less]) => [
      `${text}: (${more}) − (${less})`,
      ...ALGORITHMS.map((alg) => {
        const cpuOf = (id: string) => lineIn(lines, id, alg)?.cpu ?? Number.NaN
        return fixed(0, cpuOf(more) - cpuOf(less))
      }),
    ]),
  )

/** What the number of rules costs, as a Markdown table. */
export const renderPolicyTable = ({ policy, lines }: Report): string =>
  markdown(
    ['rules', 'gate, known token, each path new (ES256)', 'reading the policy', 'finding the rule'],
    policy.map(({ rules, parse, find }) => [
      grouped(rules),
      throughput(lines, rules),
      `${fixed(parse < 10 ? 1 : 0, parse)} ms`,
      `${grouped(find)} ns`,
    ]),
  )

/** Which contender has a policy of that size. */
const BY_SIZE: Readonly<Record<number, string>> = { 10: 'p-10', 1000: 'p-1000' }

const throughput = (lines: readonly Line[], rules: number): string => {
  const line = lineIn(lines, BY_SIZE[rules] ?? '', 'ES256')
  return line ? `${grouped(line.rate)} req/s` : UNKNOWN
}

const lineIn = (lines: readonly Line[], id: string, alg: Line['alg']): Line | undefined =>
  lines.find((line) => line.id === id && line.alg === alg)

const nameIn = (lines: readonly Line[], id: string): string =>
  `(${id}) ${lines.find((line) => line.id === id)?.title ?? ''}`

const cellsOf = (line: Line | undefined): readonly string[] => [
  line ? grouped(line.rate) : UNKNOWN,
  fixed(2, line?.toA),
  fixed(2, line?.toB),
  line ? `${line.p50.toFixed(1)} / ${line.p99.toFixed(1)}` : UNKNOWN,
]
