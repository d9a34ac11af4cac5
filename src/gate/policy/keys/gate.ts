import { maxValue, minValue, number, pipe } from 'valibot'
import { DENIAL_DOCS } from '../../base/denial.ts'
import { deepFreeze } from '../../base/json.ts'
import { foldedName } from '../../base/text.ts'
import type { AssertionRule } from '../../model/assertion.ts'
import type { Gate } from '../../model/policy.ts'
import {
  agentsField,
  bindingName,
  clientIp,
  flag,
  headerName,
  hostName,
  literalPath,
  milliseconds,
  modeField,
  originField,
  resourceField,
  revocationId,
  seconds,
  urlField,
  word,
} from '../reading/fields.ts'
import { type Report, under } from '../reading/issues.ts'
import { type KeyDocs, list, type Readable, readTable, required, table } from '../reading/table.ts'
import { assertionField } from './assertion.ts'
import { checkIdentityHeaders, claimHeaders, identityPrefix } from './claim-headers.ts'
import { CONSOLE, consoleTable } from './console.ts'
import { ENDING_KEYS, FINISH_WITHIN, ON_EXPIRY, ON_REVOCATION } from './ending.ts'
import { addressLimitField, DEFAULT_IN_FLIGHT, GATE_IN_FLIGHT, inFlightField } from './limit.ts'
import { placementOf, revocationTable, termsOf } from './revocation.ts'

const NO_SHARE = 'must be a number from 0 to 1'

export const JOURNAL_KEYS = {
  allowed: pipe(number(NO_SHARE), minValue(0, NO_SHARE), maxValue(1, NO_SHARE)),
}

export const GATE_KEYS = {
  resource: required(resourceField),
  origin: required(originField),
  origin_via: bindingName,
  hosts: list(hostName),
  insecure_http: flag,
  clock_tolerance: seconds({ least: 0, most: 60 }),
  proof_max_age: seconds({ least: 1, most: 300 }),
  proof_max_ahead: seconds({ least: 0, most: 60 }),
  dpop_nonce: flag,
  prefix: literalPath,
  revocation: revocationTable,
  assertion: assertionField,
  identity_prefix: identityPrefix,
  identity_headers: claimHeaders,
  strip_headers: list(headerName, { empty: true }),
  client_ip: clientIp,
  address_limit: addressLimitField,
  in_flight: inFlightField,
  timeout: milliseconds(),
  ...ENDING_KEYS,
  request_id: word(['own', 'always']),
  shared_ids: flag,
  agents: agentsField,
  lift: list(revocationId, { empty: true }),
  mode: modeField,
  journal: table(JOURNAL_KEYS),
  console: consoleTable,
  denial_docs: urlField({ http: 'loopback' }),
}

