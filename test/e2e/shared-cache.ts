import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { request } from '../kit/request.ts'

/** A shared cache in front of a loopback port; it keeps whatever it may. */
export interface SharedCache {
  readonly url: string
  readonly port: number
  clear(): void
  close(): Promise<void>
}

/** Fields that go before `Cache-Control` at caches of their own (RFC 9213, and those before it). */
export const TARGETED = [
  'CDN-Cache-Control',
  'Cloudflare-CDN-Cache-Control',
  'Vendor-Cache-Control',
  'Surrogate-Control',
  'Edge-Control',
  'X-Accel-Expires',
] as const

interface Stored {
  readonly headers: Headers
  readonly body: Buffer
  /** Of the request, what `Vary` names. */
  readonly selected: readonly (readonly [name: string, value: string | undefined])[]
  /** Milliseconds since the epoch. */
  readonly freshUntil: number
}

type Directives = ReadonlyMap<string, string>

/**
 * Starts a cache by RFC 9111 that is as eager as it lets it be: it reads every targeted field, makes
 * up a freshness where none is said, answers HEAD and conditional requests from what it has, and
 * validates what is stale. `X-Cache` says how it came to an answer.
 */
export async function startSharedCache(upstream: number): Promise<SharedCache> {
  const kept = new Map<string, Stored[]>()
  const server = createServer(async (req, res) => {
    try {
      await serve(req, res)
    } catch {
      res.destroy()
    }
  })

  const serve = async (req: IncomingMessage, res: ServerResponse) => {
    const { method = '', url = '', headers } = req
    const body = Buffer.concat(await req.toArray())
    const key = `${headers.host} ${url}`
    const wants = directivesOf(headers['cache-control'] ?? headers.pragma)
    const isRead = method === 'GET' || method === 'HEAD'
    const stored = isRead ? kept.get(key)?.find((one) => isSelected(one, req)) : undefined
    if (stored && isFresh(stored) && !wants.has('no-cache')) return answer(req, res, stored, 'hit')
    if (wants.has('only-if-cached')) return res.writeHead(504).end()
    const { connection: _, ...sent } = headers as Record<string, string>
    const etag = stored?.headers.get('etag')
    const isOwn = etag && headers['if-none-match'] === undefined
    const init = { method, headers: { ...sent, ...(isOwn && { 'if-none-match': etag }) } }
    const got = await request(upstream, url, body.length > 0 ? { ...init, body } : init)
    const bytes = Buffer.from(await got.arrayBuffer())
    if (stored && isOwn && got.status === 304) return answer(req, res, stored, 'validated')
    const freshUntil = isRead && method === 'GET' ? freshness(req, got, wants) : undefined
    if (freshUntil !== undefined) {
      const names = (got.headers.get('vary') ?? '').toLowerCase().split(/[\s,]+/)
      const selected = names.filter(Boolean).map((name) => [name, headerOf(req, name)] as const)
      const next = { headers: got.headers, body: bytes, selected, freshUntil }
      kept.set(key, [next, ...(kept.get(key) ?? []).filter((one) => !isSelected(one, req))])
    }
    return res.writeHead(got.status, written(got.headers, 'miss')).end(bytes)
  }

  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    clear: () => kept.clear(),
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

const answer = (
  req: IncomingMessage,
  res: ServerResponse,
  { headers, body }: Stored,
  how: string,
) => {
  const etag = headers.get('etag')
  const isSame = etag !== null && req.headers['if-none-match'] === etag
  res.writeHead(isSame ? 304 : 200, written(headers, how))
  return res.end(isSame || req.method === 'HEAD' ? undefined : body)
}

const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding']

const written = (headers: Headers, how: string) => ({
  ...Object.fromEntries([...headers].filter(([name]) => !HOP_BY_HOP.includes(name))),
  'x-cache': how,
})

const directivesOf = (text = ''): Directives =>
  new Map(
    text.split(',').map((one) => {
      const [name = '', value = ''] = one.trim().toLowerCase().split('=')
      return [name, value]
    }),
  )

const headerOf = (req: IncomingMessage, name: string) => req.headers[name]?.toString()

/** RFC 9111 §4.1. */
const isSelected = ({ selected }: Stored, req: IncomingMessage): boolean =>
  selected.every(([name, value]) => name !== '*' && headerOf(req, name) === value)

const isFresh = ({ freshUntil }: Stored): boolean => Date.now() < freshUntil

/** Seconds that are made up where nothing is said (RFC 9111 §4.2.2). */
const HEURISTIC = 600

/** Until when an answer is fresh; `undefined` for one that may not be stored (RFC 9111 §3). */
const freshness = (req: IncomingMessage, got: Response, wants: Directives): number | undefined => {
  const target = TARGETED.find((name) => got.headers.has(name))
  const said = got.headers.get(target ?? 'cache-control') ?? ''
  const told = directivesOf(/^\d+$/.test(said) ? `public, max-age=${said}` : said)
  if (got.status !== 200 || wants.has('no-store')) return undefined
  // With a value it is about fields (RFC 9111 §5.2.2.7).
  if (told.has('no-store') || told.get('private') === '') return undefined
  const isPublic = ['public', 's-maxage', 'must-revalidate'].some((name) => told.has(name))
  if (req.headers.authorization !== undefined && !isPublic) return undefined
  if (told.has('no-cache')) return 0
  const expires = Date.parse(got.headers.get('expires') ?? '')
  const seconds = told.get('s-maxage') ?? told.get('max-age')
  if (seconds !== undefined) return Date.now() + Number(seconds) * 1000
  return Number.isNaN(expires) ? Date.now() + HEURISTIC * 1000 : expires
}
