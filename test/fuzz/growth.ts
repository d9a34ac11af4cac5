import { loadWhole } from '../kit/steps.ts'
import type { Entry, Worlds } from './growth-entries.ts'

/** The gate as one module, and its world. */
export async function loadWorld({ isCounted }: { readonly isCounted: boolean }) {
  type Console = { readonly consoleGateway: Parameters<Worlds['startWorld']>[0] }
  const paths = ['test/fuzz/growth-world.ts', 'src/control/console/app.ts']
  const world = await loadWhole<Worlds & Console>(paths, isCounted)
  return { world, gate: await world.startWorld(world.consoleGateway) }
}

/** One text that grows: a pair of tokens that is repeated, with something around it. */
export interface Growth {
  readonly label: string
  /** Whether it is one token. */
  readonly isAlone: boolean
  at(length: number): string
}

/**
 * Every pair of an entry's tokens, repeated, and each token alone within everything that may be around it. `isAll`: every
 * pair within everything, and each token repeated before each other.
 */
export function* growths(
  { name, tokens, around: [first = ['', ''], ...others] = [] }: Entry,
  isAll = false,
): Generator<Growth> {
  const labelled = (shape: readonly string[]) => `${name}: ${JSON.stringify(shape).slice(0, 200)}`
  const many = (unit: string, length: number) => unit.repeat(Math.floor(length / unit.length))
  for (const around of [first, ...others]) {
    const [before, behind] = around
    const shown = before.replace(/^ +/, '  ')
    const begun = (length: number) => before.replace('…', 'x'.repeat(length))
    for (const [i, one] of tokens.entries()) {
      for (const other of around === first || isAll ? tokens.slice(i) : [one]) {
        const unit = one === other ? one : one + other
        yield {
          label: labelled([shown, unit, behind]),
          isAlone: one === other,
          at: (length) => begun(length) + many(unit, length) + behind,
        }
      }
      for (const other of isAll ? tokens : []) {
        yield {
          label: labelled([shown, one, other, behind]),
          isAlone: false,
          at: (length) => begun(length) + many(one, length / 2) + many(other, length / 2) + behind,
        }
      }
    }
  }
}
