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
import type { RevocationTerms } from '../../model/revocation.ts'
import { type Camel, camelCase } from '../reading/kept.ts'
import type { Field, Fields } from '../reading/table.ts'

/** A table in the words of the configuration; without unset keys. */
export type Shown = Readonly<Record<string, unknown>>

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

/** How a key is shown; `undefined`: it is not. */
export type Show<Model, Context = void> = (model: Model, around: Context) => unknown

/** A row that says how its key is shown. */
export interface IsShown<Model, Context = void> {
  readonly show: Show<Model, Context>
}

/** Makes the rows of a table that say how their keys are shown. */
export function showing<Model, Context = void>() {
  return <One extends Field<unknown>>(
    field: One,
    show: Show<Model, Context>,
  ): One & IsShown<Model, Context> => ({ ...field, show })
}

/** For a key that is shown where it applies, in rules, or is only checked. */
export function notShown(): undefined {
  return undefined
}

/**
 * The rows of a table that can be shown. Flags, words and lists of text need no `show`: they are shown as the policy
 * has them, since none of them contains a secret.
 */
type Shows<F extends Fields, Model, Context> = {
  readonly [K in keyof F]: K extends Plain<F, Model>
    ? Partial<IsShown<Model, Context>>
    : IsShown<Model, Context>
}

/** A table in the words of the configuration, key by key. */
export function showTable<F extends Fields, Model extends object, Context = void>(
  keys: F & Shows<F, Model, Context>,
  model: Model,
  around: Context,
): Shown {
  const shown: Record<string, unknown> = {}
  const rows: Readonly<Record<string, Partial<IsShown<Model, Context>>>> = keys
  for (const [key, { show }] of Object.entries(rows)) {
    const value = show ? show(model, around) : own(model as JsonObject, camelCase(key))
    if (value !== undefined) shown[key] = value instanceof Set ? [...value] : value
  }
  return shown
}

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

/** The items; `undefined` if there are none. */
export function orNone<Item>(items: readonly Item[]): readonly Item[] | undefined {
  return items.length > 0 ? items : undefined
}
