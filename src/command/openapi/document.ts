import { isObject, type JsonObject, own, parseJson } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { parseUrl } from '../../gate/base/url.ts'
import { quote } from '../../gate/policy/reading/issues.ts'
import { readText } from '../base/files.ts'
import { isSecure, networkReason, readBody } from '../base/gate-client.ts'

/** An OpenAPI document. */
export interface OpenApiDocument {
  readonly root: JsonObject
  /** Where it was fetched from: relative servers begin there. */
  readonly url?: string
}

/** Bytes of a document from the network. */
const MOST_BYTES = 32 * 1024 * 1024
/** Characters of YAML, which takes about ten times as long to read as JSON. */
const MOST_YAML = 10 * 1024 * 1024
/** Levels of a document, and aliases of YAML in it. */
const MOST_DEPTH = 500
const MOST_ALIASES = 1_000
/** References one after the other. */
const MOST_REFERENCES = 100
/** Milliseconds for a document from the network. */
const TIMEOUT_MS = 30_000

/**
 * Reads an OpenAPI document, JSON or YAML, from a file or an https URL. Checks that its version is 3.0 or 3.1, and
 * nothing else of it. Fetches nothing that it refers to. The reason of a failure is a sentence for people.
 */
export async function readDocument(source: string): Promise<Result<OpenApiDocument, string>> {
  const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(source)
  const read = await (isUrl ? fetched(source) : readText(source))
  if (!read.ok) return read
  const text = read.value.replace(/^\ufeff/, '')
  try {
    const root = /^\s*[{[]/.test(text) ? jsonOf(text) : await yamlOf(text)
    // In YAML a version without quotes is a number.
    return isObject(root) && /^3(?:\.[01](?:\.\d.*)?)?$/.test(textOf(own(root, 'openapi')))
      ? ok({ root, ...(isUrl && { url: source }) })
      : fail(
          `${source} is not an OpenAPI document of version 3.0 or 3.1; convert other versions, such as Swagger 2.0`,
        )
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return fail(`Cannot read ${source}: ${error.message}`)
  }
}

/** A value of a document inside a sentence. An object may have a member `toString` that is not a function. */
export function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Rules are made of the document, so it must come by https and from the given address. */
const fetched = async (source: string): Promise<Result<string, string>> => {
  const cannot = (why: string) => fail(`Cannot read ${source}: ${why}`)
  const url = parseUrl(source)
  if (!url || !isSecure(url)) return cannot('it is no https URL')
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const response = await fetch(url, { signal, redirect: 'manual' })
    if (response.ok) return ok(await readBody(response, MOST_BYTES))
    await response.body?.cancel()
    const place = response.headers.get('location')
    return cannot(
      place === null
        ? `the server answered ${response.status}`
        : `the server redirects to ${quote(place)}`,
    )
  } catch (error) {
    return cannot(networkReason(error, TIMEOUT_MS))
  }
}

const jsonOf = (text: string): unknown => {
  // Throws with a message that says where.
  JSON.parse(text)
  const value = parseJson(text, MOST_DEPTH)
  if (value === undefined) throw new SyntaxError('it is too deep, or has a name twice in an object')
  return value
}

const yamlOf = async (text: string): Promise<unknown> => {
  if (text.length > MOST_YAML) {
    throw new SyntaxError('as YAML it is larger than 10 MB; convert it to JSON')
  }
  const { parseDocument, visit, YAMLParseError } = await import('yaml')
  let aliases = 0
  let isDouble = false
  try {
    // The check that keys are unique is below: the library would compare each key with all others.
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
