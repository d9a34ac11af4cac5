import { isObject } from '../../core/json.ts'
import type { Issuer } from '../../core/model/issuer.ts'
import type { Gate, Policy } from '../../core/model/policy.ts'
import type { CorsRule, RouteMatch } from '../../core/model/route.ts'
import type { Shown } from '../../policy/show-parts.ts'
import { strippedBeside } from './headers.ts'
import { type Direction, opaque } from './judges.ts'
import { besideNeeds, tableOf } from './mcp.ts'
import { readingsOf } from './readings.ts'
import { asSet, isSame } from './same.ts'
import { NESTED, type Table } from './settings.ts'
import { valueText } from './words.ts'

/** One setting that is not what it was. */
export interface Changed {
  readonly key: string
  readonly before: string
  readonly after: string
  readonly directions: readonly Direction[]
}

/** What a setting is compared by, where it is more than may be shown. */
type Hidden = Readonly<Record<string, unknown>>

/** Settings one level deep, `table.key` for those of a nested table. */
const flat = (shown: Shown): ReadonlyMap<string, unknown> =>
  new Map(
    Object.entries(shown).flatMap(([key, value]) =>
      NESTED.has(key) && isObject(value)
        ? Object.entries(value).map(([inner, one]) => [`${key}.${inner}`, one] as const)
        : [[key, value] as const],
    ),
  )

interface Compared {
  readonly shown: Shown
  readonly hidden?: Hidden
}

/** Every setting that changed, judged by its row; one without a row is never passed over. */
export function changesOf(table: Table, before: Compared, after: Compared): readonly Changed[] {
  const [old, now] = [flat(before.shown), flat(after.shown)]
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key): readonly Changed[] => {
    const judge = Object.hasOwn(table, key) ? (table[key] ?? opaque) : opaque
    const [one, other] = [old.get(key), now.get(key)]
    const hidden = [before.hidden?.[key] ?? one, after.hidden?.[key] ?? other] as const
    if (isSame(...hidden)) return []
    const directions = judge(...hidden)
    const [was, is] = [valueText(one), valueText(other)]
    return directions.length === 0
      ? []
      : [{ key, before: was, after: was === is ? is + otherwise(key, one, other) : is, directions }]
  })
}

/** What makes a difference where a setting is written as it was. */
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

/**
 * GATE as it is compared with another: an assertion by its parts, also where there is none, and of
 * `strip_headers` the names that the other lets pass.
 */
export function gateSettings(shown: Shown, gate: Gate, other: Gate): Compared {
  return {
    shown: {
      ...shown,
      ...(typeof shown.assertion === 'string' && { assertion: { binding: shown.assertion } }),
    },
    hidden: { strip_headers: strippedBeside(gate, other) },
  }
}

/** An issuer as it is compared: by its keys and their whole address, of which less is shown. */
export function issuerSettings(shown: Shown, { keys, decrypt }: Issuer): Compared {
  return {
    shown,
    hidden: {
      ...(keys.kind === 'inline' && { jwks: keys.keys }),
      ...(keys.kind === 'uri' && { jwks_uri: keys.uri }),
      ...(decrypt && {
        decrypt: {
          ...tableOf(shown.decrypt),
          key_management: asSet(decrypt.keyManagement),
          content_encryption: asSet(decrypt.contentEncryption),
        },
      }),
    },
  }
}

/**
 * A rule as it is compared for one request: revocation by how late it may count, `inject` by its
 * templates and values, `mcp` with what else covers the scopes it names, lists of `cors` whatever their
 * order, and what its texts come to.
 */
export function ruleSettings(shown: Shown, match: RouteMatch, policy: Policy): Compared {
  const { access, revocation, inject, cors, mcp, target } = match.route
  const { consistency, maxStaleness } = revocation
  const readings = readingsOf(match)
  return {
    shown: {
      ...shown,
      origin: target.audience,
      ...(access !== 'public' && {
        revocation: { late_by: consistency === 'strict' ? '0ms' : `${maxStaleness}ms` },
      }),
    },
    hidden: {
      ...readings,
      ...(inject.length > 0 && {
        inject: Object.fromEntries(inject.map(([header, ...text]) => [header, text])),
      }),
      ...(cors && { cors: corsFor(cors) }),
      ...(mcp && {
        mcp: {
          ...tableOf(shown.mcp),
          ...tableOf(readings.mcp),
          ...besideNeeds(mcp, match.params, policy),
        },
      }),
    },
  }
}

const corsFor = ({ origins, methods, headers, expose, ...rule }: CorsRule): unknown => ({
  ...rule,
  origins: asSet(origins),
  methods: asSet(methods),
  headers: namesOf(headers),
  expose: namesOf(expose),
})

const namesOf = (headers: readonly string[]): readonly string[] =>
  asSet(headers.map((name) => name.toLowerCase()))
