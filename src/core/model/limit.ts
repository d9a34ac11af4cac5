import { sha256Name } from '../bytes.ts'

/** Response headers that tell what is left (draft-ietf-httpapi-ratelimit-headers). */
export const LIMIT_HEADERS = ['RateLimit', 'RateLimit-Policy'] as const

/** Who may be counted, each within its issuer. */
export const COUNTED = ['agent', 'client', 'workflow', 'issuer'] as const

export type Counted = (typeof COUNTED)[number]

/** How much is allowed; at least one of the two is there. */
export interface Quotas {
  /** A token bucket: it holds `limit` requests and refills evenly within `period` milliseconds. */
  readonly bucket?: { readonly limit: number; readonly period: number }
  /** Requests of one UTC day. */
  readonly daily?: number
}

/** Counted in one place for all the world, so that never one more passes. */
export interface ExactLimit {
  readonly kind: 'exact'
  readonly per: Counted
  readonly quotas: Quotas
}

/** Counted by a rate limiting binding of the platform: for each location, and approximately. */
export interface ApproximateLimit {
  readonly kind: 'approximate'
  readonly per: Counted
  /** Name of the binding, which has the numbers. */
  readonly binding: string
}

/** How often one rule may be used. */
export type RateLimit = ExactLimit | ApproximateLimit

/** How often one network address may ask: counted in each isolate, or by a binding. Never exact. */
export type AddressLimit =
  | { readonly kind: 'memory'; readonly limit: number; readonly period: number }
  | { readonly kind: 'binding'; readonly binding: string }

/** What is left of one quota. */
export interface Left {
  /** Whole requests. */
  readonly left: number
  /** Seconds until it is whole again or, with nothing left, until one more is allowed. */
  readonly reset: number
}

/** What is left of each quota of a limit; empty where nobody says. */
export interface Allowance {
  readonly bucket?: Left
  readonly day?: Left
}

/** What is left where that is too little. */
export interface Exhausted extends Allowance {
  /** Whole seconds until a request is allowed, at least 1. */
  readonly retryAfter: number
}

/** Whose requests of which rule are counted together. */
export interface LimitKey {
  readonly issuer: string
  readonly per: Counted
  readonly value: string
  readonly route: string
  readonly host: string | undefined
}

/**
 * A name for what is counted together: SHA-256 over all the parts, told apart by their quotes. Two
 * issuers, rules or ids never have one name, and none can be read from it.
 */
export function limitName({ issuer, per, value, route, host }: LimitKey): Promise<string> {
  return sha256Name(JSON.stringify([issuer, per, value, route, host ?? null]))
}
