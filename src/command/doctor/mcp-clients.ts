import { issuerDifference } from './faults.ts'
import type { McpFacts } from './mcp-checks.ts'

/** Why a client gets no token, in the order in which it would notice. */
type Cause = 'https' | 'server' | 'resource' | 'login' | 's256' | 'page' | 'id'

/** What a client needs, by its documentation or source; docs/mcp/connect.md names these and their dates. */
interface Client {
  readonly name: string
  /** How the client registers, in the order in which it tries. */
  readonly ways: readonly ('cimd' | 'cimd with none' | 'dcr')[]
  /** Where a user gives it a client id. */
  readonly id: string
  /** Where the client runs: on servers of its vendor, in a page, or without a user. */
  readonly kind?: 'remote' | 'page' | 'worker'
  /** Whether it accepts only a resource that equals its URL. */
  readonly isExact?: boolean
  /** Whether it accepts metadata without `code_challenge_methods_supported`; absent, this is not known. */
  readonly isTrusting?: boolean
  /** What it shows, where that is known. */
  readonly shows?: Partial<Readonly<Record<Cause, string>>>
}

/** The official SDK for TypeScript, and clients that use it. */
const SDK = {
  isTrusting: true,
  shows: {
    resource: 'Protected resource … does not match expected … (or origin)',
    s256: 'Incompatible auth server: does not support code challenge method S256',
    id: 'Incompatible auth server: does not support dynamic client registration',
  },
} as const

const CLIENTS: readonly Client[] = [
  {
    name: 'Claude',
    ways: ['cimd with none', 'dcr'],
    id: 'in Advanced settings of the connector',
    kind: 'remote',
  },
  {
    ...SDK,
    name: 'Claude Code',
    ways: ['cimd with none', 'dcr'],
    id: 'with claude mcp add --client-id',
    shows: { id: `SDK auth failed: ${SDK.shows.id}` },
  },
  { name: 'ChatGPT', ways: ['cimd', 'dcr'], id: 'as a predefined OAuth client', kind: 'remote' },
  {
    name: 'VS Code',
    ways: ['cimd', 'dcr'],
    id: 'when it asks',
    isExact: true,
    shows: {
      resource:
        'Protected Resource Metadata resource property value … does not match target server url …',
      id: 'Dynamic Client Registration not supported',
    },
  },
  { name: 'Cursor', ways: ['dcr'], id: 'as auth.CLIENT_ID in mcp.json' },
  { ...SDK, name: 'MCP Inspector', ways: ['dcr'], id: 'as Client ID', kind: 'page' },
  { ...SDK, name: 'mcp-remote', ways: ['dcr'], id: 'with --static-oauth-client-info' },
  { ...SDK, name: 'SDK, TypeScript', ways: ['cimd', 'dcr'], id: 'by its provider' },
  {
    name: 'SDK, Python',
    ways: ['cimd', 'dcr'],
    id: 'by its storage',
    isTrusting: true,
    shows: { id: 'Registration failed: 404 …' },
  },
  { name: 'worker with credentials', ways: [], kind: 'worker', id: 'of its own' },
]

type Verdict = readonly [
  result: 'works' | 'needs a client id' | 'fails' | 'not known',
  /** How a client gets its client id, or what stops it. */
  because: string,
  cause?: Cause,
]

/** What each known client would do, as seen from outside: no login is tried. */
export function clientVerdicts(facts: McpFacts) {
  return CLIENTS.map(({ name, ...client }) => {
    const [result, because, cause] = verdictOn(facts, client)
    const shows = cause ? (client.shows?.[cause] ?? 'not known') : null
    return { client: name, result, because, shows }
  })
}

/** The first thing that stops a client, or how it gets its client id. */
const verdictOn = (
  facts: McpFacts,
  { kind, isExact, isTrusting, ways: own, id }: Omit<Client, 'name'>,
): Verdict => {
  const { url, isLocal, challenge, as, issuer = '', fit, grants, pkce, ways } = facts
  if (kind === 'remote' && (isLocal || url.protocol !== 'https:')) {
    return ['fails', 'it calls from the internet, and this is not a public https address', 'https']
  }
  if (challenge.status !== 401 || !as || issuerDifference(as, issuer) !== undefined) {
    return ['fails', 'it finds no authorization server', 'server']
  }
  if (fit === 'other' || (isExact && fit === 'within')) {
    return ['fails', 'the metadata is of another resource', 'resource']
  }
  if (kind === 'worker') {
    if (!grants) return ['not known', 'the metadata lists no grants']
    const isThere = grants.includes('client_credentials')
    return isThere
      ? ['works', 'with credentials']
      : ['fails', 'no client_credentials grant', 'login']
  }
  if (!facts.hasLogin) return ['fails', 'no authorization code grant', 'login']
  if (pkce?.includes('S256') === false)
    return ['fails', 'the metadata lists other methods of PKCE, not S256', 's256']
  if (!pkce && !isTrusting) return ['not known', 'MCP says to refuse: S256 is not listed']
  if (kind === 'page' && facts.hidden.length > 0) {
    return ['fails', 'its page cannot read the answers; through its proxy it can', 'page']
  }
  const hasDocument = own.includes('cimd') || (own.includes('cimd with none') && ways.none)
  if (ways.cimd && hasDocument) return ['works', 'by its client ID metadata document']
  return ways.dcr ? ['works', 'by registering'] : ['needs a client id', id, 'id']
}
