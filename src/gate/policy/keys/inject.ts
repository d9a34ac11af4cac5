import { string } from 'valibot'
import { foldedName } from '../../base/text.ts'
import { MCP_HEADERS } from '../../model/mcp.ts'
import type { Route } from '../../model/route.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { isHeaderName } from '../reading/fields.ts'
import { quote, type Report } from '../reading/issues.ts'
import { field, namedEntries, namesTo } from '../reading/table.ts'

/** A header to set, before the secrets are put in: text at even places, secret names at odd ones. */
export interface Injection {
  readonly header: string
  readonly parts: readonly string[]
}

/** How a template names a secret, for messages. */
const NAMED = '$' + '{NAME}'
const SECRET = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/
const HEADER_TEXT = /^[\x20-\x7e]*$/

/** Folded names: headers of the connection (RFC 9110 §7.6.1), of the message, or set by the gate. */
export const NOT_INJECTED: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
])

/** The mistake of setting one of {@link MCP_HEADERS}: the gate removes what rules set from all requests. */
export const OF_MCP = 'is a header of MCP, which only clients and the gate set'

/** An `inject` table: header → template with at least one `${NAME}`. Does not look up secrets. */
export const injectField = field((value, report): readonly Injection[] => {
  const injections: Injection[] = []
  const otherwise = `must be a table of header → template, like Authorization = "Bearer ${NAMED}"`
  for (const [name, template] of namedEntries(value, report, otherwise)) {
    const header = name.toLowerCase()
    const folded = foldedName(name)
    if (!isHeaderName(name)) report([name], 'is not a header name (RFC 9110 §5.1)')
    if (NOT_INJECTED.has(folded))
      report(
        [name],
        'is a header that cannot be injected: the gate or the connection sets it; remove it',
      )
    if (MCP_HEADERS.includes(folded)) report([name], OF_MCP)
    if (isAmong(injections, name)) report([name], 'is injected twice')
    const parts = typeof template === 'string' ? template.split(SECRET) : []
    if (parts.length < 3) {
      report([name], `must be a template with a secret, like \`Bearer ${NAMED}\``)
    } else if (!parts.every((part) => HEADER_TEXT.test(part) && !part.includes('${'))) {
      report([name], `must be visible ASCII, with secrets written ${NAMED}`)
    } else injections.push({ header, parts })
  }
  return injections
}, namesTo(string()))

/**
 * Fills the secrets in, and keeps the template, which identifies them where values are unknown. Reports a secret
 * that is missing or not allowed in a header, by name only.
 */
export function injectionsOf(
  injections: readonly Injection[],
  identityPrefix: string,
  env: PolicyEnv,
  report: Report,
): Route['inject'] {
  return injections.map(({ header, parts }) => {
    const folded = foldedName(header)
    if (folded.startsWith(identityPrefix) || folded.startsWith('x-agent-')) {
      report([header], 'is an identity header, which only the gate sets')
    }
    const value = parts.map((part, i) => (i % 2 === 0 ? part : secretOf(part, env, report, header)))
    return [header, value.join(''), templateText(parts)] as const
  })
}

const templateText = (parts: readonly string[]): string =>
  parts.map((part, i) => (i % 2 === 0 ? part : `$\{${part}}`)).join('')

/** Whether a header of this name is among these, in any spelling. */
export function isAmong(
  headers: readonly { readonly header: string }[] | undefined,
  name: string,
): boolean {
  return headers?.some(({ header }) => foldedName(header) === foldedName(name)) ?? false
}

/** Fewest characters of a secret that answers are searched for: a shorter one occurs there by chance. */
const LEAST_RECOGNISED = 8

const isShort = (secret: string | undefined): boolean =>
  secret !== undefined && secret.trim().length < LEAST_RECOGNISED

/**
 * What is too short to be looked for in answers, in words: secrets, or what is secret in `Basic` credentials. Secrets
 * that are not known are not counted.
 */
export function unrecognisable({ parts }: Injection, env: PolicyEnv): readonly string[] {
  const short = namesIn(parts).filter((name) => isShort(env.secret(name)))
  if (short.length > 0) return short.map((name) => `the secret ${quote(name)}`)
  const known = parts.map((part, i) => (i % 2 === 0 ? part : env.secret(part)))
  const [, password] = known.includes(undefined) ? [] : basicParts(known.join(''))
  return isShort(password)
    ? ['the password in its Basic credentials, or the user name where there is none,']
    : []
}

/**
 * The texts to search answers for: the secrets, and of `Basic` credentials the pair and the password, or the user where
 * there is no password. Without spaces around them, since no header keeps these.
 */
export function recognised(
  injections: readonly Injection[],
  headers: Route['inject'],
  env: PolicyEnv,
): readonly string[] {
  const secrets = injections.flatMap(({ parts }) => namesIn(parts).map((name) => env.secret(name)))
  const all = [...secrets, ...headers.flatMap(([, value]) => basicParts(value))]
  const texts = all.flatMap((text) => text?.trim() ?? [])
  return [...new Set(texts.filter(({ length }) => length >= LEAST_RECOGNISED))]
}

const namesIn = (parts: readonly string[]) => parts.filter((_, i) => i % 2 === 1)

/** RFC 7617 §2: the user and the password, and which of the two is secret: an API key may be the user. */
const basicParts = (value: string): readonly string[] => {
  const [, credentials] = /^ *basic +([A-Za-z0-9+/]+=*) *$/i.exec(value) ?? []
  if (credentials === undefined) return []
  try {
    const pair = atob(credentials)
    const [, user = '', password = ''] = /^([^:]*):?(.*)$/.exec(pair) ?? []
    return HEADER_TEXT.test(pair) ? [pair, password || user] : []
  } catch {
    return []
  }
}

const secretOf = (name: string, env: PolicyEnv, report: Report, header: string): string => {
  const secret = env.secret(name)
  if (!env.has('secret', name))
    report([header], `needs the secret ${quote(name)}, which is not set`)
  else if (secret === '') report([header], `needs the secret ${quote(name)}, which is empty`)
  else if (secret !== undefined && !HEADER_TEXT.test(secret)) {
    report(
      [header],
      `the secret ${quote(name)} has a character that is not allowed in a header, like a line break`,
    )
  }
  return secret ?? ''
}
