import { isLoopback, parseUrl } from '../../../src/gate/base/url.ts'
import type { AssertionBinding } from '../../../src/gate/model/assertion.ts'
import { type Algorithm, algorithmOf } from '../../../src/gate/model/issuer.ts'
import type { Clock } from '../../../src/gate/model/ports.ts'
import type { KeyFetch, KeyRequestInit } from './keys.ts'
import type { Replays } from './replays.ts'

/** Options of an origin: the accepted assertions and their requirements. */
export interface VerifyOptions {
  /** `GATE.resource`, exactly: the `iss` of assertions. */
  readonly gate: string
  /** This origin as the policy writes it, a URL or `service:NAME`. A list allows each. */
  readonly audience: string | readonly string[]
  /**
   * The header with the host that the gate requested, if a proxy rewrites `Host` and sets this
   * header itself. `false`: the host is not compared.
   */
  readonly hostHeader?: string | false
  /** `GATE.prefix`, by default `/.edgewarden`. Keys are at the gate's `PREFIX/jwks.json`. */
  readonly prefix?: string
  /** Another address of the keys: https, or http on the local machine. */
  readonly jwksUri?: string
  /** `GATE.identity_prefix`, by default `x-agent-`. */
  readonly identityPrefix?: string
  /** Seconds by which clocks may differ; 0 to 60, by default 5. */
  readonly clockTolerance?: number
  /** By default `ES256` and `Ed25519`; `EdDSA` means the latter. */
  readonly algorithms?: readonly (Algorithm | 'EdDSA')[]
  /** Refuses repeated bound assertions. Without it they are accepted. */
  readonly replays?: Replays
  /** The weakest accepted binding; by default `identity`, which binds nothing. */
  readonly requireBinding?: AssertionBinding
  /** The most bytes of a body to check a digest of; by default 1 MiB. */
  readonly maxBodyBytes?: number
  /** Fetches the keys, such as through a service binding; by default the global `fetch`. */
  readonly fetch?: KeyFetch
  readonly clock?: Clock
}

/** {@link VerifyOptions} with defaults. `identityPrefix` is in lower case. */
export type Settings = ReturnType<typeof settingsOf>

/** From the weakest on. */
export const BINDINGS: readonly AssertionBinding[] = ['identity', 'request', 'body']

/** Reads options once. Throws a `TypeError` for unusable or unsafe ones. */
export function settingsOf(options: VerifyOptions) {
  const {
    gate,
    audience,
    hostHeader,
    prefix = '/.edgewarden',
    jwksUri,
    identityPrefix = 'x-agent-',
    clockTolerance = 5,
    algorithms = ['ES256', 'Ed25519'],
    replays,
    requireBinding = 'identity',
    maxBodyBytes = 1024 * 1024,
    fetch: load = (url: string, init: KeyRequestInit) => fetch(url, init),
    clock = { now: () => Date.now() },
  } = options
  const audiences = [audience].flat()
  const read = algorithms.flatMap((name) => algorithmOf(name) ?? [])
  const gateUrl = parseUrl(gate)
  const keys = parseUrl(jwksUri ?? `${gateUrl?.origin}${prefix}/jwks.json`)
  demand(gateUrl !== undefined, '`gate` must be the URL that GATE.resource is')
  demand(audiences.length > 0 && audiences.every(isText), '`audience` must be named')
  demand(
    hostHeader !== false || new Set(audiences.map((one) => webUrl(one)?.host ?? one)).size < 2,
    '`hostHeader` must not be false where `audience` names several hosts',
  )
  demand(hostHeader !== '', '`hostHeader` must name a header, or be false')
  demand(keys !== undefined && isSafe(keys), 'keys are fetched by https, or from this machine')
  demand(isText(identityPrefix), '`identityPrefix` must not be empty')
  demand(clockTolerance >= 0 && clockTolerance <= 60, '`clockTolerance` is 0 to 60 seconds')
  demand(
    read.length > 0 && read.length === algorithms.length,
    '`algorithms` has an unknown algorithm',
  )
  demand(BINDINGS.includes(requireBinding), '`requireBinding` is identity, request or body')
  demand(maxBodyBytes >= 0, '`maxBodyBytes` must be a number of bytes')
  return {
    gate,
    audiences,
    hostHeader,
    jwksUri: keys.href,
    identityPrefix: identityPrefix.toLowerCase(),
    clockTolerance,
    algorithms: read,
    replays,
    requireBinding,
    maxBodyBytes,
    fetch: load,
    clock,
  }
}

function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new TypeError(otherwise)
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

/** The URL of an audience; `undefined` for the name of a service binding. */
export function webUrl(text: string): URL | undefined {
  const url = parseUrl(text)
  return url && /^https?:$/.test(url.protocol) ? url : undefined
}

const isSafe = ({ protocol, hostname, username, password }: URL): boolean =>
  username === '' &&
  password === '' &&
  (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)))
