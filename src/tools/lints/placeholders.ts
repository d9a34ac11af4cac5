import { isObject } from '../../core/json.ts'
import { parseUrl } from '../../core/url.ts'
import { type PolicyIssue, pathText } from '../../policy/issues.ts'
import type { PolicyVars } from '../../policy/vars.ts'
import type { WranglerEnvironment } from '../cli/wrangler-file.ts'

/** Keys whose values name hosts, of one's own or of others. */
const HOST_KEYS: ReadonlySet<string> = new Set([
  'resource',
  'origin',
  'issuer',
  'jwks_uri',
  'host',
  'hosts',
  'audiences',
  'origins',
  'issuers',
  'locations',
])

/** Hosts that stand for one's own in documents (RFC 2606 §2, §3). */
const PLACEHOLDER = /(?:^|[/@.])(?:example\.com|[a-z0-9-]+\.example)\.?(?=$|[:/?#*])/i

/** What stands for one's own in the entries of the documentation, and in those doctor prints. */
const WORD =
  /(?<![\w-])(?:TENANT-ID|(?:API-|APP-)?CLIENT[-_]ID|[a-z]{2}(?:-[a-z]+)+-\d_POOL|your-(?:tenant|org))(?![\w-])/

/** Whether a URL or host still has a name from the documentation. */
export function isPlaceholder(text: string): boolean {
  const host = parseUrl(text)?.host ?? text.split('/', 1)[0] ?? ''
  return PLACEHOLDER.test(host)
}

/** Placeholders in the policy and in the addresses the environment is deployed to. */
export function placeholders(
  { routes }: WranglerEnvironment,
  vars: PolicyVars,
): readonly PolicyIssue[] {
  const rules = Array.isArray(vars.ROUTES) ? vars.ROUTES : []
  const texts = [
    ...textsOf(vars.GATE, 'GATE'),
    ...textsOf(vars.ISSUERS, 'ISSUERS'),
    ...rules.flatMap((rule, i) => textsOf(rule, vars.routePaths?.[i] ?? `ROUTES[${i}]`)),
    ...routes.map(({ path, message }) => ({ path, text: message })),
  ]
  return texts.flatMap(({ path, text }) => {
    const word = WORD.exec(text)?.[0]
    if (word !== undefined) {
      return [{ path, message: `"${text}" has the placeholder ${word}; write your own` }]
    }
    return isPlaceholder(text)
      ? [{ path, message: `"${text}" is a placeholder; write your own host` }]
      : []
  })
}

interface Text {
  readonly path: string
  readonly text: string
}

/** Each text below a key that may hold a placeholder. */
const textsOf = (value: unknown, path: string, key = ''): readonly Text[] => {
  if (typeof value === 'string') {
    return HOST_KEYS.has(key) ? [{ path, text: value }] : []
  }
  if (Array.isArray(value)) {
    return value.flatMap((one, i) => textsOf(one, pathText(path, [i]), key))
  }
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, one]) => textsOf(one, pathText(path, [name]), name))
}
