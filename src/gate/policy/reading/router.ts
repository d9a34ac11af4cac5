import { createTextMemo } from '../../base/memo.ts'
import { type Parts, whole } from '../../base/parts.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { canonicalPath } from '../../base/url.ts'
import { type Found, METHODS, type Method, type Route, type Router } from '../../model/route.ts'
import { isReserved } from '../../model/well-known.ts'
import { readingsOf, writtenSegments } from './path-readings.ts'
import { foldCase, Index, looseSegments, PARAM, type Segment, segmentsOf } from './route-index.ts'

/** A rule's `match`, in its parts. */
export interface Match {
  readonly methods: readonly Method[]
  readonly path: string
  readonly params: readonly string[]
}

/**
 * Reads `"METHOD path"`: methods separated by commas or `*`, a canonical path whose segments are
 * literals, `{name}`, `{name}:literal` or `{name}.literal`, and whose last may be `*`. The reason
 * of a failure is a sentence for the operator.
 * @example parseMatch('GET /v1/*') // { ok: true, value: { methods: ['GET', 'HEAD'], path: '/v1/*', params: [] } }
 */
export function parseMatch(text: string): Result<Match, string> {
  const [methodText = '', path, ...rest] = text.split(' ')
  if (path === undefined || rest.length > 0) {
    return fail('write "METHOD /path", with one space between')
  }
  const names = methodText.split(',')
  const unknown = names.find(
    (name) => name !== '*' && !(METHODS as readonly string[]).includes(name),
  )
  if (unknown !== undefined) {
    return fail(`"${unknown}" is not a method; write one or more of ${METHODS.join(', ')}, or *`)
  }
  if (names.includes('*') && names.length > 1) return fail('"*" already means every method')
  if (new Set(names).size < names.length) return fail('a method is named twice')
  if (!path.startsWith('/')) return fail('the path must begin with "/"')
  const segments = path.slice(1).split('/')
  const params: string[] = []
  for (const [i, text] of segments.entries()) {
    const last = i === segments.length - 1
    if (text === '*' && last) continue
    if (text.includes('*'))
      return fail('"*" is allowed only as the last segment, where it matches the whole rest')
    const param = PARAM.exec(text)
    if (param?.[1] !== undefined) params.push(param[1])
    else if (/[{}]/.test(text)) {
      return fail(
        `"${text}": a parameter is {name}, alone or before a literal that begins with ":" or "."`,
      )
    } else if (text.startsWith(':'))
      return fail(`"${text}": a parameter is written {${text.slice(1)}}`)
  }
  if (new Set(params).size < params.length) return fail('a parameter is named twice')
  const literal = segments.map((text) => text.replace(PARAM, 'x$2').replace(/^\*$/, 'x')).join('/')
  const canonical = canonicalPath(`/${literal}`)
  if (!canonical.ok) return fail(`no request can have this path (${canonical.reason})`)
  if (canonical.value !== `/${literal}`) return fail(`write the path as ${canonical.value}`)
  if (literal.includes('%2F')) return fail('an escaped slash is allowed only inside a {parameter}')
  const methods: readonly Method[] = names.includes('*')
    ? METHODS
    : METHODS.filter((m) => names.includes(m) || (m === 'HEAD' && names.includes('GET')))
  return ok({ methods, path, params })
}

/** A router, and what is known of its rules before any request. */
interface Compiled extends Router {
  /**
   * Rules that no request can reach, because earlier rules take all of it, also when case, escapes
   * and a trailing slash are ignored (such a request is refused as ambiguous). Rules before `from` are not checked.
   */
  unreachable(
    hosts: ReadonlySet<string>,
    from?: number,
  ): Parts<readonly { readonly index: number; readonly by: number }[]>
}

/** Rules of one part: each takes less time than to read a rule. */
const OF_PART = 10

