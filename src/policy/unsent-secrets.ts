import { foldedName } from '../core/text.ts'
import { injects } from './inject.ts'
import { quote, type Report } from './issues.ts'
import type { RouteEntry } from './route-keys.ts'

/** A rule, and where it is written. */
export interface Rule {
  readonly entry: RouteEntry
  readonly path: string
}

/** Where to report what is said of a place. */
export type At = (base: string) => Report

/** Last words of headers by which APIs know their users, on some paths or on all. */
const OF_AN_API: ReadonlySet<string> = new Set([
  'account',
  'apikey',
  'authorization',
  'cookie',
  'email',
  'id',
  'key',
  'organization',
  'project',
  'tenant',
  'token',
  'user',
  'username',
  'workspace',
])
const OF_A_GATE = /(?:^|-)(?:edge|edgewarden|gate|origin|proxy)-/

/**
 * Whether a header is likely to be how an origin knows the gate, and no credential that an API wants
 * on some paths: it is called so; or at least two rules and half of those that could send it do, from
 * one template, and it is not called as such credentials are.
 */
const isOfGate = (folded: string, sending: number, able: number): boolean =>
  OF_A_GATE.test(folded) ||
  (sending >= 2 && sending * 2 >= able && !OF_AN_API.has(folded.replace(/^.*-/, '')))

/**
 * Warns of rules to one origin that anyone can reach, where some inject a header by which the origin is
 * likely to know the gate and others do not. The origin has to let their requests in without it, and so
 * everybody's.
 */
export function warnUnsent(rules: readonly Rule[], at: At): void {
  const able = rules.filter(isAble)
  const counts = new Map<string, number>()
  const secrets = new Map<string, string>()
  for (const { header, parts } of able.flatMap(({ entry }) => entry.inject ?? [])) {
    const folded = foldedName(header)
    const template = JSON.stringify([folded, parts])
    const count = (counts.get(template) ?? 0) + 1
    counts.set(template, count)
    if (isOfGate(folded, count, able.length)) secrets.set(folded, header)
  }
  for (const [folded, header] of secrets) {
    const lacking = rules.filter(({ entry }) => !injects(entry.inject, folded))
    warnFirst(
      lacking.filter(isAble),
      at,
      'inject',
      (others) =>
        `lacks ${quote(header)}, which other rules send to the same origin${others}. An origin that knows the gate by it cannot refuse requests without it: send it by each rule`,
    )
    warnFirst(
      lacking.filter((rule) => !isAble(rule)),
      at,
      'access',
      (others) =>
        `is not \`required\`, so ${quote(header)}, which other rules send to the same origin, is not sent here${others}. An origin that knows the gate by it has to let these paths through without it, and must take nothing there for the gate's word; or require a token, or reach the origin by origin_via or "service:NAME"`,
    )
  }
}

/** Whether `inject` can be written in it. */
const isAble = ({ entry: { access = 'required' } }: Rule): boolean => access === 'required'

/** Says something once about rules, at the first of them. */
const warnFirst = (
  rules: readonly Rule[],
  at: At,
  key: string,
  message: (others: string) => string,
) => {
  const [first, ...others] = rules
  if (!first) return
  const more = others.length > 3 ? ` and ${others.length - 3} more` : ''
  const named = others.slice(0, 3).map(({ path }) => path)
  at(first.path)([key], message(named.length > 0 ? ` (also ${named.join(', ')}${more})` : ''))
}
