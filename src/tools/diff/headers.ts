import type { Gate } from '../../core/model/policy.ts'
import type { Side } from './matched-rule.ts'
import { told } from './matched-rule.ts'

/**
 * A header that some rule sets is taken from every request: what callers may bring of their own once
 * no rule sets it, and what they no longer may, in words. Those of `strip_headers` are a setting.
 */
export function headerChanges(
  before: Gate,
  after: Gate,
): readonly (readonly [side: Side, text: string])[] {
  return [
    ...onlyIn(before, after).map(
      (name) =>
        [
          'gains',
          `callers may now send ${name} of their own, which no rule sets any more`,
        ] as const,
    ),
    ...onlyIn(after, before).map(
      (name) =>
        [
          'loses',
          `callers may no longer send ${name} of their own, which a rule sets now`,
        ] as const,
    ),
  ]
}

const onlyIn = (one: Gate, other: Gate): readonly string[] => {
  const names = [...one.ownHeaders].filter(
    (name) => !one.stripHeaders.has(name) && !isRemoved(name, other),
  )
  return names.length === 0 ? [] : [told(names.map((name) => `\`${name}\``))]
}

/** Names in the one's `strip_headers` that the other lets pass: not where it takes them away as it may. */
export function strippedBeside(one: Gate, other: Gate): readonly string[] {
  return [...one.stripHeaders].filter((name) => !isRemoved(name, other))
}

/** Does not know the names that every gate takes from requests. */
const isRemoved = (name: string, { stripHeaders, ownHeaders, identityPrefix }: Gate): boolean =>
  stripHeaders.has(name) || ownHeaders.has(name) || name.startsWith(identityPrefix)
