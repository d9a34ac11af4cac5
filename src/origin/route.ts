import { createTextMemo } from '../core/memo.ts'
import { canonicalPath } from '../core/url.ts'

/** Whether a request falls under an assertion's `route`. */
type RouteTest = (method: string, path: string) => boolean

const NOTHING: RouteTest = () => false

/** A parameter: any non-empty value, before the literal behind it. */
const PARAM = /^\{(\+?)[A-Za-z_][A-Za-z0-9_]*\}((?:[:.][^{}]*)?)$/
const METHOD = /^[A-Z]+$/
/** As the gate writes it; only a `{+name}` may hold one. */
const SLASH = /%2F/i

/**
 * Whether a method and a path, still percent-encoded as it was sent, fall under `METHODS path`: a
 * `{name}` is one segment or what of it stands before a literal, without an escaped slash unless it is
 * written `{+name}`, and a last `*` the rest below; a `*` that means itself is written `%2A`. A path that the
 * gate would not send (dot or empty segments, needless escapes) falls under none, and so does everything under
 * a route that cannot be read.
 */
export function isUnderRoute(route: string, method: string, path: string): boolean {
  return (tests.get(route) ?? tests.keep(route, testOf(route)))(method, path)
}

/** A gate has few routes, and each comes with every request under it. */
const tests = createTextMemo<RouteTest>()

const testOf = (route: string): RouteTest => {
  const [methodText = '', pattern = '', ...more] = route.split(' ')
  const methods = methodText.split(',')
  if (more.length > 0 || !pattern.startsWith('/') || !methods.every((one) => METHOD.test(one))) {
    return NOTHING
  }
  const texts = pattern.slice(1).split('/')
  const hasRest = texts.at(-1) === '*'
  const segments = (hasRest ? texts.slice(0, -1) : texts).map(segmentOf)
  if (segments.includes(undefined)) return NOTHING
  const allowed = new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)
  return (method, path) => {
    if (!allowed.has(method) || !isCanonical(path)) return false
    const given = path.slice(1).split('/')
    const fits = hasRest ? given.length > segments.length : given.length === segments.length
    return fits && segments.every((segment, i) => segment?.(given[i] ?? ''))
  }
}

const isCanonical = (path: string): boolean => {
  const canonical = canonicalPath(path)
  return canonical.ok && canonical.value === path
}

const segmentOf = (text: string): ((given: string) => boolean) | undefined => {
  const [, plus, suffix] = PARAM.exec(text) ?? []
  if (suffix !== undefined) {
    return (given) =>
      given.length > suffix.length && given.endsWith(suffix) && (plus === '+' || !SLASH.test(given))
  }
  return /[{}*]/.test(text) ? undefined : (given) => given.replaceAll('*', '%2A') === text
}
