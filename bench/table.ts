import { ALGORITHMS } from './public-key.ts'
import type { Line, Report } from './report.ts'

/** The comparison as one Markdown table: a row per contender, a group of columns per algorithm. */
export const renderTable = ({ lines }: Report): string => {
  const algorithms = ALGORITHMS.filter((alg) => lines.some((line) => line.alg === alg))
  const ids = [...new Set(lines.map(({ id }) => id))]
  const head = algorithms.flatMap((alg) => [`${alg} req/s`, '× (a)', '× (b)', 'p50 / p99 ms'])
  const rows = ids.map((id) => {
    const own = lines.filter((line) => line.id === id)
    const cells = algorithms.flatMap((alg) => cellsOf(own.find((line) => line.alg === alg)))
    return [`(${id}) ${own[0]?.title ?? ''}`, ...cells]
  })
  return markdown(['', ...head], rows)
}

/** What the number of rules costs, as a Markdown table. */
export const renderPolicyTable = ({ policy, lines }: Report): string =>
  markdown(
    ['rules', 'gate, warm, each path new (ES256)', 'reading the policy', 'finding the rule'],
    policy.map(({ rules, parse, find }) => [
      grouped(rules),
      throughput(lines, rules),
      `${parse < 10 ? parse.toFixed(1) : Math.round(parse)} ms`,
      `${grouped(find)} ns`,
    ]),
  )

/** Which contender has a policy of that size. */
const BY_SIZE: Readonly<Record<number, string>> = { 10: 'p-10', 1000: 'p-1000' }

const throughput = (lines: readonly Line[], rules: number): string => {
  const line = lines.find(({ id, alg }) => id === BY_SIZE[rules] && alg === 'ES256')
  return line ? `${grouped(line.rate)} req/s` : '–'
}

const cellsOf = (line: Line | undefined): readonly string[] =>
  line
    ? [
        grouped(line.rate),
        ratio(line.toA),
        ratio(line.toB),
        `${line.p50.toFixed(1)} / ${line.p99.toFixed(1)}`,
      ]
    : ['–', '–', '–', '–']

const ratio = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(2))

const grouped = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/g, ',')

const markdown = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