export const GATE_DOCS: KeyDocs<typeof GATE_KEYS> = {
  resource: {
    description:
      'Identifier of the protected resource: an absolute https URL (http on a loopback host). It is the default audience of tokens. Metadata and challenges are made from it, never from `Host`.',
    example: 'https://api.example.com',
  },
  origin: {
    description:
      "Where allowed requests go: a URL, or `\"service:NAME\"` for a service binding. The URL's path is put before the request's path; the gate's own address is a mistake.",
    example: 'https://origin.example.com',
  },
  origin_via: {
    description:
      'Name of the binding through which `origin` is reached: `[[mtls_certificates]]`, `[[vpc_services]]` or `[[vpc_networks]]`. A rule with its own `origin` does not use it, and needs its own `origin_via`.',
    example: 'ORIGIN_CERT',
  },
  hosts: {
    description:
      'Host names that the gate serves, without port; a list replaces the default. Requests for other hosts are 421 `host_unknown`.',
    unset: "the hosts of every `resource`, and every rule's `host`",
    example: ['api.example.com'],
  },
  insecure_http: {
    description:
      'Accepts plain http requests for an https resource. Without it they are 403 `insecure_transport`; the gate never redirects.',
    default: false,
    example: true,
  },
  clock_tolerance: {
    description:
      "Clock difference that is allowed for `exp`, `nbf` and `iat`: 0s to 60s. Origins that [verify the assertion](origin/verify.md) need at least as much, or they refuse allowed requests in a token's last seconds.",
    default: '5s',
    example: '10s',
  },
  proof_max_age: {
    description: 'How old a [DPoP proof](possession.md) may be, by its `iat`: 1s to 5m.',
    default: '60s',
    example: '30s',
  },
  proof_max_ahead: {
    description: 'How far the `iat` of a DPoP proof may be in the future: 0s to 60s.',
    default: '5s',
    example: '10s',
  },
  dpop_nonce: {
    description:
      'Whether a DPoP proof needs a [nonce](possession.md#nonces) from the gate. It is a mistake with `assertion = "off"`, which leaves the gate without keys.',
    default: false,
    example: true,
  },
  prefix: {
    description:
      "Literal path of the gate's [own endpoints](configuration/gate.md#the-gates-own-endpoints). Every other path below it is 404 and never forwarded.",
    default: '/.edgewarden',
    example: '/.gate',
  },
  revocation: {
    description:
      'How soon a revocation takes effect, and where revocations are kept: [its keys](configuration/revocation-set.md#keys-of-gaterevocation).',
    default: { consistency: 'bounded', max_staleness: '5s', shards: 4 },
    example: { shards: 8 },
  },
  assertion: {
    description:
      'What the gate signs for the origin: `"off"`, `"identity"`, `"request"`, `"body"`, or a table with [its keys](configuration/assertion.md#keys-of-gateassertion).',
    default: 'identity',
    example: 'request',
  },
  identity_prefix: {
    description:
      'Beginning of the names of identity headers: at least two lower-case words, each followed by `-`.',
    default: 'x-agent-',
    example: 'x-acme-agent-',
  },
  identity_headers: {
    description:
      'Headers that the gate makes from claims, on every request with an identity: header name → claim path. Which values are allowed: [claims in headers](configuration/headers.md#claims-in-headers).',
    example: { 'X-Forwarded-User': 'sub' },
  },
  strip_headers: {
    description:
      'Further header names to remove from requests, in any spelling, also with `forward_token` and in shadow mode. Each is a whole name; a `*` is a mistake, as in every header name of the policy.',
    example: ['x-debug'],
  },
  client_ip: {
    description:
      'Header with the caller\'s address; `"connection"` takes it from the socket (the default under [`edgewarden serve`](self-host.md)), and with `"none"` no address is known. A header with a credential or cookies is a mistake.',
    default: 'cf-connecting-ip',
    example: 'connection',
  },
  address_limit: {
    description:
      'How often one network address may send requests, before any credential is read: [its keys](configuration/rate-limits.md#keys-of-gateaddress_limit).',
    example: { limit: 600, period: '1m' },
  },
  in_flight: GATE_IN_FLIGHT,
  timeout: {
    description:
      "Time from the last byte of a request to the origin's response headers; after it the answer is 504 `origin_timeout`. It never cuts a body; without it only the platform's limits apply, and 10m under [`edgewarden serve`](self-host.md).",
    example: '30s',
  },
  on_revocation: ON_REVOCATION,
  on_expiry: ON_EXPIRY,
  finish_within: FINISH_WITHIN,
  request_id: {
    description:
      "`X-Request-Id` of answers. `\"own\"`: the gate's id on the gate's own answers, the origin's on others; `\"always\"`: the gate's id on all, and the origin's as `X-Origin-Request-Id`.",
    default: 'own',
    example: 'always',
  },
  mode: {
    description:
      'With `"shadow"` the gate also forwards the requests that it would refuse: [shadow mode](configuration/gate.md#shadow-mode).',
    default: 'enforce',
    example: 'shadow',
  },
  journal: {
    description:
      'Which decisions are written to the log: [its keys](configuration/gate.md#keys-of-gatejournal).',
    default: { allowed: 1 },
    example: { allowed: 0.1 },
  },
  console: CONSOLE,
  denial_docs: {
    description:
      'The page that the `type` of a denial links to, before `#` and the code: an absolute https URL (http on a loopback host). It is for [a site of your own](site.md).',
    default: DENIAL_DOCS,
    example: 'https://docs.example.com/denials',
  },
  shared_ids: {
    description:
      'Allows two issuers to have the same `agent_prefix`, or one prefix to begin the other. Then two agents can have the same `X-Agent-Id`. Set it only if origins read `X-Agent-Issuer` as well.',
    default: false,
    example: true,
  },
  agents: {
    description:
      'Which agents are accepted. `"any"`: those that are not suspended or retired; `"approved"`: only those that the [registry](agent-registry.md) has approved. An issuer and a rule can only narrow it.',
    default: 'any',
    example: 'approved',
  },
  lift: {
    description:
      'Ids of revocations that the gate ignores, after a [lock-out](revocation.md#locked-out).',
    example: ['2hT1Zs0yX3kq8bN5vC7m9A'],
  },
}

