import type { Clock } from '../core/model/ports.ts'

/** Questions that may be asked, each under a name. */
export interface Budget {
  /** Takes one; false where the name has none left. */
  take(name: string): boolean
}

/** How many questions a name has, and how fast they come back. */
export interface BudgetTerms {
  readonly capacity: number
  /** Milliseconds in which one comes back. */
  readonly refillMs: number
  /** Names that are told apart; the one that took longest ago makes room for a new one. */
  readonly names?: number
}

/**
 * A budget for each of a bounded number of names. A name that was forgotten has its whole budget
 * again, so what must hold whatever names there are needs a budget under one name.
 */
export function createBudget(
  { capacity, refillMs, names = 1_024 }: BudgetTerms,
  clock: Clock,
): Budget {
  const spent = new Map<string, { left: number; at: number }>()
  return {
    take(name) {
      const now = clock.now()
      const had = spent.get(name)
      const left = had ? Math.min(capacity, had.left + (now - had.at) / refillMs) : capacity
      if (left < 1) return false
      spent.delete(name)
      const oldest = spent.size >= names ? spent.keys().next().value : undefined
      if (oldest !== undefined) spent.delete(oldest)
      spent.set(name, { left: left - 1, at: now })
      return true
    },
  }
}