/** Compiles rules, in file order, into a router. */
export function compileRouter(routes: readonly Route[]): Compiled {
  return whole(routerParts(routes))
}

/** As {@link compileRouter}, in parts. */
export function* routerParts(routes: readonly Route[]): Parts<Compiled> {
  const exact = new Index()
  const loose = new Index()
  const segments: (readonly Segment[])[] = []
  for (const [i, { path }] of routes.entries()) {
    if (i % OF_PART === 0) yield
    const own = segmentsOf(path)
    segments.push(own)
    exact.add(i, own)
    loose.add(i, looseSegments(path))
  }
  /** The first of these rules that serves a method of a host; else the number of rules. */
  const first = (rules: readonly number[], method: Method, host: string) =>
    rules.reduce((least, i) => {
      const rule = routes[i]
      const serves =
        rule?.methods.includes(method) && (rule.host === undefined || rule.host === host)
      return serves && i < least ? i : least
    }, routes.length)
  const find = (method: Method, host: string, path: string): Found => {
    const index = first(exact.find(path), method, host)
    const route = routes[index]
    const rule = segments[index] ?? []
    const plain = foldCase(path)
    const readings =
      route === undefined || route.ambiguousPaths === 'allow'
        ? ok(writtenSegments(plain))
        : readingsOf(plain, rule)
    return {
      match: route && { route, params: paramsOf(rule, path) },
      reserved: route !== undefined && !route.endpoint && isReserved(route, path),
      ...(readings.ok
        ? { ambiguous: first(loose.findAny(readings.value), method, host) < index }
        : { ambiguous: true, fault: readings.reason }),
    }
  }
  const unreachable: Compiled['unreachable'] = function* (hosts, from = 0) {
    const depth = Math.max(0, ...segments.map(({ length }) => length + 1))
    const found: { readonly index: number; readonly by: number }[] = []
    for (const [index, { path, methods, host }] of routes.entries()) {
      if (index < from) continue
      if (index % OF_PART === 0) yield
      const takers = samplesOf(path, depth).flatMap((sample) => {
        const rules = loose.findAny(writtenSegments(sample))
        return methods.flatMap((method) =>
          (host === undefined ? [...hosts] : [host]).map((host) => first(rules, method, host)),
        )
      })
      const by = takers[0]
      if (by !== undefined && takers.every((taker) => taker < index)) found.push({ index, by })
    }
    return found
  }
  return { find: remembering(find), unreachable }
}

/** Most requests are for few addresses, and each lookup of one has the same result. */
const remembering = (find: Router['find']): Router['find'] => {
  const known = createTextMemo<Found>()
  return (method, host, path) => {
    const text = `${method} ${host}${path}`
    const found = known.get(text) ?? known.keep(text, find(method, host, path))
    const { match } = found
    // A copy, so that callers cannot change the remembered value.
    return { ...found, match: match && { ...match, params: new Map(match.params) } }
  }
}

const paramsOf = (rule: readonly Segment[], path: string): ReadonlyMap<string, string> => {
  const params = new Map<string, string>()
  const segments = path.slice(1).split('/')
  for (const [i, segment] of rule.entries()) {
    const text = segments[i] ?? ''
    if ('param' in segment)
      params.set(segment.param, text.slice(0, text.length - segment.suffix.length))
  }
  return params
}

/** A text that cannot be a literal of a rule: it represents any value of a parameter. */
const ANYTHING = '\u0001'

/** Example paths for all that a rule matches; `*` is tried at every depth that rules have. */
const samplesOf = (path: string, depth: number): readonly string[] => {
  const texts = looseSegments(path).map((one) =>
    'param' in one ? ANYTHING + one.suffix : one.literal,
  )
  const sample = `/${texts.join('/')}`
  if (!sample.endsWith('/*')) return [sample]
  const base = sample.slice(0, -1)
  return Array.from({ length: depth + 1 }, (_, n) => base + Array(n).fill(ANYTHING).join('/'))
}
