import type { Contender } from './lineup.ts'
import type { Series } from './match.ts'
import { fasterHalf, rounded } from './statistics.ts'

/** The pass-through with one single thing more: see `contenders/steps.ts`. */
export interface Step extends Contender {
  /** Whether the gate does it in this way on a usual request; else it is what it could do instead. */
  readonly isOurs: boolean
}

/** What costs little is done often in a request, or nobody would see it. */
const OFTEN = 50

const step = (
  id: string,
  title: string,
  isOurs: boolean,
  more: Partial<Pick<Step, 'times' | 'verifies'>> = {},
): Step => ({ id, title, isOurs, module: 'steps', tokens: 'warm', verifies: false, ...more })

/** Every step, in the order of the table. */
export const STEPS: readonly Step[] = [
  step('nothing', 'nothing: the pass-through once more', false),
  step('headers-in-place', 'headers edited on a Request that is sent', false),
  step('headers-copied', 'headers copied and edited, and no Request made', true),
  step('answer-copied', "the origin's answer copied, so that its headers can be changed", false),
  step('answer-edited', "the origin's answer copied, and its headers changed", true),
  step('timeout-abort', 'origin timeout: a timer, and an AbortController', false),
  step('timeout-race', 'origin timeout: a timer, and a race', true),
  step('journal-line', 'one line of the journal', true),
  step('guard-each', 'ports and guard made in each request', false, { times: OFTEN }),
  step('guard-once', 'ports and guard made once for an environment', true, { times: OFTEN }),
  step('address-new', 'address read in full: each path new', false, { times: OFTEN }),
  step('address-known', 'address remembered by its text', true, { times: OFTEN }),
  step('decision', 'the whole line over a known token', true, { verifies: true }),
  step('least', 'the least of it: headers, timer, answer and journal by hand, no body read', false),
  step('floor', 'the floor: headers, timeout, answer and journal, nothing decided', true),
]

/**
 * Seconds that a step is measured at a stretch. What disturbs a measurement only ever adds to it, and
 * comes and goes by the second: so each has many short turns, and the faster half of them counts.
 */
export const TURN = 0.25

/** What one step costs. Without processor times there is nothing to say. */
export interface StepLine extends Pick<Step, 'id' | 'title' | 'isOurs'> {
  /** Microseconds of workerd's processor time above the pass-through, for doing it once. */
  readonly above?: number
  /** A request with it as a multiple of the pass-through. */
  readonly toA?: number
}

/** The pass-through beside the steps, in microseconds of workerd's processor time for a request. */
export interface StepReport {
  readonly base?: number
  readonly lines: readonly StepLine[]
}

/** What the steps that took part cost, in the order of the table. */
export const stepsOf = (all: readonly Series[], baseId: string): StepReport => {
  const cpuOf = (wanted: string): number => {
    const measures = all.find(({ contender }) => contender.id === wanted)?.measures ?? []
    return fasterHalf(measures.flatMap(({ cpu }) => cpu ?? []))
  }
  const base = cpuOf(baseId)
  const taking = STEPS.filter(({ id }) => all.some(({ contender }) => contender.id === id))
  return {
    ...(!Number.isNaN(base) && { base: rounded(1, base) }),
    lines: taking.map(({ id, title, isOurs, times = 1 }) => {
      const above = (cpuOf(id) - base) / times
      if (Number.isNaN(above)) return { id, title, isOurs }
      return { id, title, isOurs, above: rounded(2, above), toA: rounded(3, 1 + above / base) }
    }),
  }
}
