import { EVENTS } from './kinds.ts'
import { baseOf, LINEUP, otherOf } from './lineup.ts'
import { fixed, markdown } from './markdown.ts'
import type { Line, Report } from './report.ts'
import { mean, quickerHalf, surcharge, uncertainty } from './statistics.ts'

/** What is compared, and what it should be at most. */
interface Target {
  readonly text: string
  readonly most: number
  readonly unit: '×' | 'µs'
  /** Not a number where a line is missing. */
  readonly find: (lines: readonly Line[]) => Found
}

interface Found {
  readonly value: number
  readonly uncertainty: number
}

type CpuOf = (id: string) => readonly number[]

/** What is found by an estimate from the rounds of some rows. */
const findBy =
  (estimate: (cpuOf: CpuOf) => number) =>
  (lines: readonly Line[]): Found => {
    const cpuOf = (wanted: string) => lines.find(({ id }) => id === wanted)?.cpu ?? []
    const rounds = lines[0]?.cpu.length ?? 0
    return {
      value: estimate(cpuOf),
      uncertainty: uncertainty(rounds, (own) => estimate((id) => own(cpuOf(id)))),
    }
  }

/** What a row of a group adds to (a), as a multiple of what another one adds. */
const ratio = (group: string, name: string, other: string, most: number, by = mean): Target => ({
  text: `\`${group}.${name}\` ÷ \`${group}.${other}\`, both above (a)${by === mean ? '' : ', quicker half'}`,
  most,
  unit: '×',
  find: findBy((cpuOf) => {
    const above = (one: string) => surcharge(cpuOf(`${group}.${one}`), cpuOf(baseOf(group)), by)
    return above(name) / above(other)
  }),
})

/** What a row takes more than another one, for each event. */
const more = (id: string, other: string, most: number, events = 1): Target => ({
  text: `\`${id}\` − \`${other}\`${events > 1 ? ', an event' : ''}`,
  most,
  unit: 'µs',
  find: findBy((cpuOf) => surcharge(cpuOf(id), cpuOf(other)) / events),
})

/** What a known token should add, of the quicker half of the rounds. */
const HALVES = [
  ['b', 0.6],
  ['b+', 0.4],
] as const
const half = (group: string, other: string, most: number): Target =>
  ratio(group, 'gate', other, most, quickerHalf)

const TARGETS: readonly Target[] = [
  ...['post', 'get', 'post-http', 'get-http'].flatMap((group) => [
    ratio(group, 'gate', 'b', group.endsWith('-http') ? 0.85 : 0.75),
    ratio(group, 'gate', 'b+', 0.5),
    ...(group.endsWith('-http') ? [] : HALVES.map(([other, most]) => half(group, other, most))),
    ratio(group, 'gate-new', 'b+', 1.7),
  ]),
  more('get.gate-audit-dropped', 'get.gate-no-audit', 12),
  more('get.gate', 'get.gate-audit-dropped', 15),
  {
    text: '`unsized.gate` − `sized.gate`, both above (a)',
    most: 75,
    unit: 'µs',
    find: findBy((cpuOf) => {
      const above = (group: string) => surcharge(cpuOf(`${group}.gate`), cpuOf(baseOf(group)))
      return above('unsized') - above('sized')
    }),
  },
  ...['', '-http'].flatMap((way) => [
    more(`sse${way}.gate`, `sse${way}.a`, 25, EVENTS),
    more(`mcp-1k${way}.gate`, `mcp-1k${way}.a`, 150),
    more(`mcp-100k${way}.gate`, `mcp-100k${way}.a`, 500),
  ]),
  ratio('dpop', 'gate', 'o', 0.7),
  ratio('dpop', 'gate', 'o+', 0.7),
  ...LINEUP.map(({ id }) => more(id, otherOf(id), 0)),
  more('get.gate-1m', 'get.gate', 15),
  more('get.gate-rules', 'get.gate', 15),
  more('get.gate-templates', 'get.gate', 15),
  more('get.gate-when', 'get.gate', 30),
  more('get.gate-approval', 'get.gate', 15),
]

/** How the run compares to what is aimed at, as a Markdown table. Judges nothing else. */
export const renderTargets = ({ lines }: Pick<Report, 'lines'>): string =>
  markdown(
    ['processor time', 'at most', 'measured', '±', ''],
    TARGETS.map((target) => ({ ...target, ...target.find(lines) }))
      .filter(({ value }) => !Number.isNaN(value))
      .map(({ text, most, unit, value, uncertainty }) => {
        const digits = unit === '×' ? 2 : 0
        return [
          text,
          `${most} ${unit}`,
          `${fixed(digits, value)} ${unit}`,
          fixed(digits, uncertainty),
          verdict(value - most, uncertainty),
        ]
      }),
  )

/** Nothing is said where the run cannot tell. */
const verdict = (over: number, uncertainty: number): string => {
  if (!(Math.abs(over) >= uncertainty)) return 'too close to tell'
  return over <= 0 ? 'reached' : 'not reached'
}
