import { EVENTS } from './kinds.ts'
import { baseOf } from './lineup.ts'
import { fixed, markdown } from './markdown.ts'
import type { Line, Report } from './report.ts'
import { pairedDifference } from './statistics.ts'

/** What is compared, and what it should be at most. */
interface Target {
  readonly text: string
  readonly most: number
  readonly unit: '×' | 'µs'
  /** Not a number where a line is missing. */
  readonly find: (lines: readonly Line[]) => number
}

const above = (lines: readonly Line[], id: string, other?: string): number => {
  const line = lines.find((one) => one.id === id)
  const base = line && lines.find((one) => one.id === (other ?? baseOf(line.group)))
  return line && base ? pairedDifference(line.cpu, base.cpu) : Number.NaN
}

/** What one adds to (a), as a multiple of what the other adds. */
const ratio = (id: string, other: string, most: number): Target => ({
  text: `\`${id}\` ÷ \`${other}\`, both above (a)`,
  most,
  unit: '×',
  find: (lines) => above(lines, id) / above(lines, other),
})

/** What a row takes more than another one, for each event. */
const more = (id: string, other: string, most: number, events = 1): Target => ({
  text: `\`${id}\` − \`${other}\`${events > 1 ? ', an event' : ''}`,
  most,
  unit: 'µs',
  find: (lines) => above(lines, id, other) / events,
})

const TARGETS: readonly Target[] = [
  ...['post', 'get', 'post-http', 'get-http'].flatMap((group) => [
    ratio(`${group}.gate`, `${group}.b`, group === 'post-http' ? 0.7 : 0.6),
    ratio(`${group}.gate`, `${group}.b+`, 0.5),
    ratio(`${group}.gate-new`, `${group}.b`, 1.25),
  ]),
  ...['', '-http'].flatMap((way) => [
    more(`sse${way}.gate`, `sse${way}.a`, 25, EVENTS),
    more(`mcp-1k${way}.gate`, `mcp-1k${way}.a`, 180),
    more(`mcp-100k${way}.gate`, `mcp-100k${way}.a`, 500),
  ]),
  more('get.gate-1m', 'get.gate', 15),
  more('get.gate-rules', 'get.gate', 15),
  more('get.gate-templates', 'get.gate', 15),
  more('get.gate-when', 'get.gate', 30),
]

/** How the run compares to what is aimed at, as a Markdown table. Judges nothing else. */
export const renderTargets = ({ lines }: Pick<Report, 'lines'>): string =>
  markdown(
    ['processor time', 'at most', 'measured', ''],
    TARGETS.map((target) => ({ ...target, found: target.find(lines) }))
      .filter(({ found }) => !Number.isNaN(found))
      .map(({ text, most, unit, found }) => [
        text,
        `${most} ${unit}`,
        `${fixed(unit === '×' ? 2 : 0, found)} ${unit}`,
        found <= most ? 'reached' : 'not reached',
      ]),
  )
