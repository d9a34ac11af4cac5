import { boolean, integer, maxValue, minValue, number, picklist, pipe, string } from 'valibot'
import { durationMs, longestLike } from '../../base/duration.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { foldedName, isFieldName, isIdentityText } from '../../base/text.ts'
import { canonicalPath, hostOf, isLoopback, isPlainHost, splitUrl } from '../../base/url.ts'
import { type ClaimPath, claimPath } from '../../model/claims.ts'
import type { Gate } from '../../model/policy.ts'
import { quote, quoteAll, unknownName } from './issues.ts'
import { parseMatch } from './router.ts'
import { anyOf, checked, type Field, field, list, readField } from './table.ts'

/** A field for text, with its own reading. */
export function text<Value>(
  read: (value: string) => Result<Value, string>,
  otherwise: (value: unknown) => string = () => NO_TEXT,
): Field<Value, string> {
  return pipe(
    string(({ input }) => otherwise(input)),
    checked(read),
  )
}

const NO_TEXT = 'must be a string'

export const flag = boolean('must be true or false')

/** One of a few words. */
export function word<const Word extends string>(words: readonly Word[]): Field<Word, Word> {
  return picklist(words, ({ input }) =>
    typeof input === 'string'
      ? unknownName('value', input, words)
      : `must be one of ${quoteAll(words)}`,
  )
}

/** A whole number, bounds inclusive. */
export function whole(least: number, most: number, what = 'whole number'): Field<number, number> {
  const message = `must be a ${what} from ${least} to ${most}`
  return pipe(number(message), integer(message), minValue(least, message), maxValue(most, message))
}

/** Text that can name someone or something: not empty, no control characters. */
export const nameText = text((value) =>
  isIdentityText(value) ? ok(value) : fail('must be non-empty text without control characters'),
)

export const nameList = list(nameText)

/** Milliseconds of the longest duration: what a timer can wait for. */
const LONGEST = 2_147_483_647

interface Span {
  readonly least?: number
  readonly most?: number
}

/** Milliseconds of a duration, within bounds (milliseconds, inclusive). */
const readDuration = (
  value: string,
  { least = 1, most = LONGEST }: Span,
): Result<number, string> => {
  const duration = durationMs(value)
  if (duration === undefined) {
    return fail('must be a number and a unit (ms, s, m, h, d), like `10s`')
  }
  if (!(duration >= least)) {
    return fail(least > 1 ? `must be at least ${least / 1000}s` : 'must be longer than nothing')
  }
  return duration <= most ? ok(duration) : fail(`must be at most ${longestLike(value, most)}`)
}

/** Many programs read a number as seconds, and some as milliseconds, so the unit is required. */
const noDuration = (value: unknown): string =>
  typeof value === 'number'
    ? `is a number without a unit: write "${value}s" if seconds are meant, or m, h, d`
    : 'must be a string: a number and a unit (ms, s, m, h, d), like "10s"'

/** A duration in milliseconds; the bounds too, inclusive. */
export function milliseconds(span: Span = {}) {
  return text((value) => readDuration(value, span), noDuration)
}

/** A duration in whole seconds; bounds in seconds, inclusive. */
export function seconds({ least = 1, most = Math.floor(LONGEST / 1000) }: Span = {}) {
  return text((value) => {
    const duration = readDuration(value, { least: least * 1000, most: most * 1000 })
    if (!duration.ok) return duration
    return duration.value % 1000 === 0 ? ok(duration.value / 1000) : fail('must be whole seconds')
  }, noDuration)
}

/** The name of one header (RFC 9110 §5.1), lower-case. */
export function readHeaderName(value: string): Result<string, string> {
  if (value.includes('*')) return fail(`${quote(value)}: write each name whole, without *`)
  return isHeaderName(value)
    ? ok(value.toLowerCase())
    : fail(`${quote(value)} is not a header name (RFC 9110 §5.1)`)
}

export const headerName = text(readHeaderName)

/** Whether a policy can name a header like this: not with `*`, which would look like a wildcard. */
export function isHeaderName(value: string): boolean {
  return isFieldName(value) && !value.includes('*')
}

const CREDENTIAL_HEADERS = [
  'authorization',
  'proxy-authorization',
  'dpop',
  'cookie',
  'sec-websocket-protocol',
]

/** Whether a header contains a credential, in any spelling; its value is for no log and no origin. */
export function isCredentialHeader(name: string): boolean {
  return CREDENTIAL_HEADERS.includes(foldedName(name))
}

