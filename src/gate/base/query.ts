import { LIMITS } from './limits.ts'
import { caseless, foldedName } from './text.ts'
import { percentDecode } from './url.ts'

/** A parameter of a query: its name and value, decoded. */
type Parameter = readonly [name: string, value: string]

/** Visible ASCII without `;` and a second `?`: some servers split at `;`, or restart the query at `?`. */
const PLAIN_QUERY = /^\??[!-:<->@-~]*$/
/** `]=` inside a value, where some parsers end the name. It begins with the parameter, to take linear time. */
const NAME_IN_VALUE = /(?:^|&)[^&=]*=[^&]*?(?:\]|%5d)=/i
const CONTROL = /\p{Cc}/u
/** Names that parsers read differently: with a control character or a second escape, or with `[` first. */
const ODD_NAME = /\p{Cc}|%[0-9a-f]{2}|^\[/iu

/** Decodes percent and `+` escapes; `undefined` where they are not UTF-8. */
const decoded = (text: string): string | undefined => percentDecode(text.replaceAll('+', ' '))

/** The query that was read last, since each request reads its query several times. */
let last: { readonly query: string; readonly parameters: readonly Parameter[] } | undefined

/** The parameters in order, separated by `&` or `;`. */
const parametersOf = (query: string): readonly Parameter[] => {
  if (last?.query !== query) last = { query, parameters: readParameters(query, /[&;]/) }
  return last.parameters
}

/**
 * The parameters in order. Text that cannot be decoded stays raw.
 * @example readParameters('a=1&b=%20', '&') // [['a', '1'], ['b', ' ']]
 */
export function readParameters(query: string, separator: string | RegExp): readonly Parameter[] {
  return query
    .replace(/^\?/, '')
    .split(separator)
    .flatMap((text) => {
      if (text === '') return []
      const [name = ''] = text.split('=', 1)
      const value = text.slice(name.length + 1)
      return [[decoded(name) ?? name, decoded(value) ?? value]]
    })
}

/**
 * The parameters of a form (application/x-www-form-urlencoded). `undefined` where an escape is malformed, or a name is
 * there twice.
 * @example readForm('a=1&a=2') // undefined
 */
export function readForm(text: string): ReadonlyMap<string, string> | undefined {
  if (decoded(text) === undefined) return undefined
  // A `?` in front would be taken for that of a query.
  const sent = readParameters(`?${text}`, '&')
  const form = new Map(sent)
  return form.size === sent.length ? form : undefined
}

/**
 * All values of a parameter, in order.
 * @example queryValues('id=1&id=2', 'id') // ['1', '2']
 */
export function queryValues(query: string, name: string): readonly string[] {
  return query === ''
    ? []
    : parametersOf(query).flatMap(([one, value]) => (one === name ? [value] : []))
}

/** The letters and digits of a name, without case. */
const lettersOf = (name: string): string => caseless(name).replace(/[^\p{L}\p{N}]+/gu, '')

/**
 * The letters by which some parser reads a sent name: of all of it, or of its first parts, since it may be a member:
 * `run[x]`, `run[][]`, `run.x`. Names that are longer than `most` are left out.
 */
const readingsOfName = (sent: string, most: number): ReadonlySet<string> => {
  const readings = new Set([lettersOf(sent)])
  let read = ''
  for (const part of sent.split(/[[\].]+/)) {
    read += lettersOf(part)
    if (read.length > most) break
    readings.add(read)
  }
  return readings
}

const TOKEN = 'access_token'
const TOKEN_LETTERS = lettersOf(TOKEN)
const isTakenForToken = (sent: string): boolean =>
  readingsOfName(sent, TOKEN_LETTERS.length).has(TOKEN_LETTERS)

/**
 * The first of these parameters that two parsers could read differently: it is sent twice, or by another spelling. If
 * parsers could split the query itself differently, the first parameter of all.
 * @example ambiguousParameter('limit=1&Limit=2', ['limit']) // 'limit'
 */
export function ambiguousParameter(query: string, names: readonly string[]): string | undefined {
  if (query === '' || names.length === 0) return undefined
  const sent = parametersOf(query)
  const isPlain =
    query.split('&').length <= LIMITS.queryParameters &&
    PLAIN_QUERY.test(query) &&
    !NAME_IN_VALUE.test(query) &&
    decoded(query) !== undefined &&
    !sent.some(([name]) => ODD_NAME.test(name))
  if (!isPlain) return names[0]
  const wanted = names.map(lettersOf)
  const most = Math.max(...wanted.map(({ length }) => length))
  // Each name is read once, for all parameters of the rule.
  const read = sent.map(([name]) => readingsOfName(name, most))
  return names.find((name, index) => {
    const letters = wanted[index] ?? ''
    const taken = sent.filter(([one], at) => one === name || read[at]?.has(letters))
    return taken.length > 1 || taken.some(([one, value]) => one !== name || CONTROL.test(value))
  })
}

/**
 * Whether some parser finds an `access_token` (RFC 6750 §2.3). No parser reads `accessToken` as one.
 * @example hasAccessToken('ACCESS_TOKEN=x') // true
 */
export function hasAccessToken(query: string): boolean {
  return (
    query !== '' &&
    /token|%/i.test(query) &&
    parametersOf(query).some(([name]) => isTakenForToken(name) && !/^[a-z0-9]+$/i.test(name))
  )
}

/** Folded names of parameters that override the method at some servers: `_method`, and names of override headers. */
const METHOD_NAME = /^-*(?:-|x-http-|x-)method(?:-override)?-*$/

/**
 * The methods, in upper case, that a query names in place of the request's own.
 * @example methodsNamed('_method=delete') // ['DELETE']
 */
export function methodsNamed(query: string): readonly string[] {
  return query !== '' && /method|%/i.test(query)
    ? parametersOf(query).flatMap(([name, value]) =>
        METHOD_NAME.test(foldedName(name)) && value !== '' ? [value.toUpperCase()] : [],
      )
    : []
}
