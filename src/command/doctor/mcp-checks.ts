import type { KindOfUse } from '../../compare/scopes.ts'
import { type JsonObject, own, ownText } from '../../gate/base/json.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { Checks } from './checks.ts'
import { documentOf, PROOFS } from './facts.ts'
import { faultFix, faultList, isSilent, issuerDifference, shown } from './faults.ts'
import { issuerOf, type McpGathered, PAGE } from './mcp-gather.ts'

/** An MCP server, and what a policy says about it. */
export interface McpTarget {
  readonly url: URL
  readonly isLocal: boolean
  /** The policy's rule for it. */
  readonly rule?: {
    readonly path: string
    readonly uses: readonly KindOfUse[]
    readonly includedBy: Policy['includedBy']
  }
}

/** All facts, which the checks and the table of clients read. A list is `undefined` if the server has none. */
export interface McpFacts extends McpTarget, McpGathered {
  readonly resource: string | undefined
  /** How the resource compares with the URL: official SDKs take `within`, VS Code only `equal`. */
  readonly fit: 'equal' | 'within' | 'other'
  readonly issuer: string | undefined
  /** The first authorization server's metadata. */
  readonly as: JsonObject | undefined
  /** Scopes of the challenge and of the resource metadata. */
  readonly offered: readonly string[]
  readonly scopes: readonly string[] | undefined
  readonly grants: readonly string[] | undefined
  readonly pkce: readonly string[] | undefined
  /** Whether people can log in by the authorization code grant, which is a default of RFC 8414. */
  readonly hasLogin: boolean
  readonly ways: { readonly cimd: boolean; readonly none: boolean; readonly dcr: boolean }
}

/** Combines what a policy says and what the servers answered. */
export function mcpFactsOf(target: McpTarget, gathered: McpGathered): McpFacts {
  const metadata = gathered.metadata.map(documentOf).find(Boolean)
  const as = documentOf(gathered.server.at(-1))
  const texts = (document: JsonObject | undefined, name: string) => {
    const list = document && own(document, name)
    return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : undefined
  }
  const resource = metadata && ownText(metadata, 'resource')
  const grants = texts(as, 'grant_types_supported')
  const challenged = gathered.challenge.scope?.split(' ') ?? []
  const isThere = (name: string) => ownText(as ?? {}, name) !== undefined
  return {
    ...target,
    ...gathered,
    ...{ resource, as, grants, fit: fitOf(resource, target.url) },
    issuer: issuerOf(gathered.metadata),
    offered: [...new Set([...challenged, ...(texts(metadata, 'scopes_supported') ?? [])])],
    scopes: texts(as, 'scopes_supported'),
    pkce: texts(as, 'code_challenge_methods_supported'),
    hasLogin: isThere('authorization_endpoint') && grants?.includes('authorization_code') !== false,
    ways: {
      cimd: own(as ?? {}, 'client_id_metadata_document_supported') === true,
      none: texts(as, 'token_endpoint_auth_methods_supported')?.includes('none') === true,
      dcr: isThere('registration_endpoint'),
    },
  }
}

const fitOf = (resource: string | undefined, url: URL): McpFacts['fit'] => {
  if (resource === undefined || !URL.canParse(resource)) return 'other'
  const { href, origin, pathname } = new URL(resource)
  if (href === url.href) return 'equal'
  const isWithin = `${url.pathname}/`.startsWith(pathname.replace(/\/?$/, '/'))
  return origin === url.origin && isWithin ? 'within' : 'other'
}

/** The scopes without templates that a name needs and no token of the authorization server can have. */
export function unobtainable(
  { use }: KindOfUse,
  { scopes: by, rule }: McpFacts,
): readonly string[] {
  if (!by || !rule) return []
  const { mode, scopes } = use.scopes
  const plain = scopes.filter(({ parts }) => parts.length === 1).map(({ source }) => source)
  const missing = plain.filter((scope) => !rule.includedBy(scope).some((one) => by.includes(one)))
  return mode === 'any' && missing.length < scopes.length ? [] : missing
}

const UNCHALLENGED: readonly (readonly [status: RegExp, fix: string])[] = [
  [/^2/, 'The server asks for no token: have the URL lead to a rule with mcp'],
  [/^3/, 'Clients follow no redirect of a POST: give them the final URL, and write it as resource'],
  [/^40[45]/, 'Correct the URL, or write match = "GET,POST,DELETE /path" on a rule with mcp'],
  [/^421/, 'Write the host into GATE.hosts, or the URL as resource of the rule'],
  [/^/, 'Look for the request in the journal of the gate'],
]

