import { sha256Name } from '../bytes.ts'

/** Response headers with the remaining quota (draft-ietf-httpapi-ratelimit-headers). */
export const LIMIT_HEADERS = ['RateLimit', 'RateLimit-Policy'] as const

/** The identity that requests are counted by, within its issuer. */
export const COUNTED = ['agent', 'client', 'workflow', 'issuer'] as const

export type Counted = (typeof COUNTED)[number]

/** The quotas of a limit; at least one is present. */
export interface Quotas {
  /** A token bucket of `limit` requests that refills evenly within `period` milliseconds. */
  readonly bucket?: { readonly limit: number; readonly period: number }
  /** Requests per UTC day. */
  readonly daily?: number
}

/**
 * The rate limit of one rule. `exact`: one Durable Object counts for all locations, so it is never exceeded.
 * `approximate`: a platform binding counts, per location. The binding is configured with the numbers.
 */
export type RateLimit =
  | { readonly kind: 'exact'; readonly per: Counted; readonly quotas: Quotas }
  | { readonly kind: 'approximate'; readonly per: Counted; readonly binding: string }

/** The rate limit of one network address, counted per isolate or by a binding. Never exact. */
export type AddressLimit =
  | { readonly kind: 'memory'; readonly limit: number; readonly period: number }
  | { readonly kind: 'binding'; readonly binding: string }

/** The remainder of one quota. */
export interface Left {
  /** Whole requests. */
  readonly left: number
  /** Seconds until the quota is whole again or, with nothing left, until one more request is allowed. */
  readonly reset: number
}

/** The remainder of each quota; empty where it is unknown. */
export interface Allowance {
  readonly bucket?: Left
  readonly day?: Left
}

/** The remainder of each quota where the limit is reached. */
export interface Exhausted extends Allowance {
  /** Whole seconds until a request is allowed, at least 1. */
  readonly retryAfter: number
}

/** The requests that are counted together: by identity, rule and host. */
export interface LimitKey {
  readonly issuer: string
  readonly per: Counted
  readonly value: string
  readonly route: string
  readonly host: string | undefined
}

/** The storage key of a limit: SHA-256 over all parts. Other parts give another key. It does not reveal them. */
export function limitName({ issuer, per, value, route, host }: LimitKey): Promise<string> {
  return sha256Name(JSON.stringify([issuer, per, value, route, host ?? null]))
}
