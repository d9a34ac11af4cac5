import type { InferOutput } from 'valibot'
import { type JsonObject, own } from '../../base/json.ts'
import {
  type ClaimHeader,
  type ClaimPath,
  type ClaimRule,
  claimPathText,
} from '../../model/claims.ts'
import type { DelegationRule } from '../../model/issuer.ts'
import type { AddressLimit, RateLimit } from '../../model/limit.ts'
import type { Policy } from '../../model/policy.ts'
import type { RevocationTerms } from '../../model/revocation.ts'
import type { WatchRule } from '../../model/watch.ts'
import type { Fields } from '../reading/table.ts'
import { WATCH_KEYS } from './agents.ts'

/** A table in the words of the configuration; without unset keys. */
export type Shown = Readonly<Record<string, unknown>>

type Camel<Name> = Name extends `${infer Head}_${infer Rest}`
  ? `${Head}${Capitalize<Camel<Rest>>}`
  : Name

type Listed = readonly string[] | ReadonlySet<string>

/** Keys with a flag, one of a few words, or a list of text, which the policy has under the same name. */
type Plain<F extends Fields, Model> = {
  [K in keyof F]: Camel<K> extends keyof Model
    ? string extends Model[Camel<K>]
      ? never
      : [NonNullable<Model[Camel<K>]>] extends [(InferOutput<F[K]> & (boolean | string)) | Listed]
        ? K
        : never
    : never
}[keyof F]

/**
 * How each key of a table is shown; `undefined` for a key that is not shown. Flags, words and lists of text need no
 * row: they are shown as the policy has them, since none of them contains a secret.
 */
export type Shows<F extends Fields, Model, Context = void> = {
  readonly [K in Exclude<keyof F, Plain<F, Model>>]: (model: Model, around: Context) => unknown
} & { readonly [K in Plain<F, Model>]?: (model: Model, around: Context) => unknown }

/** A table in the words of the configuration, key by key. */
export function showTable<F extends Fields, Model extends object, Context = void>(
  keys: F,
  rows: Shows<F, Model, Context>,
  model: Model,
  around: Context,
): Shown {
  const shown: Record<string, unknown> = {}
  for (const key of Object.keys(keys)) {
    const row = (rows as Readonly<Record<string, (model: Model, around: Context) => unknown>>)[key]
    const value = row ? row(model, around) : own(model as JsonObject, camelCase(key))
    if (value !== undefined) shown[key] = value instanceof Set ? [...value] : value
  }
  return shown
}

const camelCase = (key: string): string =>
  key.replace(/_(.)/g, (_all, letter: string) => letter.toUpperCase())

/** Replaces every value that is the operator's secret, or was made with one. */
export const REDACTED = 'redacted'

/** Header → claim path, as configured. */
export function showHeaders(headers: readonly ClaimHeader[]): Shown {
  return Object.fromEntries(headers.map(({ header, path }) => [header, claimPathText(path)]))
}

/** Claim path → expected value, as configured. */
export function showClaims(rules: readonly ClaimRule[], isRedacted = false): Shown {
  return Object.fromEntries(
    rules.map(({ path, expected }) => [claimPathText(path), isRedacted ? REDACTED : expected]),
  )
}

/** Claim paths as configured. */
export function showPaths(paths: readonly ClaimPath[]): readonly string[] {
  return paths.map(claimPathText)
}

/** One path or a list, as it is written. */
export function showPath([first, ...others]: readonly ClaimPath[]): string | readonly string[] {
  return first && others.length === 0
    ? claimPathText(first)
    : showPaths(first ? [first, ...others] : [])
}

/** The numbers of an exact limit, or the binding of an approximate one. */
export function showRateLimit(limit: RateLimit): Shown {
  return limit.kind === 'approximate'
    ? { binding: limit.binding, per: limit.per, approximate: true }
    : {
        ...(limit.quotas.bucket && showNumbers(limit.quotas.bucket)),
        ...(limit.quotas.daily !== undefined && { daily: limit.quotas.daily }),
        per: limit.per,
      }
}

/** Of an approximate limit. */
export function showAddressLimit(limit: AddressLimit): Shown {
  return {
    ...(limit.kind === 'binding' ? { binding: limit.binding } : showNumbers(limit)),
    approximate: true,
  }
}

const showNumbers = ({ limit, period }: { readonly limit: number; readonly period: number }) => ({
  limit,
  period: millisecondsText(period),
})

/** `revocation` of a rule, as configured. */
export function showTerms({ consistency, maxStaleness }: RevocationTerms): Shown {
  return {
    consistency,
    max_staleness: millisecondsText(maxStaleness),
  }
}

/** `delegation` of a rule. With `within`, names of other issuers are left out. */
export function showDelegation(rule: DelegationRule, within?: string): Shown {
  const isShown = (issuer: string) => within === undefined || issuer === within
  const named = (key: 'actors' | 'subjects'): Shown => {
    const shown = rule[key]?.filter(({ issuer }) => issuer === undefined || isShown(issuer))
    if (!shown) return {}
    return {
      [key]: shown.map((one) => (one.issuer === undefined ? one.sub : { ...one })),
      ...(shown.length !== rule[key]?.length && { [`other_${key}`]: REDACTED }),
    }
  }
  return {
    max_depth: rule.maxDepth,
    require_actor: rule.requireActor,
    ...named('actors'),
    ...named('subjects'),
    issuers: [...rule.issuers].filter(isShown),
    ...(rule.mayAct && { may_act: rule.mayAct }),
  }
}

/** Seconds as a duration, like `60s`. */
export function secondsText(seconds: number): string {
  return `${seconds}s`
}

/** Milliseconds as a duration, in seconds where they are whole. */
export function millisecondsText(milliseconds: number): string {
  return milliseconds % 1000 === 0 ? secondsText(milliseconds / 1000) : `${milliseconds}ms`
}

const WATCH: Shows<typeof WATCH_KEYS, WatchRule, Policy> = {
  issuer: ({ issuer }, { issuers }) => issuers.get(issuer ?? '')?.name,
  duration: ({ duration }) => secondsText(duration),
  throttle: ({ throttle }) => throttle,
  at_most: ({ atMost }) => atMost,
}

/** What is watched, in the words of the configuration. */
export function showWatch(rule: WatchRule, policy: Policy): Shown {
  return showTable(WATCH_KEYS, WATCH, rule, policy)
}
