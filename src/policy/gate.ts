import { assertionField } from '../assertion/options.ts'
import type { AssertionRule } from '../core/model/assertion.ts'
import type { Gate } from '../core/model/policy.ts'
import { fail, ok } from '../core/result.ts'
import { foldedName } from '../core/text.ts'
import { addressLimitField } from '../limit/options.ts'
import { placementOf, revocationTable, termsOf } from '../revocation/options.ts'
import { claimHeaders, isIdentityHeader } from './claim-headers.ts'
import {
  bindingName,
  flag,
  headerName,
  hostName,
  isCredentialHeader,
  isHeaderName,
  literalPath,
  milliseconds,
  originField,
  resourceField,
  seconds,
  text,
  word,
} from './fields.ts'
import { quote, type Report } from './issues.ts'
import { list, type Readable, reads, readTable, table } from './table.ts'

const IDENTITY_PREFIX = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)+-$/

/** Families of headers that mean something else, and that the gate sets or a browser sends. */
const TAKEN_PREFIXES = ['access-control-', 'sec-fetch-', 'x-forwarded-', 'x-request-']

const identityPrefix = text((value) => {
  if (!IDENTITY_PREFIX.test(value)) {
    return fail('must be at least two lower-case words, each followed by -, like `x-agent-`')
  }
  return TAKEN_PREFIXES.includes(value)
    ? fail(`${quote(value)} is the beginning of other headers`)
    : ok(value)
})

const clientIp = text<Gate['clientIp']>((value) => {
  if (value === 'connection' || value === 'none') return ok({ from: value })
  if (isCredentialHeader(value)) return fail(`${quote(value)} holds a credential, not an address`)
  return isHeaderName(value)
    ? ok({ from: 'header', name: value.toLowerCase() })
    : fail('must be a header name, `connection` or `none`')
})

/** Whether rules are enforced, or only judged; also a key of a rule. */
export const modeField = word(['enforce', 'shadow'])

/** What the end of a token ends; also a key of a rule. */
export const onRevocationField = word(['end-streams', 'end-all', 'ignore'])

const share = reads<number>((value) =>
  typeof value === 'number' && value >= 0 && value <= 1
    ? ok(value)
    : fail('must be a number from 0 to 1'),
)

const revocationId = text((value) =>
  /^[A-Za-z0-9_-]{1,64}$/.test(value)
    ? ok(value)
    : fail('must be the id of a revocation, as its creation answered it'),
)

const FIELDS = {
  resource: resourceField,
  origin: originField,
  origin_via: bindingName,
  hosts: list(hostName),
  insecure_http: flag,
  clock_tolerance: seconds({ least: 0, most: 60 }),
  prefix: literalPath,
  revocation: revocationTable,
  assertion: assertionField,
  identity_prefix: identityPrefix,
  identity_headers: claimHeaders,
  strip_headers: list(headerName, { empty: true }),
  client_ip: clientIp,
  address_limit: addressLimitField,
  timeout: milliseconds(),
  on_revocation: onRevocationField,
  request_id: word(['own', 'always']),
  shared_ids: flag,
  lift: list(revocationId, { empty: true }),
  mode: modeField,
  journal: table({ allowed: share }),
  errors: word(['standard', 'detailed']),
}

/** GATE as configured, without what could not be read. */
export type GateEntry = Readable<typeof FIELDS>

/** Reads GATE by itself: nothing that needs the issuers, the rules or the bindings. */
export function readGate(value: unknown, report: Report): GateEntry {
  const entry = readTable(FIELDS, ['resource', 'origin'], value, report)
  const { prefix, identity_prefix: identity = DEFAULT_IDENTITY_PREFIX } = entry
  for (const { header } of entry.identity_headers ?? []) {
    if (isIdentityHeader(header, identity)) {
      report(['identity_headers', header], 'is an identity header, whose value is not configured')
    }
  }
  if (prefix !== undefined && /^\/\.well-known(?:\/|$)/i.test(prefix)) {
    report(['prefix'], 'must not be under /.well-known, which other documents share')
  }
  return entry
}

/** Where everything is the gate's own, unless configured. */
export const DEFAULT_PREFIX = '/.edgewarden'
export const DEFAULT_IDENTITY_PREFIX = 'x-agent-'

/** The gate's settings with every default filled in. */
export function gateOf(
  entry: GateEntry,
  resource: string,
  hosts: ReadonlySet<string>,
  assertion: AssertionRule | undefined,
  ownHeaders: ReadonlySet<string>,
): Gate {
  return Object.freeze({
    resource,
    hosts,
    insecureHttp: entry.insecure_http ?? false,
    clockTolerance: entry.clock_tolerance ?? 5,
    prefix: entry.prefix ?? DEFAULT_PREFIX,
    identityPrefix: entry.identity_prefix ?? DEFAULT_IDENTITY_PREFIX,
    stripHeaders: new Set((entry.strip_headers ?? []).map(foldedName)),
    ownHeaders,
    identityHeaders: entry.identity_headers ?? Object.freeze([]),
    clientIp: Object.freeze(entry.client_ip ?? { from: 'header', name: 'cf-connecting-ip' }),
    ...(entry.address_limit && { addressLimit: entry.address_limit }),
    requestId: entry.request_id ?? 'own',
    journal: Object.freeze({ allowed: entry.journal?.allowed ?? 1 }),
    errors: entry.errors ?? 'standard',
    revocation: termsOf(entry.revocation),
    placement: placementOf(entry.revocation),
    ...(assertion && { assertion }),
    lift: new Set(entry.lift),
  })
}
