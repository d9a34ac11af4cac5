import type { Issuer } from '../../core/model/issuer.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { RouteMatch } from '../../core/model/route.ts'

/** A rule as some request falls under it, in its policy. */
export interface Met extends RouteMatch {
  readonly policy: Policy
}

/** A rule as it meets the tokens of one issuer. */
export interface MetBy extends Met {
  readonly issuer: Issuer
}

/** Where callers' issuers are named in a phrase. */
export const ISSUERS = '%'

/** Callers that one rule lets pass and another does not. */
export interface Excess {
  /** Who they are; `%` stands for the issuers' names. */
  readonly who: string
  /** The name of their issuer, where they have a token. */
  readonly issuer?: string
  /** What the other rule asks instead. */
  readonly asked?: string
  /** The two differ, and which of them takes more cannot be told. */
  readonly isUnclear?: boolean
}

/** Members of one set that another lacks; without a set nothing is left out. */
export function surplus(
  set: Iterable<string> | undefined,
  other: Iterable<string> | undefined,
): readonly string[] | 'all' {
  if (!other) return []
  if (!set) return 'all'
  const known = new Set(other)
  return [...set].filter((one) => !known.has(one))
}

/** A resource as it is compared: a slash that is its whole path counts for nothing (RFC 3986 §6.2.3). */
export function plainResource(resource: string): string {
  return resource.replace(/^(https?:\/\/[^/]+)\/$/, '$1')
}

/** Names that one sentence has. */
const TOLD = 12

/** Names in a sentence, of very many the first. */
export function told(names: readonly string[], last = 'and'): string {
  return names.length > TOLD
    ? `${names.slice(0, TOLD).join(', ')} and ${names.length - TOLD} more`
    : listed(names, last)
}

/** Names in a sentence. */
export function listed(names: Iterable<string>, last = 'or'): string {
  const all = [...names]
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} ${last} ${all.at(-1)}`
}

/** Where a finding stands in the answer. */
export type Side = 'gains' | 'loses' | 'changes'
