import type { Route } from '../../core/model/route.ts'
import type { Side } from './matched-rule.ts'
import { listed } from './matched-rule.ts'

const nameOf = ({ name, host }: Route): string => (host === undefined ? name : `${name} on ${host}`)

/** Notes that requests which one rule counts are counted by the other in the other policy. */
const note = (all: Map<Route, Set<Route>>, one: Route, other: Route) =>
  all.set(one, (all.get(one) ?? new Set()).add(other))

/**
 * Gathers which limited rules count the same requests, before and after. Each rule has a quota of
 * its own, so that several in place of one let more pass, whatever their numbers: those are compared
 * rule by rule. Rules without a limit are not looked at.
 */
export function createQuotas() {
  const after = new Map<Route, Set<Route>>()
  const before = new Map<Route, Set<Route>>()
  return {
    /** A request under a rule of either policy. */
    meets(old: Route, now: Route) {
      if (!old.rateLimit || !now.rateLimit) return
      note(after, old, now)
      note(before, now, old)
    },
    /** What is counted apart now, and what together. */
    changes(): readonly (readonly [side: Side, of: string, text: string])[] {
      const several = (all: ReadonlyMap<Route, ReadonlySet<Route>>) =>
        [...all].flatMap(([one, others]) =>
          others.size < 2
            ? []
            : [[nameOf(one), listed([...others].map(quoted).sort(), 'and')] as const],
        )
      return [
        ...several(after).map(([of, rules]) => {
          const text = `its \`rate_limit\` is now counted for each of ${rules}: as wider`
          return ['gains', of, text] as const
        }),
        ...several(before).map(([of, rules]) => {
          const text = `its \`rate_limit\` is now one for what was counted under ${rules}`
          return ['loses', of, text] as const
        }),
      ]
    },
  }
}

const quoted = ({ name, host }: Route): string =>
  `\`${name}\`${host === undefined ? '' : ` on ${host}`}`
