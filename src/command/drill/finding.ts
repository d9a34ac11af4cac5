import { columns, EXIT, type ExitCode } from '../base/output.ts'

/** What a drill measures, in the order of the report. */
export const MEASURES = [
  'clock',
  'keys',
  'path',
  'forged token',
  'unsigned token',
  'replayed token',
  'added time',
  'expiry',
  'revocation',
  'strict stream',
  'bounded stream',
] as const
export type Measure = (typeof MEASURES)[number]

/** What a drill says about one promise. */
export interface Finding {
  readonly name: Measure
  /** `unknown`: it was asked for, and could not be measured. */
  readonly state: 'kept' | 'broken' | 'not measured' | 'unknown'
  /** A sentence for people. */
  readonly says: string
  /** Milliseconds, by what they are. */
  readonly ms?: Readonly<Record<string, number>>
}

/** A finding about something that an option would have asked for. */
export function notMeasured(name: Measure, option: string): Finding {
  return { name, state: 'not measured', says: `give ${option}` }
}

/** Milliseconds for people. */
export function msText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms * 10) / 10} ms` : `${Math.round(ms / 100) / 10} s`
}

/** When something was, for people: milliseconds after an event, or before it if negative. */
export function whenText(ms: number, event: string): string {
  return `${msText(Math.abs(ms))} ${ms < 0 ? 'before' : 'after'} ${event}`
}

/** The number below which this share of the numbers lies. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** No, if a promise is broken; unknown, if one could not be measured. What nobody asked for does not count. */
export function exitCodeOf(findings: readonly Finding[]): ExitCode {
  const has = (state: Finding['state']) => findings.some((one) => one.state === state)
  return has('broken') ? EXIT.no : has('unknown') ? EXIT.unknown : EXIT.yes
}

/** The findings as lines of text. */
export function findingLines(findings: readonly Finding[]): readonly string[] {
  return columns(
    findings.map(({ name, state, says }) => [state === 'broken' ? 'BROKEN' : state, name, says]),
  )
}

/** One finding for each promise, for two streams too: the worst state, and the longest times. */
const byPromise = (findings: readonly Finding[]): readonly Finding[] =>
  MEASURES.flatMap((name) => {
    const same = findings.filter((one) => one.name === name)
    const worst = (['broken', 'unknown', 'kept'] as const).flatMap(
      (state) => same.find((one) => one.state === state) ?? [],
    )[0]
    if (!worst) return []
    const ms: Record<string, number> = {}
    for (const [what, value] of same.flatMap((one) => Object.entries(one.ms ?? {}))) {
      ms[what] = Math.max(ms[what] ?? value, value)
    }
    return [{ ...worst, ms }]
  })

/** The findings in the OpenMetrics format. `at`: seconds since the epoch. */
export function metricsText(findings: readonly Finding[], at: number): string {
  const metric = (name: string, help: string, samples: readonly string[]) => [
    `# TYPE ${name} gauge`,
    `# HELP ${name} ${help}`,
    ...samples.map((one) => `${name}${one}`),
  ]
  const asked = byPromise(findings)
  const measured = asked.filter(({ state }) => state !== 'unknown')
  const isSo = (among: readonly Finding[], state: (of: Finding['state']) => boolean) =>
    among.map((one) => `{promise="${one.name}"} ${Number(state(one.state))}`)
  const times = measured.flatMap(({ name, ms = {} }) =>
    Object.entries(ms).map(
      ([what, value]) => `{promise="${name}",time="${what}"} ${(value / 1000).toFixed(6)}`,
    ),
  )
  const lines = [
    ...metric(
      'edgewarden_drill_measured',
      '0 if the promise could not be measured',
      isSo(asked, (state) => state !== 'unknown'),
    ),
    ...metric(
      'edgewarden_drill_kept',
      '1 if the promise was kept, 0 if it was broken',
      isSo(measured, (state) => state === 'kept'),
    ),
    ...metric('edgewarden_drill_seconds', 'Times that the drill measured', times),
    ...metric('edgewarden_drill_timestamp_seconds', 'When the drill ended', [` ${at.toFixed(3)}`]),
    '# EOF',
  ]
  return `${lines.join('\n')}\n`
}
