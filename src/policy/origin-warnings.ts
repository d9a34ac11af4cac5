import { isPrivateHost } from '../core/address.ts'
import { getOrMake } from '../core/memo.ts'
import { foldedName } from '../core/text.ts'
import { isLoopback } from '../core/url.ts'
import type { Origin } from './fields.ts'
import type { GateEntry } from './gate.ts'
import { injects } from './inject.ts'
import { quote, type Report } from './issues.ts'
import { viaOf } from './route.ts'
import type { RouteEntry } from './route-keys.ts'
import type { Read, Warn } from './secret-warnings.ts'

type Rule = Read['rules'][number]
type At = Parameters<Warn>[1]

/**
 * What the origins of a valid policy leave open: who else can reach them, and what they are told apart
 * by. Asks no network, and does not know what an origin checks.
 */
export const warnOfOrigins: Warn = (read, at) => {
  const { gate, rules } = read
  warnPlain(gate, at('GATE'))
  for (const { entry, path } of rules) {
    warnPlain(entry, at(path))
    warnHalfToken(entry, at(path))
  }
  const open = openOrigins(read)
  const isToldWho = [...open.values()].flat().some(({ entry }) => entry.access !== 'public')
  if (gate.assertion?.binding === undefined && isToldWho) {
    at('GATE')(
      ['assertion'],
      'is not written, so origins that anyone can reach get assertions which say who is calling and not for which request. Write "identity" if every origin verifies them and nobody else can read its traffic, else "request"',
    )
  }
  for (const [href, reaching] of open) {
    warnAddress(new URL(href).hostname, reaching, at)
    warnUnsent(reaching, at)
  }
}

/** A binding may be a private network, where plain http is as good. */
const warnPlain = ({ origin, origin_via: via }: GateEntry | RouteEntry, report: Report) => {
  if (
    origin?.kind === 'url' &&
    origin.url.protocol === 'http:' &&
    via === undefined &&
    !isLoopback(origin.url.hostname)
  ) {
    report(['origin'], 'is plain http: identities and injected secrets cross the network in clear')
  }
}

/** The two headers of a service token of Cloudflare Access. */
const TOKEN = ['CF-Access-Client-Id', 'CF-Access-Client-Secret']

const warnHalfToken = (entry: RouteEntry, report: Report) => {
  const missing = TOKEN.filter((name) => !injects(entry.inject, name))
  const [name] = missing
  if (name === undefined || missing.length === TOKEN.length) return
  report(
    ['inject'],
    `lacks ${name}: Cloudflare Access takes a service token by ${TOKEN.join(' and ')} together, and turns away every request without one of them`,
  )
}

/** The rules to each origin that anyone could send to: a URL on no private address, and no binding. */
const openOrigins = ({ gate, rules }: Read): ReadonlyMap<string, readonly Rule[]> => {
  const found = new Map<string, Rule[]>()
  for (const rule of rules) {
    const origin: Origin | undefined = rule.entry.origin ?? gate.origin
    if (origin?.kind !== 'url' || viaOf(rule.entry, gate) !== undefined) continue
    if (isPrivateHost(origin.url.hostname)) continue
    getOrMake(found, origin.url.href, () => []).push(rule)
  }
  return found
}

interface Address {
  readonly domain: string
  /** Whether a secret that every request to it has would make up for it. */
  readonly isOpen: boolean
  readonly message: string
}

/** Names of Cloudflare's own, for which there is something better to write. */
const ADDRESSES: readonly Address[] = [
  {
    domain: 'cfargotunnel.com',
    isOpen: false,
    message:
      'is the name of a tunnel inside Cloudflare, which DNS records point to and nothing can be fetched from: write the public host name of the tunnel',
  },
  {
    domain: 'workers.dev',
    isOpen: true,
    message:
      'is the public address of a Worker: anyone can send to it past the gate, and a gate on workers.dev of the same account cannot (error 1042). Bind that Worker in [[services]], write "service:NAME" and give it workers_dev = false',
  },
  {
    domain: 'pages.dev',
    isOpen: true,
    message:
      'is the public address of a Pages project: anyone can send to it past the gate. Put Cloudflare Access on it and send the service token by inject, or make it a Worker and write "service:NAME"',
  },
]

const warnAddress = (hostname: string, rules: readonly Rule[], at: At) => {
  const known = ADDRESSES.find(({ domain }) => hostname.endsWith(`.${domain}`))
  if (!known || (known.isOpen && rules.every(({ entry }) => entry.inject))) return
  const shared = rules.some(({ entry }) => !entry.origin)
  at(shared ? 'GATE' : (rules[0]?.path ?? 'GATE'))(['origin'], known.message)
}

/** Names, folded, of headers by which an origin is likely to know the gate. */
const OF_A_GATE = /(?:^|-)(?:edge|edgewarden|gate|origin|proxy)-|^cf-access-client-secret$/

/**
 * Warns of rules to one origin that anyone can reach, where some inject a header by which the origin is
 * likely to know the gate and others do not. The origin has to let their requests in without it, and so
 * everybody's.
 */
const warnUnsent = (rules: readonly Rule[], at: At): void => {
  const injected = rules.flatMap(({ entry }) => entry.inject ?? [])
  const secrets = new Map(injected.map(({ header }) => [foldedName(header), header]))
  for (const [folded, header] of secrets) {
    if (!OF_A_GATE.test(folded)) continue
    const lacking = rules.filter(({ entry }) => !injects(entry.inject, folded))
    warnFirst(
      lacking.filter(isAble),
      at,
      'inject',
      (others) =>
        `lacks ${quote(header)}, which other rules send to the same origin${others}. An origin that knows the gate by it cannot refuse requests without it: send it by each rule`,
    )
    warnFirst(
      lacking.filter((rule) => !isAble(rule)),
      at,
      'access',
      (others) =>
        `is not \`required\`, so ${quote(header)}, which other rules send to the same origin, is not sent here${others}. An origin that knows the gate by it has to let these paths through without it, and must take nothing there for the gate's word; or require a token, or reach the origin by origin_via or "service:NAME"`,
    )
  }
}

/** Whether `inject` can be written in it. */
const isAble = ({ entry: { access = 'required' } }: Rule): boolean => access === 'required'

/** Says something once about rules, at the first of them. */
const warnFirst = (
  rules: readonly Rule[],
  at: At,
  key: string,
  message: (others: string) => string,
) => {
  const [first, ...others] = rules
  if (!first) return
  const more = others.length > 3 ? ` and ${others.length - 3} more` : ''
  const named = others.slice(0, 3).map(({ path }) => path)
  at(first.path)([key], message(named.length > 0 ? ` (also ${named.join(', ')}${more})` : ''))
}
