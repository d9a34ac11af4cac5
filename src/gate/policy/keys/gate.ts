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
import { kept, keptOf } from '../reading/kept.ts'
import { list, type Readable, readTable, required, table } from '../reading/table.ts'
import { ASSERTION_KEYS, assertionField } from './assertion.ts'
import { checkIdentityHeaders, claimHeaders, identityPrefix } from './claim-headers.ts'
import { consoleTable } from './console.ts'
import { ENDING_KEYS } from './ending.ts'
import { addressLimitField, DEFAULT_IN_FLIGHT, inFlightField } from './limit.ts'
import { placementOf, revocationTable, termsOf } from './revocation.ts'
import {
  millisecondsText,
  notShown,
  secondsText,
  showAddressLimit,
  showHeaders,
  showing,
  showTable,
  showTerms,
} from './show-parts.ts'
import { UNREAD_BODY, unreadBodyField } from './unread-body.ts'

/** The default prefix of the gate's own endpoints. */
export const DEFAULT_PREFIX = '/.edgewarden'
export const DEFAULT_IDENTITY_PREFIX = 'x-agent-'

const NO_SHARE = 'must be a number from 0 to 1'

export const JOURNAL_KEYS = {
  allowed: pipe(number(NO_SHARE), minValue(0, NO_SHARE), maxValue(1, NO_SHARE)),
}

const shown = showing<Gate>()

export const GATE_KEYS = {
  resource: shown(required(resourceField), ({ resource }) => resource),
  origin: shown(required(originField), notShown),
  origin_via: shown(bindingName, notShown),
  hosts: list(hostName),
  insecure_http: kept(flag, false),
  clock_tolerance: shown(kept(seconds({ least: 0, most: 60 }), 5), ({ clockTolerance }) =>
    secondsText(clockTolerance),
  ),
  proof_max_age: shown(kept(seconds({ least: 1, most: 300 }), 60), ({ proofMaxAge }) =>
    secondsText(proofMaxAge),
  ),
  proof_max_ahead: shown(kept(seconds({ least: 0, most: 60 }), 5), ({ proofMaxAhead }) =>
    secondsText(proofMaxAhead),
  ),
  dpop_nonce: kept(flag, false),
  prefix: shown(kept(literalPath, DEFAULT_PREFIX), ({ prefix }) => prefix),
  revocation: shown(
    revocationTable,
    ({ revocation, placement: { shards, locations, jurisdiction } }) => ({
      ...showTerms(revocation),
      shards,
      ...(locations.length > 0 && { locations: [...locations] }),
      ...(jurisdiction !== undefined && { jurisdiction }),
    }),
  ),
  assertion: shown(assertionField, ({ assertion }) =>
    assertion ? showTable(ASSERTION_KEYS, assertion, undefined) : 'off',
  ),
  identity_prefix: shown(
    kept(identityPrefix, DEFAULT_IDENTITY_PREFIX),
    ({ identityPrefix: prefix }) => prefix,
  ),
  identity_headers: shown(kept(claimHeaders, []), ({ identityHeaders }) =>
    showHeaders(identityHeaders),
  ),
  strip_headers: list(headerName, { empty: true }),
  client_ip: shown(
    kept(clientIp, { from: 'header', name: 'cf-connecting-ip' }),
    ({ clientIp: address }) => (address.from === 'header' ? address.name : address.from),
  ),
  address_limit: shown(
    kept(addressLimitField),
    ({ addressLimit }) => addressLimit && showAddressLimit(addressLimit),
  ),
  in_flight: shown(kept(inFlightField, DEFAULT_IN_FLIGHT), ({ inFlight }) => inFlight),
  unread_body: shown(kept(unreadBodyField, UNREAD_BODY), ({ unreadBody: { bytes, ms } }) => ({
    max_body: bytes,
    within: millisecondsText(ms),
  })),
  timeout: shown(milliseconds(), notShown),
  on_revocation: shown(ENDING_KEYS.on_revocation, notShown),
  on_expiry: shown(ENDING_KEYS.on_expiry, notShown),
  finish_within: shown(ENDING_KEYS.finish_within, notShown),
  request_id: kept(word(['own', 'always']), 'own'),
  shared_ids: shown(flag, notShown),
  agents: agentsField,
  lift: list(revocationId, { empty: true }),
  mode: shown(modeField, notShown),
  journal: shown(table(JOURNAL_KEYS), ({ journal }) => ({ ...journal })),
  console: shown(consoleTable, ({ console }) => console),
  denial_docs: shown(urlField({ http: 'loopback' }), ({ denialDocs }) => denialDocs),
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

/** The gate's settings with every default filled in. */
export function gateOf(
  entry: GateEntry,
  resource: string,
  hosts: ReadonlySet<string>,
  { assertion, isAudited }: { assertion: AssertionRule | undefined; isAudited: boolean },
  ownHeaders: ReadonlySet<string>,
): Gate {
  return deepFreeze({
    ...keptOf(GATE_KEYS, entry),
    resource,
    hosts,
    stripHeaders: new Set((entry.strip_headers ?? []).map(foldedName)),
    ownHeaders,
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
