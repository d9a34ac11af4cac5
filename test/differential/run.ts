/** Runs cases until there were enough decisions. */
import { makeCase } from './cases.ts'
import { type Count, compareCase } from './compare.ts'
import { type Coverage, createCoverage } from './coverage.ts'
import { withKept } from './kept.ts'
import { printed, shrunk } from './shrink.ts'

export interface Ran {
  coverage: Coverage
  cases: number
  /** Cases of which both say something else, as they can be pasted: at most a few. */
  disagreements: string[]
}

export interface Running {
  seed: number
  /** At least so many decisions … */
  decisions: number
  /** … unless so many milliseconds have passed. */
  within?: number
  /** The first case. */
  from?: number
  /** The most disagreements that are looked for. */
  most?: number
  /** Called with every decision. */
  count?: Count
}

export const run = (running: Running): Promise<Ran> => withKept(() => runAll(running))

async function runAll(running: Running): Promise<Ran> {
  const { seed, decisions, within, from = 0, most = 3, count } = running
  const coverage = createCoverage()
  const disagreements: string[] = []
  const end = within === undefined ? Number.POSITIVE_INFINITY : performance.now() + within
  let number = from
  while (coverage.decisions < decisions && performance.now() < end) {
    const one = makeCase(seed, number)
    const found = await compareCase(one, (decision) => {
      coverage.meet(decision.vars, decision.said)
      count?.(decision)
    })
    if (found) {
      const small = await shrunk(one)
      const { smallest, found: about } = small ?? { smallest: one, found }
      disagreements.push(`seed ${seed}, number ${number}\n${printed(smallest, about)}`)
      if (disagreements.length >= most) break
    }
    number++
  }
  return { coverage, cases: number - from, disagreements }
}
