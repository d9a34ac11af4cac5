import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { html } from './html.ts'
import { type Asked, Badge, Moment, useAnswer } from './parts.ts'
import { address, has, isUtc, type Json, list, text, time } from './state.ts'

const MINUTE = 60
const HOUR = 3_600

/** The ranges that one can choose: their seconds. */
export const RANGES: Readonly<Record<string, readonly [name: string, seconds: number]>> = {
  '1h': ['last hour', HOUR],
  '6h': ['last 6 hours', 6 * HOUR],
  '1d': ['last day', 24 * HOUR],
  '7d': ['last 7 days', 7 * 24 * HOUR],
  '30d': ['last 30 days', 30 * 24 * HOUR],
}

/** The begin and the end of a time, in seconds since the epoch. */
export interface Span {
  readonly from: number
  readonly until?: number
}

/** The time of a range, until now. Its begin is a whole minute, so that it stays the same for a while. */
export function spanOf(range: string): Span {
  const [, seconds] = RANGES[range] ?? RANGES['1h'] ?? ['', HOUR]
  return { from: Math.floor(Date.now() / 300_000) * 300 - seconds }
}

const STEPS = { minute: MINUTE, hour: HOUR, day: 24 * HOUR } as const

/** In what steps a time is counted, so that a plot has some dozens to some hundred of them. */
const stepOf = ({ from, until = Date.now() / 1000 }: Span): keyof typeof STEPS =>
  until - from <= 3 * HOUR ? 'minute' : until - from <= 8 * 24 * HOUR ? 'hour' : 'day'

const sum = (counts: readonly number[]) => counts.reduce((total, one) => total + one, 0)

/** Counts of a filter over time, and by what; again each minute. Asks nothing without the scope that this needs. */
export function useCounts(query: Json, span: Span, by: string) {
  const every = stepOf(span)
  const path = address('/api/usage', { ...query, ...span, by, every })
  return { span, every, asked: useAnswer(has('audit:read') && path, 60_000) }
}

const DARK = matchMedia('(prefers-color-scheme: dark)')

/** Whether the colours are the dark ones, also after the system has changed them. */
function useDark(): boolean {
  const [isDark, setDark] = useState(DARK.matches)
  useEffect(() => {
    const look = () => setDark(DARK.matches)
    DARK.addEventListener('change', look)
    return () => DARK.removeEventListener('change', look)
  }, [])
  return isDark
}

/** Allowed and refused requests over time, as columns with the refused on top. */
export function Plot({
  of: { span, every, asked },
}: {
  readonly of: ReturnType<typeof useCounts>
}) {
  const box = useRef<HTMLDivElement>(null)
  const isDark = useDark()
  const [times, all, allowed] = useMemo(() => {
    const step = STEPS[every]
    const until = span.until ?? Date.now() / 1000
    const first = Math.floor(span.from / step)
    const count = Math.max(1, Math.ceil(until / step) - first)
    const times = Array.from({ length: count }, (_, index) => (first + index) * step)
    const counts = { decisions: times.map(() => 0), denied: times.map(() => 0) }
    for (const one of list(asked.value?.usage)) {
      const at = Date.parse(text(one.time)) / 1000 / step - first
      counts.decisions[at] = (counts.decisions[at] ?? 0) + Number(one.decisions)
      counts.denied[at] = (counts.denied[at] ?? 0) + Number(one.denied)
    }
    const { decisions, denied } = counts
    return [times, decisions, decisions.map((one, at) => one - (denied[at] ?? 0))]
  }, [asked.value, every, span.from, span.until])
  useEffect(() => {
    const target = box.current
    if (!target) return
    const style = getComputedStyle(target)
    const axis = { stroke: style.color, grid: { stroke: '#8883', width: 1 }, size: 36 }
    const bars = uPlot.paths.bars?.({ size: [0.8, 40], align: 1 })
    const column = (name: string) => ({
      fill: style.getPropertyValue(name),
      ...(bars && { paths: bars }),
      points: { show: false },
    })
    const from = every === 'day' ? 5 : 11
    const size = () => ({ width: target.clientWidth, height: 140 })
    const plot = new uPlot(
      {
        ...size(),
        legend: { show: false },
        cursor: { show: false },
        axes: [
          { ...axis, values: (_, marks) => marks.map((one) => time(one).slice(from, from + 5)) },
          axis,
        ],
        scales: {
          // A column is beside its begin.
          x: { range: (_, min, max) => [min, max + STEPS[every]] },
          y: { range: (_, __, max) => [0, Math.max(max, 5)] },
        },
        series: [{}, column('--bad'), column('--fine')],
      },
      [times, all, allowed],
      target,
    )
    const watch = new ResizeObserver(() => plot.setSize(size()))
    watch.observe(target)
    return () => {
      watch.disconnect()
      plot.destroy()
    }
  }, [times, all, allowed, every, isDark, isUtc.value])
  const [total, fine] = [sum(all), sum(allowed)]
  const says = `${fine} requests allowed, ${total - fine} refused`
  return html`<figure><div ref=${box} role="img" aria-label=${`${says}, by ${every}`}></div>
    <figcaption>${
      asked.value
        ? html`<${Badge} state="allowed">${fine} allowed<//> <${Badge} state="denied">${total - fine} refused<//> by ${every}${
            asked.value.since !== undefined &&
            html`, since <${Moment} at=${asked.value.since} />: earlier ones are too many to count`
          }`
        : html`<${Counting} asked=${asked} />`
    }</figcaption></figure>`
}

const Counting = ({ asked }: { readonly asked: Asked }) =>
  asked.problem ? html`${asked.problem.title}. ${asked.problem.hint}.` : 'Counting…'