/** Without characters that parsers read as syntax, remove, or take as the end of a name. */
const PARAMETER = /^(?=.*[\p{L}\p{N}])[^\p{C}\p{Z}[\];&=+%#]{1,128}$/u

/** The name of a query parameter that all parsers read alike. Refuses names of parameters that contain a credential. */
export function readParameterName(value: string): Result<string, string> {
  if (value.toLowerCase() === 'access_token') {
    return fail('`access_token` in a query is refused as a credential (RFC 6750 §2.3)')
  }
  return PARAMETER.test(value)
    ? ok(value)
    : fail(
        `${quote(value)} is not a name of a query parameter that all parsers read alike: at most 128 characters, at least one letter or digit, without spaces and [ ] ; & = + % #`,
      )
}

/** A host as rules compare it: lower-case, without port. */
export const hostName = text((value) =>
  isPlainHost(value) && hostOf(value) === value
    ? ok(value)
    : fail('must be one plain host name, lower-case, without scheme, port or path'),
)

/** A path of literal segments in its canonical spelling, not ending in `/`. */
export const literalPath = text((value) => {
  const match = parseMatch(`GET ${value}`)
  if (!match.ok) return fail(`must be a path of literal segments: ${match.reason}`)
  if (match.value.params.length > 0 || /[*%]/.test(value)) {
    return fail('must be literal: no {parameter}, no *, no percent-encoding')
  }
  return value.endsWith('/') ? fail('must have a segment, and not end in /') : ok(value)
})

/** What a configured URL may be. */
interface UrlRule {
  /** `loopback`: http for a host only this machine can reach. */
  readonly http: 'loopback' | 'any'
  readonly query?: boolean
}

/** An absolute URL as text: no credentials, no fragment, path without dot segments. */
export function readUrl(value: string, { http, query = false }: UrlRule): Result<URL, string> {
  const parts = splitUrl(value)
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (!parts || !url || url.username !== '' || url.hash !== '' || !isWritten(value)) {
    return fail(
      'must be an absolute URL, like `https://host/path`, without credentials, fragment or spaces',
    )
  }
  if (parts.query !== '' && !query) return fail('must be a URL without a query')
  if (parts.host !== url.hostname)
    return fail(`must be a URL whose host is written ${quote(url.hostname)}`)
  if (parts.path !== url.pathname) return fail('must be a URL whose path has no dot segments')
  if (parts.scheme === 'https') return ok(url)
  if (parts.scheme !== 'http') return fail('must be an https URL')
  return http === 'any' || isLoopback(url.hostname)
    ? ok(url)
    : fail('must be an https URL; http is only for a loopback host')
}

const isWritten = (value: string): boolean => /^[\x21-\x7e]+$/.test(value) && !value.endsWith('?')

/** A URL with the text that it was written as. */
export interface WrittenUrl {
  readonly text: string
  readonly url: URL
}

/** A field that reads a URL and keeps the text it was written as. */
export function urlField(rule: UrlRule) {
  return text<WrittenUrl>((value) => {
    const url = readUrl(value, rule)
    return url.ok ? ok({ text: value, url: url.value }) : url
  })
}

/** An identifier of a protected resource (RFC 8707 §2): its path is one that requests can have. */
export const resourceField = text<WrittenUrl>((value) => {
  const url = readUrl(value, { http: 'loopback' })
  if (!url.ok) return url
  const { pathname } = url.value
  return parseMatch(`GET ${pathname}`).ok && !pathname.includes('*')
    ? ok({ text: value, url: url.value })
    : fail('must be a URL whose path a request can have, in canonical form, without *')
})

export const bindingName = text((value) =>
  isBindingName(value) ? ok(value) : fail('must be the name of a binding'),
)

const isBindingName = (value: string): boolean => /^[A-Za-z_$][\w$]*$/.test(value)

export type Origin =
  | { readonly kind: 'url'; readonly url: URL; readonly text: string }
  | { readonly kind: 'service'; readonly name: string; readonly text: string }

export const originField = text<Origin>((value) => {
  if (value.startsWith('service:')) {
    const name = value.slice('service:'.length)
    return isBindingName(name)
      ? ok({ kind: 'service', name, text: value })
      : fail('must be `service:` and the name of a service binding')
  }
  const url = readUrl(value, { http: 'any' })
  if (!url.ok) return fail(`${url.reason}; or \`service:NAME\` for a service binding`)
  const path = canonicalPath(url.value.pathname)
  return path.ok && path.value === url.value.pathname
    ? ok({ kind: 'url', url: url.value, text: value })
    : fail('must be a URL whose path is in canonical form')
})

/** A {@link readClaimPath claim path} that decides: {@link readDecidingPath}. */
export const claimPathField = text<ClaimPath>((value) => readDecidingPath(value))

/** A claim path: JSON Pointer, namespaced name, or names with dots between. */
export function readClaimPath(value: string): Result<ClaimPath, string> {
  if (value.startsWith('/') && /~(?![01])/.test(value)) {
    return fail('must be a JSON Pointer, in which ~ is written ~0 (RFC 6901 §3)')
  }
  const path = claimPath(value)
  return value !== '' && path.every((name) => name !== '')
    ? ok(Object.freeze(path))
    : fail('must be a claim path without empty names, like `agent.id`, `/agent/id` or a URL')
}

/** A claim path whose claim decides something, so not one of an inner actor. */
export function readDecidingPath(value: string): Result<ClaimPath, string> {
  const path = readClaimPath(value)
  return path.ok && path.value[0] === 'act' && path.value[1] === 'act'
    ? fail('leads to an inner actor, which is history and decides nothing (RFC 8693 §4.1)')
    : path
}

/** One claim path, or a list of claim paths: the first claim that is present counts. */
export const claimPaths = field(
  (value, report) => {
    if (typeof value !== 'string') return readField(list(claimPathField), value, report) ?? []
    const path = readField(claimPathField, value, report)
    return path ? [path] : []
  },
  anyOf(claimPathField, list(claimPathField)),
)

/** Whether rules are enforced, or only judged; also a key of a rule. */
export const modeField = word(['enforce', 'shadow'])

/** Whether tokens must be bound to a key; a key of issuers and of rules. */
export const possessionField = word(['if-bound', 'required'])

/** The id of a revocation. */
export const revocationId = text((value) =>
  /^[A-Za-z0-9_-]{1,64}$/.test(value)
    ? ok(value)
    : fail('must be the id of a revocation, as its creation answered it'),
)

/** Which agents are accepted, by the registry of agents. */
export const agentsField = word(['any', 'approved'])

/** Where the address of a caller is taken from. */
export const clientIp = text<Gate['clientIp']>((value) => {
  if (value === 'connection' || value === 'none') return ok({ from: value })
  if (isCredentialHeader(value))
    return fail(`${quote(value)} contains a credential, not an address`)
  return isHeaderName(value)
    ? ok({ from: 'header', name: value.toLowerCase() })
    : fail('must be a header name, `connection` or `none`')
})
