import {
  isObject,
  type JsonObject,
  jsonText,
  own,
  ownText,
  parseJsonObject,
} from '../../core/json.ts'
import { METADATA_PATH, metadataUrl } from '../../core/model/well-known.ts'
import { cut } from '../../core/text.ts'
import { metadataUrls } from '../../keys/published.ts'
import { networkReason, readBody } from '../cli/gate-client.ts'
import { documentOf } from './facts.ts'
import { type Asked, askDocument } from './gather.ts'

/** The page that browser clients are taken for: the MCP Inspector at its usual port. */
export const PAGE = 'http://localhost:6274'

const TIMEOUT_MS = 10_000
/** The most names of tools, and characters of one. */
const MOST = 200

/** An answer to a message or a registration. Untrusted. */
export interface Answer {
  /** Absent if there was no answer. */
  readonly status?: number
  readonly headers: Headers
  /** The JSON object, or the response in a stream of events; else empty. */
  readonly body: JsonObject
  /** Why there is no answer, as the end of a sentence. */
  readonly failure?: string
}

/** All results from the network. */
export interface McpGathered {
  /** To `initialize` without a token. */
  readonly challenge: Answer
  /** `resource_metadata` and `scope` of the challenge. */
  readonly told: { readonly metadata: string | undefined; readonly scope: string | undefined }
  /** Resource metadata: where the challenge says, and at the well-known places with and without path. */
  readonly metadata: readonly Asked[]
  /** Metadata of the first authorization server, in the order of MCP 2025-11-25, up to a good one. */
  readonly server: readonly Asked[]
  /** What a page may not read, in words. */
  readonly hidden: readonly string[]
  /** With a token: the first page of tools, or the refusal. */
  readonly listing?: { readonly refused?: Answer; readonly tools: readonly string[] }
  /** With `--register`: without a client id it was refused; `isDeleted` by RFC 7592. */
  readonly registration?: {
    readonly answer: Answer
    readonly clientId: string | undefined
    readonly isDeleted: boolean
  }
}

/** What is asked beyond documents: with a token, and a registration. */
export interface Asking {
  readonly token?: string | undefined
  readonly register?: boolean | undefined
}

/**
 * Asks what MCP clients ask, in their order, each within a limit of time and size. Documents may be redirected within
 * their origin, nothing else is. `isLocal` allows http to loopback and private addresses. The token is sent to the URL
 * alone, and only if it asked for one. Never rejects.
 */
