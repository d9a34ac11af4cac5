import { createReadStream } from 'node:fs'
import { utf8Decode } from '../../core/bytes.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { isLoopback } from '../../core/url.ts'
import { quote } from '../../policy/issues.ts'
import { fileReason } from '../cli/files.ts'
import { networkReason } from '../cli/gate-client.ts'

/** An OpenAPI document. */
export interface OpenApiDocument {
  readonly root: JsonObject
  /** Where it was fetched from, after redirects: relative servers begin there. */
  readonly url?: string
}

/** Bytes of a document. YAML takes about ten times as long to read. */
const MOST_BYTES = 32 * 1024 * 1024
const MOST_YAML_BYTES = 10 * 1024 * 1024
/** Levels of a document, and aliases of YAML in it. */
const MOST_DEPTH = 500
const MOST_ALIASES = 1_000
/** References one after the other. */
const MOST_REFERENCES = 100
/** Milliseconds for a document from the network, with its redirects. */
const TIMEOUT_MS = 30_000
const MOST_REDIRECTS = 5

/**
 * Reads an OpenAPI document, JSON or YAML, from a file or an https URL. Checks that its version is 3.0 or 3.1, and
 * nothing else of it. Fetches nothing that it refers to. The reason of a failure is a sentence for people.
 */
export async function readDocument(source: string): Promise<Result<OpenApiDocument, string>> {
  try {
    const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(source)
    const { bytes, url } = isUrl
      ? await fetched(source)
      : { bytes: await bytesOf(createReadStream(source), fileReason), url: undefined }
    const text = utf8Decode(bytes)?.replace(/^\ufeff/, '')
    if (text === undefined) throw new SyntaxError('it is not UTF-8')
    const root = /^\s*[{[]/.test(text) ? jsonOf(text) : await yamlOf(text)
    // In YAML a version without quotes is a number.
    return isObject(root) && /^3(?:\.[01](?:\.\d.*)?)?$/.test(textOf(own(root, 'openapi')))
      ? ok({ root, ...(url !== undefined && { url }) })
      : fail(`${source} is no OpenAPI 3.0 or 3.1; convert other versions, such as Swagger 2.0`)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return fail(`Cannot read ${source}: ${error.message}`)
  }
}

/** A value of a document inside a sentence. An object may have a `toString` of its own, which is no function. */
export function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const bytesOf = async (
  chunks: AsyncIterable<Uint8Array>,
  reasonOf: (error: unknown) => string,
): Promise<Uint8Array> => {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of chunks) {
      size += chunk.byteLength
      if (size > MOST_BYTES) break
      parts.push(chunk)
    }
  } catch (error) {
    throw new SyntaxError(reasonOf(error))
  }
  if (size > MOST_BYTES) throw new SyntaxError(`it is larger than ${megabytes(MOST_BYTES)}`)
  return Buffer.concat(parts)
}

const megabytes = (bytes: number): string => `${bytes / 1024 / 1024} MB`

/** Rules are made of what comes, so also a redirect may lead to plain http only on this machine. */
const fetched = async (source: string) => {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const reasonOf = (error: unknown) => networkReason(error, TIMEOUT_MS)
  let url = source
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    if (!isTrusted(url)) throw new SyntaxError(`${url} is no https URL`)
    const response = await fetch(url, { signal, redirect: 'manual' }).catch((error: unknown) => {
      throw new SyntaxError(reasonOf(error))
    })
    if (response.ok) {
      return { bytes: await bytesOf(response.body ?? new Blob([]).stream(), reasonOf), url }
    }
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (location === null) throw new SyntaxError(`the server answered ${response.status}`)
    url = URL.canParse(location, url) ? new URL(location, url).href : location
  }
  throw new SyntaxError(`there are more than ${MOST_REDIRECTS} redirects`)
}

const isTrusted = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  return (
    (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))) &&
    username + password === ''
  )
}

const jsonOf = (text: string): unknown => {
  // Its message says where.
  JSON.parse(text)
  const value = parseJson(text, MOST_DEPTH)
  if (value === undefined) throw new SyntaxError('it is too deep, or has a name twice in an object')
  return value
}

const yamlOf = async (text: string): Promise<unknown> => {
  if (text.length > MOST_YAML_BYTES) {
    throw new SyntaxError(
      `as YAML it is larger than ${megabytes(MOST_YAML_BYTES)}; convert it to JSON`,
    )
  }
  const { parseDocument, visit, YAMLParseError } = await import('yaml')
  let aliases = 0
  let isDouble = false
  try {
    // That keys are unique is checked below: the library would compare each with all others.
    const document = parseDocument(text, { uniqueKeys: false, merge: true })
    for (const error of document.errors) throw error
    visit(document, {
      Alias: () => (++aliases > MOST_ALIASES ? visit.BREAK : undefined),
      Map(_, { items }) {
        isDouble ||= new Set(items.map(({ key }) => String(key))).size < items.length
      },
    })
    if (!isDouble && aliases <= MOST_ALIASES) return document.toJS({ maxAliasCount: MOST_ALIASES })
  } catch (error) {
    if (error instanceof YAMLParseError) throw new SyntaxError(error.message.split('\n', 1)[0])
  }
  throw new SyntaxError(
    isDouble ? 'it has a name twice in a map' : 'its YAML is too deep, or has too many aliases',
  )
}

/**
 * An object of a document, its `$ref` followed; members beside a `$ref` stay. Throws a SyntaxError, whose message is the
 * end of a sentence, where it leads to no object of the same document.
 */
export function followed(root: JsonObject, value: unknown): JsonObject {
  const seen = new Set<unknown>()
  let [next, members]: [unknown, JsonObject] = [value, {}]
  for (;;) {
    if (!isObject(next)) throw new SyntaxError('has no object where one must be')
    const { $ref: reference, ...more } = next
    members = { ...more, ...members }
    if (reference === undefined) return members
    const isLocal =
      typeof reference === 'string' &&
      reference.startsWith('#') &&
      !seen.has(next) &&
      seen.size < MOST_REFERENCES
    seen.add(next)
    next = isLocal ? valueAt(root, reference) : undefined
    if (next === undefined) {
      throw new SyntaxError(
        `refers to ${quote(textOf(reference))}, which is not in the document or leads to itself`,
      )
    }
  }
}

const valueAt = (root: JsonObject, reference: string): unknown =>
  reference
    .split('/')
    .slice(1)
    .map((name) =>
      name.replace(/%7b/gi, '{').replace(/%7d/gi, '}').replace(/~1/g, '/').replace(/~0/g, '~'),
    )
    .reduce<unknown>((value, name) => (isObject(value) ? own(value, name) : undefined), root)