/** The checks of an MCP server. The checks of a level are in the order in which clients meet the problems. */
export const MCP_CHECKS: Checks<McpFacts> = {
  wrong: {
    not_challenged: [
      ({ challenge: { status = 401 } }) =>
        status !== 401 && `Without a token the answer is ${status}, not 401: no client logs in`,
      ({ challenge: { status } }) => UNCHALLENGED.find(([one]) => one.test(`${status}`))?.[1] ?? '',
    ],
    resource_metadata_missing: [
      (facts) =>
        facts.metadata.length > 0 &&
        facts.resource === undefined &&
        `There is no resource metadata: ${faultList(facts.metadata)}`,
      'The gate serves it: a proxy in front of the gate must forward /.well-known/; remove rules for that path from it',
    ],
    resource_mismatch: [
      ({ resource, fit, url }) =>
        resource !== undefined &&
        fit === 'other' &&
        `The metadata is of ${shown(resource)}; clients compare it with ${url.href}, and stop`,
      ({ url }) => `Write resource = "${url.href}" on the rule, and give clients this URL`,
    ],
    server_metadata_missing: [
      (facts) =>
        facts.resource !== undefined &&
        !facts.as &&
        !facts.server.some(isSilent) &&
        `There is no metadata of the authorization server: ${faultList(facts.server) || 'the resource metadata names none'}`,
      ({ server: [asked] }) =>
        asked?.fetched.ok === false
          ? faultFix(asked.fetched.reason)
          : 'Configure an issuer whose keys the gate fetches: one with inline jwks is not named',
    ],
    server_issuer_mismatch: [
      ({ as, issuer = '' }) => {
        const difference = as && issuerDifference(as, issuer)
        return (
          difference && `The authorization server's metadata is of another issuer: ${difference}`
        )
      },
      'Write the issuer in ISSUERS as its metadata and its tokens have it (RFC 8414 §3.3)',
    ],
    s256_missing: [
      ({ hasLogin, pkce }) =>
        hasLogin &&
        !pkce?.includes('S256') &&
        `The authorization server does not say that it takes PKCE with S256 (${pkce ? shown(pkce.join(' ')) : 'no code_challenge_methods_supported'})`,
      'Turn PKCE on, and have it list S256 in code_challenge_methods_supported: MCP clients must refuse without',
    ],
  },
  unsure: {
    unreachable: [
      (facts) => {
        const { challenge, server, url } = facts
        if (challenge.failure !== undefined) return `${url.href}: ${challenge.failure}`
        return server.some(isSilent) && `No answer: ${faultList(server)}`
      },
      'Check the address, its DNS and this network',
    ],
  },
  warning: {
    challenge_without_metadata: [
      ({ challenge: { status, metadata } }) =>
        status === 401 &&
        metadata === undefined &&
        'The 401 has no WWW-Authenticate: Bearer resource_metadata="…"',
      'The gate sends it: a proxy in front of the gate must keep it. Not every client looks at the well-known place',
    ],
    no_login: [
      ({ as, hasLogin }) =>
        as &&
        !hasLogin &&
        'The authorization server has no authorization code grant: people cannot log in',
      'Turn it on, unless only workers with credentials of their own are to connect',
    ],
    no_registration: [
      ({ hasLogin, ways: { cimd, dcr } }) =>
        hasLogin &&
        !cimd &&
        !dcr &&
        'Clients cannot register: no client ID metadata documents, no registration_endpoint',
      'Turn one of them on at the authorization server, or hand out client ids (docs/mcp/connect.md)',
    ],
    proofs_required: [
      ({ metadata, as }) =>
        own(documentOf(metadata.find(documentOf)) ?? {}, 'dpop_bound_access_tokens_required') ===
          true &&
        `Tokens must be bound to a key${as && !own(as, PROOFS) ? `, and the authorization server names no ${PROOFS}` : ''}`,
      'Clients that make no DPoP proofs are refused: leave possession = "required" out for them',
    ],
    scopes_not_offered: [
      ({ offered, scopes }) => {
        const missing = offered.filter((scope) => scopes?.includes(scope) === false)
        return (
          missing.length > 0 &&
          `Clients request scopes that the authorization server does not list: ${shown(missing.join(' '))}`
        )
      },
      'Add the scopes there, and allow clients to get them: else clients get invalid_scope, or a token without these scopes',
    ],
    names_not_obtainable: [
      (facts) => {
        const lost = facts.rule?.uses.filter((use) => unobtainable(use, facts).length > 0) ?? []
        const names = lost.map(({ use }) => use.pattern).join(' ')
        return names !== '' && `No token can have the scopes for ${shown(names)}`
      },
      (facts) =>
        `Add at the authorization server: ${[...new Set(facts.rule?.uses.flatMap((use) => unobtainable(use, facts)))].join(' ')}`,
    ],
    pages_refused: [
      ({ hidden, resource }) =>
        resource !== undefined &&
        hidden.length > 0 &&
        `Clients in a browser cannot read ${hidden.join(', ')} (CORS, asked for ${PAGE})`,
      `If you have any: write cors = { origins = ["${PAGE}"] } and mcp.origins on the rule, and allow the page at the authorization server`,
    ],
  },
}
