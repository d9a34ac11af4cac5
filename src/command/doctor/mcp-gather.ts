import { own } from '../../gate/base/json.ts'
import { metadataUrls } from '../../gate/keys/published.ts'
import { METADATA_PATH, metadataUrl } from '../../gate/model/well-known.ts'
import { networkReason } from '../base/gate-client.ts'
import { documentOf } from './facts.ts'
import { type Asked, askDocument } from './gather.ts'

/** The page of browser clients: the MCP Inspector at its usual port. */
export const PAGE = 'http://localhost:6274'

const TIMEOUT_MS = 10_000

/** An answer of the server, without its body. Untrusted. */
interface Answer {
  /** Absent if there was no answer. */
  readonly status?: number
  readonly headers: Headers
  /** Why there is no answer, as the end of a sentence. */
  readonly failure?: string
}

/** All results from the network. */
export interface McpGathered {
  /** The answer to `initialize` without a token, with `resource_metadata` and `scope` of its challenge. */
  readonly challenge: Answer & {
    readonly metadata: string | undefined
    readonly scope: string | undefined
  }
  /** Resource metadata: where the challenge says, and at the well-known places with and without path. */
  readonly metadata: readonly Asked[]
  /** Metadata of the first authorization server, in the order of MCP 2025-11-25, up to a good one. */
  readonly server: readonly Asked[]
  /** Answers that a page may not read, in words. */
  readonly hidden: readonly string[]
}

/**
 * Asks what MCP clients ask, in their order, each within a limit of time and size. Follows redirects of documents
 * within their origin, and no other redirects. `isLocal` allows http to loopback and private addresses. Never rejects.
 */
export async function gatherMcp(url: URL, isLocal: boolean): Promise<McpGathered> {
  const rules = { allowInsecureHttp: isLocal }
  const answer = await send(url.href, { method: 'POST', body: INITIALIZE, headers: JSON_TYPE })
  const header = answer.headers.get('www-authenticate') ?? ''
  const challenge = {
    ...answer,
    metadata: parameter(header, 'resource_metadata'),
    scope: parameter(header, 'scope'),
  }
  if (answer.failure !== undefined) return { challenge, metadata: [], server: [], hidden: [] }
  const metadata: Asked[] = []
  const places = [
    challenge.metadata ?? [],
    metadataUrl(url.href),
    url.origin + METADATA_PATH,
  ].flat()
  for (const place of new Set(places)) metadata.push(await askDocument(place, rules))
  const server: Asked[] = []
  for (const place of serverPlaces(issuerOf(metadata) ?? '')) {
    server.push(await askDocument(place, rules))
    if (documentOf(server.at(-1))) break
  }
  const found = server.at(-1)
  const mayRead = (allowed: string | null | undefined) => allowed === '*' || allowed === PAGE
  const preflight = await send(url.href, {
    method: 'OPTIONS',
    headers: {
      origin: PAGE,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,mcp-protocol-version',
    },
  })
  const hidden = mayRead(preflight.headers.get('access-control-allow-origin')) ? [] : ['the server']
  for (const [name, asked] of [
    ['its metadata', metadata.find(documentOf)],
    ['the authorization server', found],
  ] as const) {
    const again = asked && (await askDocument(asked.url, rules, { origin: PAGE }))
    const sent = again?.exchanges.at(-1)?.headers['access-control-allow-origin']
    if (again && !mayRead(sent)) hidden.push(name)
  }
  return { challenge, metadata, server, hidden }
}

/** A parameter of a challenge (RFC 9110 §11.2), read as the official SDKs do. */
const parameter = (header: string, name: string): string | undefined => {
  const [, quoted, plain] = new RegExp(`\\b${name}=(?:"([^"]*)"|([^\\s,]+))`).exec(header) ?? []
  return quoted ?? plain
}

/** The authorization server that clients take: the first that the metadata names. */
export function issuerOf(metadata: readonly Asked[]): string | undefined {
  const servers = own(metadata.map(documentOf).find(Boolean) ?? {}, 'authorization_servers')
  const first: unknown = Array.isArray(servers) ? servers[0] : undefined
  return typeof first === 'string' ? first : undefined
}

/** The places of an authorization server's metadata, in the order of MCP. */
const serverPlaces = (issuer: string): readonly string[] => {
  const [oauth, openid] = metadataUrls(issuer)
  if (oauth === undefined || openid === undefined) return []
  const inserted = oauth.replace('oauth-authorization-server', 'openid-configuration')
  return [...new Set([oauth, inserted, openid])]
}

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'edgewarden-doctor', version: '1' },
  },
})
const JSON_TYPE = {
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
}

const send = async (url: string, init: RequestInit): Promise<Answer> => {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const { body, status, headers } = await fetch(url, { ...init, redirect: 'manual', signal })
    await body?.cancel()
    return { status, headers }
  } catch (error) {
    return { headers: new Headers(), failure: networkReason(error, TIMEOUT_MS) }
  }
}
