import { FURTHER, type Seen, type Sighting, useText } from '../../gate/model/agents.ts'

export const DAY_MS = 86_400_000
/** How many days scopes and uses are remembered, how many of each, and how many entries a list may have. */
const KEPT = { days: 90, uses: 100, list: 50 } as const

/** What was seen of an agent, with one more sighting. `isNew`: whether anything but its times has changed. */
export function merged(
  seen: Seen | undefined,
  sighting: Sighting,
): { readonly seen: Seen; readonly isNew: boolean } {
  const { first, last, name = seen?.name } = sighting
  const today = Math.floor(last / DAY_MS)
  const next: Seen = {
    first: Math.min(seen?.first ?? first, first),
    last: Math.max(seen?.last ?? last, last),
    ...(name !== undefined && { name }),
    types: listed(seen?.types, sighting.types),
    clients: listed(seen?.clients, sighting.clients),
    keys: listed(seen?.keys, sighting.keys),
    checksums: listed(seen?.checksums, sighting.checksums),
    registrations: listed(seen?.registrations, sighting.registrations),
    granted: dated(seen?.granted, sighting.granted, today),
    used: dated(seen?.used, sighting.used, today),
    uses: dated(seen?.uses, sighting.uses, today, useText(FURTHER)),
    parents: listed(seen?.parents, sighting.parents),
    children: seen?.children ?? [],
  }
  return { seen: next, isNew: !seen || contentOf(seen) !== contentOf(next) }
}

/** What was seen of an agent, with one more child; `undefined` if the child is known. */
export function withChild(seen: Seen, child: string): Seen | undefined {
  const children = listed(seen.children, [child])
  return seen.children.includes(child) ? undefined : { ...seen, children }
}

const contentOf = ({ first: _, last: __, granted, used, uses, ...rest }: Seen): string =>
  JSON.stringify([rest, ...[granted, used, uses].map((days) => Object.keys(days).sort())])

/** The latest of two lists, without duplicates. */
const listed = (before: readonly string[] = [], now: readonly string[]): readonly string[] =>
  now.every((one) => before.includes(one))
    ? before
    : [...before, ...now.filter((one) => !before.includes(one))].slice(-KEPT.list)

/** `further` stands for entries that the list has no room for. */
const dated = (
  before: Readonly<Record<string, number>> = {},
  now: readonly string[],
  today: number,
  further?: string,
): Readonly<Record<string, number>> => {
  const days = { ...before, ...Object.fromEntries(now.map((one) => [one, today])) }
  const recent = Object.entries(days).filter(([, day]) => day > today - KEPT.days)
  const listed = recent.sort(([, a], [, b]) => b - a).slice(0, KEPT.uses)
  if (further !== undefined && listed.length < recent.length) listed.push([further, today])
  return Object.fromEntries(listed)
}
