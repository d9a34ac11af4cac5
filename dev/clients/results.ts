import { CASES, type Case } from './cases.ts'
import { DRIVERS, type Driver } from './drivers.ts'
import { unmeasured } from './measured.ts'
import { MODELS } from './places.ts'
import type { Side } from './world.ts'

/** The pages with the tables, and whose they are: clients of MCP, and all others. */
export const PAGES: readonly (readonly [URL, readonly Driver[]])[] = [
  [
    new URL('../../docs/mcp/tested.md', import.meta.url),
    DRIVERS.filter(({ path }) => path !== MODELS),
  ],
  [
    new URL('../../docs/tested-clients.md', import.meta.url),
    DRIVERS.filter(({ path }) => path === MODELS),
  ],
]
export const BLOCK = /(<!-- matrix -->\n).*?(<!-- \/matrix -->)/s

/** Seconds after a revocation within which the gate ends what is open: `max_staleness`. */
const BOUND = 5
/** Seconds after that within which a client's call fails. */
const LATE = 1

/** The verdict where both are right. */
export const SAME = 'same'
/** The verdict where the gate is right, and there is nothing to compare with. */
export const RIGHT = 'right'

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
export function isRight(one: Case, outcome: Outcome, side: Side): boolean {
  const { did, text, bound = BOUND, late = LATE } = outcome
  const { resolves, rejects, revokes, directly } = one
  const right = (side === 'direct' && directly) || (resolves ?? rejects)
  const inTime = !revokes || (bound < BOUND && late < LATE)
  return did === (resolves ? 'resolved' : 'rejected') && inTime && right?.test(text) === true
}

export function verdictOf(one: Case, direct: Outcome | undefined, gate: Outcome): string {
  const isGood = isRight(one, gate, 'gate')
  if (!direct) return isGood ? RIGHT : 'wrong'
  const isDirectGood = isRight(one, direct, 'direct')
  if (isGood) return isDirectGood ? SAME : 'only the gate works'
  return isDirectGood ? 'only the gate fails' : 'fails in both'
}

/** Whether nothing is wrong. */
export function isGood(verdict: string): boolean {
  return verdict === SAME || verdict === RIGHT
}

const told = (outcome: Outcome | undefined) => {
  if (!outcome) return '–'
  const { did, seconds, text, bound, late } = outcome
  const times = late === undefined ? '' : ` (ended after ${bound} s, told ${late} s later)`
  const said = text.replace(/\s+/g, ' ').replaceAll('`', "'").slice(0, 200)
  return `${did} in ${seconds} s${times}${said && `, \`${said}\``}`
}

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
const header = (cells: readonly string[]) => [row(cells), row(cells.map(() => '---'))]

/** When parts of a stream arrived, from the text of its outcome. */
const times = (outcome: Outcome | undefined) => {
  const [, first, pause] = /after ([\d.]+) s .*up to ([\d.]+) s/.exec(outcome?.text ?? '') ?? []
  return [first, pause].map((seconds) => (seconds ? `${seconds} s` : '–'))
}

/** The tables of these clients, and below them what differs, and what was right only the second time. */
export function render(all: readonly Result[], drivers: readonly Driver[]): string {
  const results = all.filter(({ client }) => drivers.some(({ name }) => name === client))
  const names = [...new Set(CASES.map(({ name }) => name))]
  const resultOf = (client: string, name: string) =>
    results.find((one) => one.client === client && one.case === name)
  const cells = (driver: Driver) => {
    const { name: client } = driver
    const found = names.map((name) => [name, resultOf(client, name)] as const)
    const unlike = found.flatMap(([name, result]) =>
      result && !isGood(result.verdict) ? [`${name}: ${result.verdict}`] : [],
    )
    const unrun = [...unmeasured(driver)].map(([why, cases]) => `${cases.join(', ')}: ${why}`)
    const late = found.flatMap(([, result]) => result?.gate.late ?? [])
    const seconds = late.length > 0 ? `${Math.max(...late).toFixed(2)} s` : ''
    return [unlike.join('; '), unrun.join('; '), seconds].map((text) => text || '–')
  }
  const streams = drivers.flatMap(({ name }) => {
    const result = resultOf(name, 'stream')
    return result ? [row([`\`${name}\``, ...times(result.direct), ...times(result.gate)])] : []
  })
  const different = results
    .filter(({ verdict }) => verdict.startsWith('only') || verdict === 'wrong')
    .map(
      (one) =>
        `- \`${one.client}\`, ${one.case}: direct ${told(one.direct)}; gate ${told(one.gate)}`,
    )
  const unsent = results
    .filter(({ gate }) => gate.text.startsWith('not sent'))
    .map(({ client }) => `- \`${client}\` does not send a denied call, so the test sends it`)
  const again = results
    .filter(({ isAgain, verdict }) => isAgain && isGood(verdict))
    .map((one) => `- \`${one.client}\`, ${one.case}: only when run again`)
  return [
    '',
    ...header(['client', 'not right', 'not measured', 'error after the end of a revoked call']),
    ...drivers.map((driver) => row([`\`${driver.name}\``, ...cells(driver)])),
    '',
    ...header([
      'stream of',
      'first part, directly',
      'longest pause, directly',
      'first part, gate',
      'longest pause, gate',
    ]),
    ...streams,
    '',
    ...unsent,
    ...different,
    ...again,
    '\n',
  ].join('\n')
}
