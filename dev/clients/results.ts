import { CASES, type Case } from './cases.ts'
import { DRIVERS } from './drivers.ts'

/** The page with the table. */
export const PAGE = new URL('../../docs/mcp/tested.md', import.meta.url)
export const BLOCK = /(<!-- matrix -->\n).*?(<!-- \/matrix -->)/s

/** Seconds after a revocation within which the gate ends what is open: `max_staleness`. */
const BOUND = 5
/** Seconds after that within which a client's call fails. */
const LATE = 1

/** The verdict where both are right. */
export const SAME = 'same'

export interface Outcome {
  /** What the promise of the client did. */
  readonly did: 'resolved' | 'rejected' | 'hung'
  readonly seconds: number
  readonly text: string
  /** Seconds from the revocation until the gate ended the answer. */
  readonly bound?: number
  /** Seconds from there to the client's error. */
  readonly late?: number
}

export interface Result {
  readonly client: string
  readonly case: string
  readonly verdict: string
  readonly direct?: Outcome | undefined
  readonly gate: Outcome
  /** Whether the first time was not right. */
  readonly isAgain?: boolean
}

/** Whether a client did what is right. */
export function isRight({ resolves, rejects, gateOnly }: Case, outcome: Outcome): boolean {
  const { did, text, bound = BOUND, late = LATE } = outcome
  if (resolves) return did === 'resolved' && resolves.test(text)
  const inTime = !gateOnly || (bound < BOUND && late < LATE)
  return did === 'rejected' && inTime && rejects?.test(text) === true
}

export function verdictOf(one: Case, direct: Outcome | undefined, gate: Outcome): string {
  if (isRight(one, gate)) return direct && !isRight(one, direct) ? 'only the gate works' : SAME
  return direct && !isRight(one, direct) ? 'fails in both' : 'only the gate fails'
}

const told = (outcome: Outcome | undefined) => {
  if (!outcome) return '–'
  const { did, seconds, text, bound, late } = outcome
  const times = late === undefined ? '' : ` (ended after ${bound} s, told ${late} s later)`
  const said = text.replace(/\s+/g, ' ').replaceAll('`', "'").slice(0, 200)
  return `${did} in ${seconds} s${times}${said && `, \`${said}\``}`
}

/** The table, and below it what differs, and what was right only the second time. */
export function render(results: readonly Result[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const resultOf = (client: string, { name }: Case) =>
    results.find((one) => one.client === client && one.case === name)
  const cells = (client: string) => {
    const found = CASES.map((one) => [one.name, resultOf(client, one)] as const)
    const unlike = found.flatMap(([name, result]) =>
      result && result.verdict !== SAME ? [`${name}: ${result.verdict}`] : [],
    )
    const unrun = found.flatMap(([name, result]) => (result ? [] : [name]))
    const late = found.flatMap(([, result]) => result?.gate.late ?? [])
    const seconds = late.length > 0 ? `${Math.max(...late).toFixed(2)} s` : ''
    return [unlike.join('; '), unrun.join('; '), seconds].map((text) => text || '–')
  }
  const different = results
    .filter(({ verdict }) => verdict.startsWith('only'))
    .map(
      (one) =>
        `- \`${one.client}\`, ${one.case}: direct ${told(one.direct)}; gate ${told(one.gate)}`,
    )
  const again = results
    .filter(({ isAgain, verdict }) => isAgain && verdict === SAME)
    .map((one) => `- \`${one.client}\`, ${one.case}: only when run again`)
  return [
    '',
    row(['client', 'not `same`', 'not run', 'error after the end of a revoked call']),
    row(['---', '---', '---', '---']),
    ...DRIVERS.map(({ name }) => row([`\`${name}\``, ...cells(name)])),
    '',
    ...different,
    ...again,
    '\n',
  ].join('\n')
}
