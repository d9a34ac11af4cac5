import { isObject } from '../gate/base/json.ts'
import { perObject } from '../gate/base/memo.ts'
import { GATE_DOCS } from '../gate/policy/keys/gate-docs.ts'
import { ISSUER_DOCS } from '../gate/policy/keys/issuer-docs.ts'
import { ROUTE_DOCS } from '../gate/policy/keys/route-docs.ts'
import type { Shown } from '../gate/policy/keys/show-parts.ts'
import {
  type Direction,
  grants,
  isSame,
  type Judge,
  judgesOf,
  neutral,
  opaque,
  restriction,
  type Table,
} from './judges.ts'
import { mcp } from './mcp.ts'
import { valueText } from './words.ts'

/** The settings of GATE as shown; `table.key` for those of nested tables. */
export const GATE_TABLE: Table = {
  ...judgesOf(GATE_DOCS),
  // WATCH has tables of its own, which may stop agents.
  watch: restriction,
  // TRANSMIT changes nothing about requests.
  transmit: neutral,
}

/** The settings of an issuer in both policies. */
export const ISSUER_TABLE: Table = { ...judgesOf(ISSUER_DOCS), grants }

/** The settings of the two rules of one request. */
export const RULE_TABLE: Table = { ...judgesOf(ROUTE_DOCS), mcp }

/** The tables whose keys are compared one by one. */
const nestedIn = perObject(
  (table: Table): ReadonlySet<string | undefined> =>
    new Set(Object.keys(table).flatMap((key) => key.match(/^.+(?=\.)/)?.[0] ?? [])),
)

/** The settings with `table.key` for those of nested tables. */
const flat = (shown: Shown, table: Table): ReadonlyMap<string, unknown> =>
  new Map(
    Object.entries(shown).flatMap(([key, value]) =>
      nestedIn(table).has(key) && isObject(value)
        ? Object.entries(value).map(([inner, one]) => [`${key}.${inner}`, one] as const)
        : [[key, value] as const],
    ),
  )

/** Settings as shown, and fuller ones to compare. */
export interface Compared {
  readonly shown: Shown
  readonly hidden?: Readonly<Record<string, unknown>>
}

/** A changed setting. */
export interface Changed {
  readonly key: string
  readonly before: string
  readonly after: string
  readonly directions: readonly Direction[]
}

/** All changed settings, compared by their judges. Settings without a judge are compared by `others`. */
export function changesOf(
  table: Table,
  before: Compared,
  after: Compared,
  others: Judge = opaque,
): readonly Changed[] {
  const [old, now] = [flat(before.shown, table), flat(after.shown, table)]
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key): readonly Changed[] => {
    const judge = (Object.hasOwn(table, key) && table[key]) || others
    const [one, other] = [old.get(key), now.get(key)]
    const hidden = [before.hidden?.[key] ?? one, after.hidden?.[key] ?? other] as const
    const directions = isSame(...hidden) ? [] : judge(...hidden)
    if (directions.length === 0) return []
    const [was, is] = [valueText(one), valueText(other)]
    return [
      { key, before: was, after: was === is ? is + otherwise(key, one, other) : is, directions },
    ]
  })
}

/** The explanation if a setting's text is unchanged. */
const OTHERWISE: Readonly<Record<string, string>> = {
  when: ', of other parts of the path',
  authorization_details: ', of other parts of the path or for another resource',
  inject: ', of other secrets or text',
  origin: ', under another host',
  mcp: ', of other parts of the path or with other SCOPES',
}

const otherwise = (key: string, before: unknown, after: unknown): string => {
  const known = isSame(before, after) && Object.hasOwn(OTHERWISE, key) ? OTHERWISE[key] : undefined
  return known ?? ', with other contents'
}
