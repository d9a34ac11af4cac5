/**
 * Every table of a policy: its keys, what the documentation says of each, and the types of what may be written.
 * Nothing that serves requests imports this by code, so none of the text is in the Worker.
 */
import { string } from 'valibot'
import { WHEN_DOCS, WHEN_KEYS } from './conditions/field.ts'
import { WATCH_DOCS, WATCH_KEYS } from './keys/agents.ts'
import {
  APPROVAL_DOCS,
  APPROVAL_KEYS,
  CALL_APPROVAL_DOCS,
  CALL_APPROVAL_KEYS,
} from './keys/approval.ts'
import { ASSERTION_DOCS, ASSERTION_KEYS } from './keys/assertion.ts'
import { AUDIT_DOCS, AUDIT_KEYS } from './keys/audit.ts'
import { CLAIM_DOCS, CLAIM_KEYS } from './keys/claim-rules.ts'
import { CONSOLE_DOCS, CONSOLE_KEYS } from './keys/console.ts'
import { CORS_DOCS, CORS_KEYS } from './keys/cors.ts'
import { CREDENTIAL_DOCS, CREDENTIAL_KEYS } from './keys/credential.ts'
import { DECRYPT_DOCS, DECRYPT_KEYS } from './keys/decrypt.ts'
import { ACTOR_DOCS, ACTOR_KEYS, DELEGATION_DOCS, DELEGATION_KEYS } from './keys/delegation.ts'
import { DETAIL_DOCS, DETAIL_KEYS } from './keys/details.ts'
import { EFFECTS_DOCS, EFFECTS_KEYS } from './keys/effects.ts'
import { EVENTS_DOCS, EVENTS_KEYS, POLL_DOCS, POLL_KEYS } from './keys/events.ts'
import { GATE_KEYS, JOURNAL_KEYS } from './keys/gate.ts'
import { GATE_DOCS, JOURNAL_DOCS } from './keys/gate-docs.ts'
import { GRANT_DOCS, GRANT_KEYS } from './keys/grants.ts'
import { ISSUER_DOCS } from './keys/issuer-docs.ts'
import { ISSUER_KEYS } from './keys/issuer-keys.ts'
import { KEY_TIMES_DOCS, KEY_TIMES_KEYS } from './keys/keys.ts'
import {
  ADDRESS_LIMIT_DOCS,
  ADDRESS_LIMIT_KEYS,
  RATE_LIMIT_DOCS,
  RATE_LIMIT_KEYS,
} from './keys/limit.ts'
import { MCP_DOCS, MCP_KEYS, NAME_DOCS, NAME_KEYS } from './keys/mcp.ts'
import { PERSON_DOCS, PERSON_KEYS } from './keys/person.ts'
import { REVOCATION_DOCS, REVOCATION_KEYS } from './keys/revocation.ts'
import { ROUTE_DOCS } from './keys/route-docs.ts'
import { ROUTE_KEYS } from './keys/route-keys.ts'
import { ANY_DOCS, ANY_KEYS, USE_ANY_KEYS } from './keys/scopes.ts'
import { TEAM_DOCS, TEAM_KEYS } from './keys/team-keys.ts'
import { TRANSMIT_DOCS, TRANSMIT_KEYS } from './keys/transmit.ts'
import { UNREAD_BODY_DOCS, UNREAD_BODY_KEYS } from './keys/unread-body.ts'
import {
  type Fields,
  field,
  type KeyDoc,
  type KeyDocs,
  list,
  namesTo,
  required,
  type TableInput,
  table,
} from './reading/table.ts'

/** A policy as it may be written, in code as in wrangler.toml. */
export type PolicyInput = TableInput<typeof POLICY_KEYS>

export interface DocumentedTable {
  readonly keys: Fields
  readonly docs: Readonly<Record<string, KeyDoc<unknown>>>
}

/** A table with a row of documentation for each of its keys, which the compiler checks. */
export function documented<const F extends Fields>(keys: F, docs: KeyDocs<F>): DocumentedTable {
  return { keys, docs }
}

/** The variables of a policy. The gate reads them one by one: `ROUTES` may go on in `ROUTES_01`. */
export const POLICY_KEYS = {
  GATE: required(table(GATE_KEYS)),
  ISSUERS: field((value) => value, namesTo(table(ISSUER_KEYS))),
  ROUTES: required(list(table(ROUTE_KEYS))),
  SCOPES: field((value) => value, namesTo(list(string(), { empty: true }))),
  GRANTS: list(table(GRANT_KEYS), { empty: true }),
  AUDIT: table(AUDIT_KEYS),
  WATCH: field((value) => value, namesTo(table(WATCH_KEYS))),
  TRANSMIT: field((value) => value, namesTo(table(TRANSMIT_KEYS))),
}