export const JOURNAL_DOCS: KeyDocs<typeof JOURNAL_KEYS> = {
  allowed: {
    description:
      'Share of allowed decisions that are written to the [journal](journal.md), 0 to 1. Denials are always written, also those that shadow mode lets through. An [audit](audit.md) stores all.',
    unset: '`1`; with an audit `0`',
    example: 0.1,
  },
}

/** GATE as configured, without what could not be read. */
export type GateEntry = Readable<typeof GATE_KEYS>

/** Reads GATE by itself: nothing that needs the issuers, the rules or the bindings. */
export function readGate(value: unknown, report: Report): GateEntry {
  const entry = readTable(GATE_KEYS, value, report)
  const { prefix, identity_prefix: identity, identity_headers: headers } = entry
  checkIdentityHeaders(headers, identity, under(report, 'identity_headers'))
  if (entry.dpop_nonce && entry.assertion?.binding === 'off') {
    report(['dpop_nonce'], 'needs the keys that assertion = "off" removes: nonces are signed')
  }
  if (prefix !== undefined && /^\/\.well-known(?:\/|$)/i.test(prefix)) {
    report(['prefix'], 'must not be under /.well-known, which other documents share')
  }
  return entry
}

/** The default prefix of the gate's own endpoints. */
export const DEFAULT_PREFIX = '/.edgewarden'
export const DEFAULT_IDENTITY_PREFIX = 'x-agent-'

/** The gate's settings with every default filled in. */
export function gateOf(
  entry: GateEntry,
  resource: string,
  hosts: ReadonlySet<string>,
  { assertion, isAudited }: { assertion: AssertionRule | undefined; isAudited: boolean },
  ownHeaders: ReadonlySet<string>,
): Gate {
  return deepFreeze({
    resource,
    hosts,
    insecureHttp: entry.insecure_http ?? false,
    clockTolerance: entry.clock_tolerance ?? 5,
    proofMaxAge: entry.proof_max_age ?? 60,
    proofMaxAhead: entry.proof_max_ahead ?? 5,
    dpopNonce: entry.dpop_nonce ?? false,
    prefix: entry.prefix ?? DEFAULT_PREFIX,
    identityPrefix: entry.identity_prefix ?? DEFAULT_IDENTITY_PREFIX,
    stripHeaders: new Set((entry.strip_headers ?? []).map(foldedName)),
    ownHeaders,
    identityHeaders: entry.identity_headers ?? [],
    clientIp: entry.client_ip ?? { from: 'header', name: 'cf-connecting-ip' },
    ...(entry.address_limit && { addressLimit: entry.address_limit }),
    inFlight: entry.in_flight ?? DEFAULT_IN_FLIGHT,
    requestId: entry.request_id ?? 'own',
    journal: { allowed: entry.journal?.allowed ?? (isAudited ? 0 : 1) },
    ...(entry.console?.host !== undefined && { console: { host: entry.console.host } }),
    denialDocs: entry.denial_docs?.text ?? DENIAL_DOCS,
    revocation: termsOf(entry.revocation),
    placement: placementOf(entry.revocation),
    ...(assertion && { assertion }),
    ...(entry.agents === 'approved' && { agents: 'approved' }),
    lift: new Set(entry.lift),
  })
}
