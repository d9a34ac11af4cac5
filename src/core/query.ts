import { LIMITS } from './limits.ts'
import { caseless, foldedName } from './text.ts'

/** A parameter of a query: its name and value, decoded. */
type Parameter = readonly [name: string, value: string]

/** Visible ASCII; `;` separates parameters at some servers, and at some a second `?` begins the query anew. */
const PLAIN_QUERY = /^\??[!-:<->@-~]*$/
/** Where some take a name to end, inside of a value. */
const NAME_IN_VALUE = /=[^&]*(?:\]|%5d)=/i
const CONTROL = /\p{Cc}/u
/** Names that end at a control character, are decoded twice, or are a place in a list. */
const ODD_NAME = /\p{Cc}|%[0-9a-f]{2}|^\[/iu

/** `undefined` for an escape that is none, and for bytes that are not UTF-8. */
const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** The parameters in order; `;` separates them too. What cannot be decoded stays as it is. */
const parametersOf = (query: string): readonly Parameter[] =>
  query
    .replace(/^\?/, '')
    .split(/[&;]/)
    .flatMap((text) => {
      if (text === '') return []
      const [name = ''] = text.split('=', 1)
      const value = text.slice(name.length + 1)
      return [[decoded(name) ?? name, decoded(value) ?? value]]
    })

/** Values of a parameter, in order. */
export function queryValues(query: string, name: string): readonly string[] {
  return query === ''
    ? []
    : parametersOf(query).flatMap(([one, value]) => (one === name ? [value] : []))
}

/** What is left of a name where case and everything but letters and digits is ignored. */
const lettersOf = (name: string): string => caseless(name).replace(/[^\p{L}\p{N}]+/gu, '')

/** Whether some parser takes the one name for the other, or for something inside of it: `run[x]`, `[run][]`, `run.x`. */
const isTakenFor = (sent: string, name: string): boolean => {
  const letters = lettersOf(name)
  if (sent === name || lettersOf(sent) === letters) return true
  let read = ''
  for (const part of sent.split(/[[\].]+/)) {
    read += lettersOf(part)
    if (read === letters) return true
    if (read.length > letters.length) return false
  }
  return false
}

/**
 * The first of these parameters that two parsers could read differently: it is there more than once, or
 * under a name that some parser takes for it. Of a query that parsers take apart differently, the first.
 */
export function ambiguousParameter(query: string, names: readonly string[]): string | undefined {
  if (query === '' || names.length === 0) return undefined
  const sent = parametersOf(query)
  const isPlain =
    PLAIN_QUERY.test(query) &&
    !NAME_IN_VALUE.test(query) &&
    decoded(query) !== undefined &&
    query.split('&').length <= LIMITS.queryParameters &&
    !sent.some(([name]) => ODD_NAME.test(name))
  if (!isPlain) return names[0]
  return names.find((name) => {
    const taken = sent.filter(([one]) => isTakenFor(one, name))
    return taken.length > 1 || taken.some(([one, value]) => one !== name || CONTROL.test(value))
  })
}

/** Whether some parser finds an access token (RFC 6750 §2.3). `accessToken` is no `access_token` to any. */
export function hasAccessToken(query: string): boolean {
  return (
    query !== '' &&
    /token|%/i.test(query) &&
    parametersOf(query).some(
      ([name]) => isTakenFor(name, 'access_token') && !/^[a-z0-9]+$/i.test(name),
    )
  )
}

/** Parameters that override the method at some servers, folded: `_method`, and the headers that do. */
const METHOD_NAME = /^-*(?:-|x-http-|x-)method(?:-override)?-*$/

/** Methods that a query asks for in place of the request's own, in upper case. */
export function methodsNamed(query: string): readonly string[] {
  return query !== '' && /method|%/i.test(query)
    ? parametersOf(query).flatMap(([name, value]) =>
        METHOD_NAME.test(foldedName(name)) && value !== '' ? [value.toUpperCase()] : [],
      )
    : []
}
