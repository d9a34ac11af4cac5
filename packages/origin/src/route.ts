import { createTextMemo } from '../../../src/gate/base/memo.ts'
import { canonicalPath } from '../../../src/gate/base/url.ts'

/** Whether a request matches an assertion's `route`. */
type RouteTest = (method: string, path: string) => boolean

const NOTHING: RouteTest = () => false

/** A parameter: a non-empty value before a literal suffix. */
const PARAM = /^\{(\+?)[A-Za-z_][A-Za-z0-9_]*\}((?:[:.][^{}]*)?)$/
const METHOD = /^[A-Z]+$/
/** An escaped slash; only `{+name}` may match it. */
const SLASH = /%2F/i

/**
 * Whether method and percent-encoded path match `METHODS path`. `{name}` matches a segment or its
 * part before a literal, without an escaped slash unless written `{+name}`. A last `*` matches one
 * or more segments; a literal `*` is written `%2A`. Paths that are not canonical never match, and
 * malformed routes match nothing.
 */
export function isUnderRoute(route: string, method: string, path: string): boolean {
  return (tests.get(route) ?? tests.keep(route, testOf(route)))(method, path)
}

/** A gate has few routes, each in many requests. */
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
