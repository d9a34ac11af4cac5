import { EVENTS } from './kinds.ts'
import { baseOf, LINEUP, otherOf } from './lineup.ts'
import { fixed, markdown } from './markdown.ts'
import type { Line, Report } from './report.ts'
import { pairedDifference, uncertainty } from './statistics.ts'

/** What is compared, and what it should be at most. */
interface Target {
  readonly text: string
  readonly most: number
  readonly unit: '×' | 'µs'
  /** What was measured; not a number where a line is missing. */
  readonly find: (lines: readonly Line[]) => Found
}

interface Found {
  readonly value: number
  readonly uncertainty?: number
}

/** The processor times of a row and of what it is measured above. */
const timesOf = (lines: readonly Line[], id: string, less: string) => {
  const cpuOf = (wanted: string) => lines.find((one) => one.id === wanted)?.cpu ?? []
  return [cpuOf(id), cpuOf(less)] as const
}

/** What a row of a group adds to (a), as a multiple of what another one adds. */
const ratio = (group: string, name: string, other: string, most: number): Target => {
  const above = (lines: readonly Line[], of: string) =>
    pairedDifference(...timesOf(lines, `${group}.${of}`, baseOf(group)))
  return {
    text: `\`${group}.${name}\` ÷ \`${group}.${other}\`, both above (a)`,
    most,
    unit: '×',
    find: (lines) => ({ value: above(lines, name) / above(lines, other) }),
  }
}

/** What a row takes more than another one, for each event. */
const more = (id: string, other: string, most: number, events = 1): Target => ({
  text: `\`${id}\` − \`${other}\`${events > 1 ? ', an event' : ''}`,
  most,
  unit: 'µs',
  find(lines) {
    const times = timesOf(lines, id, other)
    return {
      value: pairedDifference(...times) / events,
      uncertainty: uncertainty(...times) / events,
    }
  },
})

const TARGETS: readonly Target[] = [
  ...['post', 'get', 'post-http', 'get-http'].flatMap((group) => [
    ratio(group, 'gate', 'b', group === 'post-http' ? 0.7 : 0.6),
    ratio(group, 'gate', 'b+', 0.5),
    ratio(group, 'gate-new', 'b', 1.25),
  ]),
  ...['', '-http'].flatMap((way) => [
    more(`sse${way}.gate`, `sse${way}.a`, 25, EVENTS),
    more(`mcp-1k${way}.gate`, `mcp-1k${way}.a`, 180),
    more(`mcp-100k${way}.gate`, `mcp-100k${way}.a`, 500),
  ]),
  ...LINEUP.map(({ id }) => more(id, otherOf(id), 0)),
  more('get.gate-1m', 'get.gate', 15),
  more('get.gate-rules', 'get.gate', 15),
  more('get.gate-templates', 'get.gate', 15),
  more('get.gate-when', 'get.gate', 30),
]

/** How the run compares to what is aimed at, as a Markdown table. Judges nothing else. */
export const renderTargets = ({ lines }: Pick<Report, 'lines'>): string =>
  markdown(
    ['processor time', 'at most', 'measured', '±', ''],
    TARGETS.map((target) => ({ ...target, ...target.find(lines) }))
      .filter(({ value }) => !Number.isNaN(value))
      .map(({ text, most, unit, value, uncertainty }) => [
        text,
        `${most} ${unit}`,
        `${fixed(unit === '×' ? 2 : 0, value)} ${unit}`,
        fixed(0, uncertainty),
        verdict(value - most, uncertainty),
      ]),
  )

/** Nothing is said where the run cannot tell. */
const verdict = (over: number, uncertainty = 0): string => {
  if (Math.abs(over) < uncertainty) return 'too close to tell'
  return over <= 0 ? 'reached' : 'not reached'
}