const POLICY_DOCS: KeyDocs<typeof POLICY_KEYS> = {
  GATE: {
    description: 'What the gate protects, and what applies to all rules.',
    example: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
  },
  ISSUERS: {
    description:
      'Trusted authorization servers, whose tokens are accepted: tables with names that you choose.',
    example: { acme: { issuer: 'https://auth.acme.example', agent_prefix: 'acme/' } },
  },
  ROUTES: {
    description: 'Rules: which requests are allowed. The first that matches decides.',
    example: [{ match: 'GET /v1/documents/{id}', scopes: ['documents:read'] }],
  },
  SCOPES: {
    description: 'Which scope includes which.',
    example: { 'documents:write': ['documents:read'] },
  },
  GRANTS: {
    description:
      'What tokens get by their claims: scopes, agent types and ids. [Grants](grants.md).',
    example: [{ issuer: 'github', claims: { repository_id: '123' }, scopes: ['documents:read'] }],
  },
  AUDIT: {
    description:
      'What is kept of decisions, where the binding `AUDIT_LOG` is: [the audit](audit.md).',
    example: { retention: '90d' },
  },
  WATCH: {
    description:
      'Which requests are [watched](watch.md): tables with names that you choose. The first table that matches a request counts it.',
    example: { agents: { action: 'quarantine' } },
  },
  TRANSMIT: {
    description: 'Who is [told of revocations](events/send.md): tables with names that you choose.',
    example: {
      partner: {
        audience: 'https://gate.partner.example',
        endpoint: 'https://gate.partner.example/.edgewarden/events',
        authorization: 'PARTNER_EVENTS',
      },
    },
  },
}

/** Every table by the name of its block in the documentation. */
export const TABLES = {
  policy: documented(POLICY_KEYS, POLICY_DOCS),
  gate: documented(GATE_KEYS, GATE_DOCS),
  journal: documented(JOURNAL_KEYS, JOURNAL_DOCS),
  'unread-body': documented(UNREAD_BODY_KEYS, UNREAD_BODY_DOCS),
  console: documented(CONSOLE_KEYS, CONSOLE_DOCS),
  assertion: documented(ASSERTION_KEYS, ASSERTION_DOCS),
  audit: documented(AUDIT_KEYS, AUDIT_DOCS),
  watch: documented(WATCH_KEYS, WATCH_DOCS),
  transmit: documented(TRANSMIT_KEYS, TRANSMIT_DOCS),
  revocation: documented(REVOCATION_KEYS, REVOCATION_DOCS),
  'address-limit': documented(ADDRESS_LIMIT_KEYS, ADDRESS_LIMIT_DOCS),
  issuer: documented(ISSUER_KEYS, ISSUER_DOCS),
  'jwks-cache': documented(KEY_TIMES_KEYS, KEY_TIMES_DOCS),
  claim: documented(CLAIM_KEYS, CLAIM_DOCS),
  decrypt: documented(DECRYPT_KEYS, DECRYPT_DOCS),
  person: documented(PERSON_KEYS, PERSON_DOCS),
  events: documented(EVENTS_KEYS, EVENTS_DOCS),
  poll: documented(POLL_KEYS, POLL_DOCS),
  effects: documented(EFFECTS_KEYS, EFFECTS_DOCS),
  delegation: documented(DELEGATION_KEYS, DELEGATION_DOCS),
  actor: documented(ACTOR_KEYS, ACTOR_DOCS),
  rule: documented(ROUTE_KEYS, ROUTE_DOCS),
  scopes: documented(ANY_KEYS, ANY_DOCS),
  grant: documented(GRANT_KEYS, GRANT_DOCS),
  'authorization-details': documented(DETAIL_KEYS, DETAIL_DOCS),
  credential: documented(CREDENTIAL_KEYS, CREDENTIAL_DOCS),
  cors: documented(CORS_KEYS, CORS_DOCS),
  when: documented(WHEN_KEYS, WHEN_DOCS),
  approval: documented(APPROVAL_KEYS, APPROVAL_DOCS),
  'call-approval': documented(CALL_APPROVAL_KEYS, CALL_APPROVAL_DOCS),
  'rate-limit': documented(RATE_LIMIT_KEYS, RATE_LIMIT_DOCS),
  mcp: documented(MCP_KEYS, MCP_DOCS),
  'mcp-name': documented(NAME_KEYS, NAME_DOCS),
  team: documented(TEAM_KEYS, TEAM_DOCS),
  'mcp-scopes': documented(USE_ANY_KEYS, ANY_DOCS),
} as const
