import { LIMITS } from '../../gate/base/limits.ts'
import type { Result } from '../../gate/base/result.ts'
import {
  type DocumentFault,
  type DocumentRules,
  type Fetched,
  fetchDocument,
} from '../../gate/keys/document.ts'
import { type Discovered, type DiscoveryFault, discover } from '../../gate/keys/published.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import { type Fetch, system } from '../../gate/platform/system.ts'
import { networkReason } from '../base/gate-client.ts'

/** The recorded headers of answers. */
const HEADERS = [
  'access-control-allow-origin',
  'age',
  'cache-control',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'location',
] as const

/** A request and its answer; a redirect makes another. Times are milliseconds since 1970. */
export interface Exchange {
  readonly url: string
  readonly sentAt: number
  /** The time of the answer's headers, or of the failure. */
  readonly endedAt: number
  readonly status?: number
  /** The sent headers of {@link HEADERS}. Untrusted. */
  readonly headers: Readonly<Partial<Record<(typeof HEADERS)[number], string>>>
  /** The reason for a missing answer, as the end of a sentence. */
  readonly failure?: string
}

/** A requested document, as the gate would read it. */
export interface Asked extends Pick<DocumentRules, 'allowInsecureHttp'> {
  readonly url: string
  readonly exchanges: readonly Exchange[]
  readonly fetched: Result<Fetched, DocumentFault>
}

/** All results from the network. */
export interface Gathered {
  /** In request order; the gate stops at the first usable one. */
  readonly metadata: readonly Asked[]
  /** Absent if the entry has the keys or their address. */
  readonly discovered?: Result<Discovered, DiscoveryFault>
  /** Absent if the entry has the keys, or their address is unknown. */
  readonly keySet?: Asked
}

/**
 * Fetches an issuer's documents with the gate's code, and records the answers. At most three
 * documents of {@link LIMITS.fetchMs} each, in sequence. Evaluates nothing. Never rejects.
 */
export async function gather(issuer: Issuer): Promise<Gathered> {
  const { keys } = issuer
  if (keys.kind === 'inline') return { metadata: [] }
  if (keys.kind === 'uri') return { metadata: [], keySet: await ask(issuer, keys.uri) }
  const metadata: Asked[] = []
  const discovered = await discover(issuer.issuer, async (url) => {
    const asked = await ask(issuer, url)
    metadata.push(asked)
    return asked.fetched
  })
  if (!discovered.ok) return { metadata, discovered }
  return { metadata, discovered, keySet: await ask(issuer, discovered.value.uri) }
}

const ask = ({ allowInsecureHttp, keys }: Issuer, url: string): Promise<Asked> =>
  askDocument(url, { allowInsecureHttp, ...(keys.kind === 'discovery' && { never: keys.never }) })

/** Fetches a document by the gate's rules and records the answers. Never rejects. */
export async function askDocument(
  url: string,
  rules: Omit<DocumentRules, 'fetch'>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Asked> {
  const exchanges: Exchange[] = []
  const fetched = await fetchDocument(url, { ...rules, fetch: recording(exchanges, headers) })
  return { url, allowInsecureHttp: rules.allowInsecureHttp, exchanges, fetched }
}

const recording =
  (exchanges: Exchange[], more: Readonly<Record<string, string>>): Fetch =>
  async (url, init) => {
    const sentAt = Date.now()
    try {
      const response = await system.fetch(url, { ...init, headers: { ...init.headers, ...more } })
      const { status, headers } = response
      const sent = HEADERS.flatMap((name) => {
        const value = headers.get(name)
        return value === null ? [] : [[name, value] as const]
      })
      const endedAt = Date.now()
      exchanges.push({ url, sentAt, endedAt, status, headers: Object.fromEntries(sent) })
      return response
    } catch (error) {
      const failure = networkReason(error, LIMITS.fetchMs)
      exchanges.push({ url, sentAt, endedAt: Date.now(), headers: {}, failure })
      throw error
    }
  }
