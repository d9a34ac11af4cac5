import type { Step } from '../../core/chain.ts'

/** The steps of a decision as a `Server-Timing` value (W3C Server Timing §3); milliseconds. */
export function serverTiming(steps: readonly Step[]): string {
  return steps.map(({ stage, outcome, ms }) => `${stage};desc="${outcome}";dur=${ms}`).join(', ')
}
