import { DENIAL_DOCS } from '../../base/denial.ts'
import type { ComparedDocs } from '../reading/table.ts'
import { ASSERTION_DOCS } from './assertion.ts'
import { CONSOLE } from './console.ts'
import { FINISH_WITHIN, ON_EXPIRY, ON_REVOCATION } from './ending.ts'
import type { GATE_KEYS, JOURNAL_KEYS } from './gate.ts'
import { GATE_IN_FLIGHT } from './limit.ts'
import { REVOCATION_DOCS } from './revocation.ts'
import { GATE_UNREAD_BODY } from './unread-body.ts'

export const JOURNAL_DOCS: ComparedDocs<typeof JOURNAL_KEYS> = {
  allowed: {
    description:
      'Share of allowed decisions that are written to the [journal](journal.md), 0 to 1. Denials are always written, also those that shadow mode lets through. An [audit](audit.md) stores all.',
    unset: '`1`; with an audit `0`',
    example: 0.1,
    compare: 'neutral',
  },
}

export const GATE_DOCS: ComparedDocs<typeof GATE_KEYS> = {
  resource: {
    description:
      'Identifier of the protected resource: an absolute https URL (http on a loopback host). It is the default audience of tokens. Metadata and challenges are made from it, never from `Host`.',
    example: 'https://api.example.com',
    compare: 'neutral',
  },
  origin: {
    description:
      "Where allowed requests go: a URL, or `\"service:NAME\"` for a service binding. The URL's path is put before the request's path; the gate's own address is a mistake.",
    example: 'https://origin.example.com',
    compare: 'elsewhere',
  },
  origin_via: {
    description:
      'Name of the binding through which `origin` is reached: `[[mtls_certificates]]`, `[[vpc_services]]` or `[[vpc_networks]]`. A rule with its own `origin` does not use it, and needs its own `origin_via`.',
    example: 'ORIGIN_CERT',
    compare: 'elsewhere',
  },
  hosts: {
    description:
      'Host names that the gate serves, without port; a list replaces the default. Requests for other hosts are 421 `host_unknown`.',
    unset: "the hosts of every `resource`, and every rule's `host`",
    example: ['api.example.com'],
    compare: 'elsewhere',
  },
  insecure_http: {
    description:
      'Accepts plain http requests for an https resource. Without it they are 403 `insecure_transport`; the gate never redirects.',
    default: false,
    example: true,
    compare: 'flag',
  },
  clock_tolerance: {
    description:
      "Clock difference that is allowed for `exp`, `nbf` and `iat`: 0s to 60s. Origins that [verify the assertion](origin/verify.md) need at least as much, or they refuse allowed requests in a token's last seconds.",
    default: '5s',
    example: '10s',
    compare: 'larger',
  },
  proof_max_age: {
    description: 'How old a [DPoP proof](possession.md) may be, by its `iat`: 1s to 5m.',
    default: '60s',
    example: '30s',
    compare: 'larger',
  },
  proof_max_ahead: {
    description: 'How far the `iat` of a DPoP proof may be in the future: 0s to 60s.',
    default: '5s',
    example: '10s',
    compare: 'larger',
  },
  dpop_nonce: {
    description:
      'Whether a DPoP proof needs a [nonce](possession.md#nonces) from the gate. It is a mistake with `assertion = "off"`, which leaves the gate without keys.',
    default: false,
    example: true,
    compare: 'guard',
  },
  prefix: {
    description:
      "Literal path of the gate's [own endpoints](configuration/gate.md#the-gates-own-endpoints). Every other path below it is 404 and never forwarded.",
    default: '/.edgewarden',
    example: '/.gate',
    compare: 'neutral',
  },
  revocation: {
    description:
      'How soon a revocation takes effect, and where revocations are kept: [its keys](configuration/revocation-set.md#keys-of-gaterevocation).',
    default: { consistency: 'bounded', max_staleness: '5s', shards: 4 },
    example: { shards: 8 },
    compare: REVOCATION_DOCS,
  },
  assertion: {
    description:
      'What the gate signs for the origin: `"off"`, `"identity"`, `"request"`, `"body"`, or a table with [its keys](configuration/assertion.md#keys-of-gateassertion).',
    default: 'identity',
    example: 'request',
    compare: ASSERTION_DOCS,
  },
  identity_prefix: {
    description:
      'Beginning of the names of identity headers: at least two lower-case words, each followed by `-`.',
    default: 'x-agent-',
    example: 'x-acme-agent-',
    compare: 'opaque',
  },
  identity_headers: {
    description:
      'Headers that the gate makes from claims, on every request with an identity: header name → claim path. Which values are allowed: [claims in headers](configuration/headers.md#claims-in-headers).',
    example: { 'X-Forwarded-User': 'sub' },
    compare: 'opaque',
  },
  strip_headers: {
    description:
      'Further header names to remove from requests, in any spelling, also with `forward_token` and in shadow mode. Each is a whole name; a `*` is a mistake, as in every header name of the policy.',
    example: ['x-debug'],
    compare: 'requires',
  },
  client_ip: {
    description:
      'Header with the caller\'s address; `"connection"` takes it from the socket (the default under [`edgewarden serve`](self-host.md)), and with `"none"` no address is known. A header with a credential or cookies is a mistake.',
    default: 'cf-connecting-ip',
    example: 'connection',
    compare: 'opaque',
  },
  address_limit: {
    description:
      'How often one network address may send requests, before any credential is read: [its keys](configuration/rate-limits.md#keys-of-gateaddress_limit).',
    example: { limit: 600, period: '1m' },
    compare: 'restrictionByQuota',
  },
  in_flight: GATE_IN_FLIGHT,
  unread_body: GATE_UNREAD_BODY,
  timeout: {
    description:
      "Time from the last byte of a request to the origin's response headers; after it the answer is 504 `origin_timeout`. It never cuts a body; without it only the platform's limits apply, and 10m under [`edgewarden serve`](self-host.md).",
    example: '30s',
    compare: 'elsewhere',
  },
  on_revocation: ON_REVOCATION,
  on_expiry: ON_EXPIRY,
  finish_within: FINISH_WITHIN,
  request_id: {
    description:
      "`X-Request-Id` of answers. `\"own\"`: the gate's id on the gate's own answers, the origin's on others; `\"always\"`: the gate's id on all, and the origin's as `X-Origin-Request-Id`.",
    default: 'own',
    example: 'always',
    compare: 'neutral',
  },
  mode: {
    description:
      'With `"shadow"` the gate also forwards the requests that it would refuse: [shadow mode](configuration/gate.md#shadow-mode).',
    default: 'enforce',
    example: 'shadow',
    compare: 'elsewhere',
  },
  journal: {
    description:
      'Which decisions are written to the log: [its keys](configuration/gate.md#keys-of-gatejournal).',
    default: { allowed: 1 },
    example: { allowed: 0.1 },
    compare: JOURNAL_DOCS,
  },
  console: CONSOLE,
  denial_docs: {
    description:
      'The page that the `type` of a denial links to, before `#` and the code: an absolute https URL (http on a loopback host). It is for [a site of your own](site.md).',
    default: DENIAL_DOCS,
    example: 'https://docs.example.com/denials',
    compare: 'neutral',
  },
  shared_ids: {
    description:
      'Allows two issuers to have the same `agent_prefix`, or one prefix to begin the other. Then two agents can have the same `X-Agent-Id`. Set it only if origins read `X-Agent-Issuer` as well.',
    default: false,
    example: true,
    compare: 'opaque',
  },
  agents: {
    description:
      'Which agents are accepted. `"any"`: those that are not suspended or retired; `"approved"`: only those that the [registry](agent-registry.md) has approved. An issuer and a rule can only narrow it.',
    default: 'any',
    example: 'approved',
    compare: 'restriction',
  },
  lift: {
    description:
      'Ids of revocations that the gate ignores, after a [lock-out](revocation.md#locked-out).',
    example: ['2hT1Zs0yX3kq8bN5vC7m9A'],
    compare: 'accepts',
  },
}