export async function gatherMcp(
  url: URL,
  isLocal: boolean,
  { token, register = false }: Asking,
): Promise<McpGathered> {
  const rules = { allowInsecureHttp: isLocal }
  const challenge = await send(url.href, 'POST', INITIALIZE)
  const header = challenge.headers.get('www-authenticate') ?? ''
  const told = {
    metadata: parameter(header, 'resource_metadata'),
    scope: parameter(header, 'scope'),
  }
  if (challenge.failure !== undefined) {
    return { challenge, told, metadata: [], server: [], hidden: [] }
  }
  const metadata: Asked[] = []
  const places = [told.metadata ?? [], metadataUrl(url.href), url.origin + METADATA_PATH].flat()
  for (const place of new Set(places)) metadata.push(await askDocument(place, rules))
  const server: Asked[] = []
  for (const place of serverPlaces(issuerOf(metadata) ?? '')) {
    server.push(await askDocument(place, rules))
    if (documentOf(server.at(-1))) break
  }
  const found = server.at(-1)
  const mayRead = (allowed: string | null | undefined) => allowed === '*' || allowed === PAGE
  const preflight = await send(url.href, 'OPTIONS', undefined, {
    origin: PAGE,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,mcp-protocol-version',
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
  const endpoint = ownText(documentOf(found) ?? {}, 'registration_endpoint') ?? ''
  const isOpen = register && (isLocal || endpoint.startsWith('https:')) && endpoint !== ''
  return {
    ...{ challenge, told, metadata, server, hidden },
    ...(token !== undefined &&
      challenge.status === 401 && { listing: await list(url.href, token) }),
    ...(isOpen && { registration: await registerAt(endpoint, told.scope) }),
  }
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

const REVISION = '2025-11-25'
const CLIENT = { name: 'edgewarden-doctor', version: '1' }
const INITIALIZE = {
  ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
  params: { protocolVersion: REVISION, capabilities: {}, clientInfo: CLIENT },
}

/** The revision of servers that know no `initialize`. */
const STATELESS = '2026-07-28'
const META = 'io.modelcontextprotocol'
const LIST = { jsonrpc: '2.0', id: 2, method: 'tools/list' }

/** Lists tools: in a session, which is ended, or without one where the server knows none. */
const list = async (url: string, token: string): Promise<NonNullable<McpGathered['listing']>> => {
  const authorization = `Bearer ${token}`
  const begun = await send(url, 'POST', INITIALIZE, { authorization })
  const result = resultOf(begun)
  if (!result && /^40[13]$/.test(`${begun.status}`)) return { refused: begun, tools: [] }
  const version = result ? (ownText(result, 'protocolVersion') ?? REVISION) : STATELESS
  const session = begun.headers.get('mcp-session-id')
  const headers = {
    authorization,
    'mcp-protocol-version': version,
    ...(result ? {} : { 'mcp-method': LIST.method }),
    ...(session !== null && { 'mcp-session-id': session }),
  }
  const notified = { jsonrpc: '2.0', method: 'notifications/initialized' }
  if (result) await send(url, 'POST', notified, headers)
  const _meta = {
    [`${META}/protocolVersion`]: version,
    [`${META}/clientInfo`]: CLIENT,
    [`${META}/clientCapabilities`]: {},
  }
  const listed = await send(
    url,
    'POST',
    { ...LIST, ...(!result && { params: { _meta } }) },
    headers,
  )
  if (session !== null) await send(url, 'DELETE', undefined, headers)
  const tools = own(resultOf(listed) ?? {}, 'tools')
  if (!Array.isArray(tools)) return { refused: listed, tools: [] }
  const names = tools.flatMap((tool) => (isObject(tool) ? (ownText(tool, 'name') ?? []) : []))
  return { tools: names.slice(0, MOST).map((name) => cut(name, MOST)) }
}

const resultOf = ({ body }: Answer): JsonObject | undefined => {
  const result = own(body, 'result')
  return isObject(result) ? result : undefined
}

/** Registers a public client as MCP clients do (RFC 7591), and deletes it where the server lets it. */
const registerAt = async (endpoint: string, scope: string | undefined) => {
  const answer = await send(endpoint, 'POST', {
    client_name: CLIENT.name,
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    ...(scope !== undefined && { scope }),
  })
  const place = ownText(answer.body, 'registration_client_uri') ?? ''
  const token = ownText(answer.body, 'registration_access_token') ?? ''
  const isTheirs = URL.canParse(place) && new URL(place).origin === new URL(endpoint).origin
  const authorization = `Bearer ${token}`
  const gone = isTheirs ? await send(place, 'DELETE', undefined, { authorization }) : undefined
  const clientId = ownText(answer.body, 'client_id')
  return { answer, clientId, isDeleted: gone?.status === 204 }
}

const send = async (
  url: string,
  method: string,
  sending?: JsonObject,
  more: Readonly<Record<string, string>> = {},
): Promise<Answer> => {
  const accept = 'application/json, text/event-stream'
  const headers = { accept, ...(sending && { 'content-type': 'application/json' }), ...more }
  const sent = sending ? { body: jsonText(sending) } : {}
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const response = await fetch(url, { method, headers, redirect: 'manual', signal, ...sent })
    const text = await readBody(response)
    // A server may repeat the token, and what it says is printed.
    const secret = more.authorization?.replace('Bearer ', '')
    const body = objectIn(response, secret ? text.replaceAll(secret, '(the token)') : text)
    return { status: response.status, headers: response.headers, body }
  } catch (error) {
    return { headers: new Headers(), body: {}, failure: networkReason(error, TIMEOUT_MS) }
  }
}

/** The object of a JSON answer, or the response in a stream of events, which ends with it. */
const objectIn = (response: Response, text: string): JsonObject => {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    return parseJsonObject(text) ?? {}
  }
  const events = (text.match(/^data:.*$/gm) ?? []).map((line) => parseJsonObject(line.slice(5)))
  return events.find((event) => event && ('result' in event || 'error' in event)) ?? {}
}
