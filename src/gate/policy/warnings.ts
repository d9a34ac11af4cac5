import { getOrMake } from '../base/memo.ts'
import { isPrivateHost } from '../base/network.ts'
import { foldedName } from '../base/text.ts'
import { isLoopback } from '../base/url.ts'
import type { Issuer } from '../model/issuer.ts'
import { issuerAdvice } from './advice.ts'
import { warnOfWatch } from './keys/agents.ts'
import { warnHold } from './keys/approval.ts'
import type { GateEntry } from './keys/gate.ts'
import { isAmong } from './keys/inject.ts'
import { warnProofs, warnSingleUse } from './keys/replay.ts'
import type { RouteEntry } from './keys/route-keys.ts'
import { warnMcp } from './mcp-checks.ts'
import { warnMcpResource } from './mcp-resource.ts'
import { quote, quoteAll, type Report } from './reading/issues.ts'
import { takenIssuers, viaOf } from './route.ts'
import { type Read, type Warn, warnOfSecrets } from './secret-warnings.ts'

/** Seconds by which `verifyAgent` lets clocks differ, unless an origin sets more. */
const VERIFIED_SECONDS = 5

/** All warnings about a policy. Changes nothing about it. */
export const warningsOf: Warn = (read, at) => {
  const { gate, hosts, issuers, rules, env } = read
  const report = at('GATE')
  warnOfSecrets(read, at)
  warnOfWatch(read.watch, read.audit, at('WATCH'))
  if (gate.insecure_http && gate.resource?.url.protocol === 'https:') {
    report(['insecure_http'], 'lets tokens for an https resource be sent unencrypted')
  }
  if (gate.resource && !hosts.has(gate.resource.url.hostname)) {
    report(
      ['hosts'],
      `lacks ${quote(gate.resource.url.hostname)}: the metadata of the resource cannot be fetched`,
    )
  }
  if ((gate.clock_tolerance ?? 0) > VERIFIED_SECONDS && gate.assertion?.binding !== 'off') {
    report(
      ['clock_tolerance'],
      `is more than the ${VERIFIED_SECONDS}s of \`verifyAgent\`: origins then refuse tokens that the gate still accepts, unless their clockTolerance is as large`,
    )
  }
  warnOfOrigins(read, at)
  if (gate.revocation?.shards === 1 && rules.some(({ entry }) => isStrict(entry, gate))) {
    report(
      ['revocation', 'shards'],
      'is 1, and each request to a strict rule asks that one object, which answers about 1,000 a second; leave it out, or set more',
    )
  }
  for (const [name, issuer] of issuers) {
    for (const [path, message] of issuerAdvice(issuer)) at('ISSUERS')([name, ...path], message)
    const isNamed = rules.some(({ entry }) => entry.issuers?.includes(name))
    if (issuer.rules === 'named' && issuer.admin === false && !isNamed) {
      at('ISSUERS')(
        [name, 'rules'],
        'is `named`, and no rule names it in issuers: nothing accepts its tokens',
      )
    }
  }
  for (const { entry, path } of rules) {
    const own = at(path)
    const enforced = (['inject', 'approval'] as const).find((key) => entry[key])
    if (enforced && (entry.mode ?? gate.mode) === 'shadow') {
      own(
        ['mode'],
        `is \`enforce\` here all the same: the rule has ${enforced}, and is never in shadow mode; write mode = "enforce"`,
      )
    }
    warnPatterns(entry, own)
    if (read.audit && !entry.audit_path && entry.match?.path.endsWith('/*')) {
      own(
        [],
        'has no audit_path, so records of the audit do not say which path below it was called; write audit_path = "full", or "template" if they must not',
      )
    }
    if (entry.approval) warnHold(entry.approval, gate, own)
    warnMcp(entry, gate, own)
    warnMcpResource(entry, { gate, issuers }, own)
    const taken = takenIssuers(entry, { issuers })
    warnSingleUse(entry, taken, own)
    warnProofs(entry, taken, env, own)
    warnSharedNames(entry, taken, own)
    if (entry.token_subprotocols && (entry.mcp || !entry.match?.methods.includes('GET'))) {
      own(['token_subprotocols'], 'has no effect: only GET without mcp opens a WebSocket')
    }
    if (entry.forward_token)
      own(['forward_token'], "sends the agent's token to the origin, which can use it elsewhere")
    if (entry.resource && !hosts.has(entry.resource.url.hostname)) {
      own(
        ['resource'],
        `${quote(entry.resource.url.hostname)} is not in GATE.hosts: the metadata of the resource cannot be fetched`,
      )
    }
  }
}

/** What looks like a pattern of another router in the path of a rule: `(a|b)`, `(.*)`, `[0-9]`. */
const PATTERN = /\([^()/]*\|[^()/]*\)|\(\.[^()/]*\)|\[[^[\]/]+\]/

const warnPatterns = ({ match }: RouteEntry, report: Report): void => {
  const found = PATTERN.exec(match?.path ?? '')?.[0]
  if (found === undefined) return
  report(
    ['match'],
    `${quote(found)} is matched as these characters: a path has no patterns; write a rule for each path, or {name} for any segment`,
  )
}

/** Whether a rule asks the revocation set on every request with a token. */
const isStrict = ({ access, revocation }: RouteEntry, gate: GateEntry): boolean =>
  access !== 'public' && (revocation ?? gate.revocation)?.consistency === 'strict'

/** Claims whose values are names that each issuer gives out by itself. */
const NAMING: ReadonlySet<string> = new Set(['sub', 'client_id', 'azp'])

/**
 * Warns of a rule that names an agent, a user or a workflow and accepts several issuers: each issuer can give that
 * name to somebody else.
 */
const warnSharedNames = (
  { workflow, delegation = {}, claims = [] }: RouteEntry,
  issuers: readonly Issuer[],
  report: Report,
): void => {
  if (issuers.length < 2) return
  const names = quoteAll(issuers.map(({ name }) => name))
  const shared = (path: Parameters<Report>[0], what: string, how: string): void =>
    report(
      path,
      `accepts this name from each of ${names}, and each may give it to another ${what}: ${how}`,
    )
  const choose = 'name the intended issuer in issuers'
  if (workflow) shared(['workflow'], 'workflow', choose)
  for (const key of ['actors', 'subjects'] as const) {
    for (const [i, { sub, issuer }] of (delegation[key] ?? []).entries()) {
      if (issuer !== undefined) continue
      shared(
        ['delegation', key, i],
        key.slice(0, -1),
        `write { issuer = "…", sub = ${JSON.stringify(sub)} }`,
      )
    }
  }
  for (const { path } of claims) {
    const claim = path.join('.')
    if (NAMING.has(claim)) shared(['claims', claim], claim === 'sub' ? 'subject' : 'client', choose)
  }
}

type Rule = Read['rules'][number]
type At = Parameters<Warn>[1]

/**
 * Warns about origins of a valid policy: who else can reach them, and how they recognise the gate. Makes no network
 * request, and does not know what an origin checks.
 */
const warnOfOrigins: Warn = (read, at) => {
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

/** A binding may lead to a private network, where plain http adds no risk. */
const warnPlain = ({ origin, origin_via: via }: GateEntry | RouteEntry, report: Report) => {
  if (
    origin?.kind === 'url' &&
    origin.url.protocol === 'http:' &&
    via === undefined &&
    !isLoopback(origin.url.hostname)
  ) {
    report(['origin'], 'is plain http: identities and injected secrets are sent unencrypted')
  }
}

/** The two headers of a service token of Cloudflare Access. */
const TOKEN = ['CF-Access-Client-Id', 'CF-Access-Client-Secret']

const warnHalfToken = (entry: RouteEntry, report: Report) => {
  const missing = TOKEN.filter((name) => !isAmong(entry.inject, name))
  const [name] = missing
  if (name === undefined || missing.length === TOKEN.length) return
  report(
    ['inject'],
    `lacks ${name}: Cloudflare Access takes a service token by ${TOKEN.join(' and ')} together, and refuses every request that lacks one of them`,
  )
}

/** The rules for each origin that anyone can reach: a URL that is not a private address, without a binding. */
const openOrigins = ({ gate, rules }: Read): ReadonlyMap<string, readonly Rule[]> => {
  const found = new Map<string, Rule[]>()
  for (const rule of rules) {
    const origin = rule.entry.origin ?? gate.origin
    if (origin?.kind !== 'url' || viaOf(rule.entry, gate) !== undefined) continue
    if (isPrivateHost(origin.url.hostname)) continue
    getOrMake(found, origin.url.href, () => []).push(rule)
  }
  return found
}

/**
 * Hostnames of Cloudflare itself, and what to write instead. Whether a secret in every request protects an origin
 * with a public address.
 */
const ADDRESSES = [
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
 * likely to know the gate and others do not. The origin has to let their requests in without an assertion, and
 * so requests of anybody.
 */
const warnUnsent = (rules: readonly Rule[], at: At): void => {
  const injected = rules.flatMap(({ entry }) => entry.inject ?? [])
  const secrets = new Map(injected.map(({ header }) => [foldedName(header), header]))
  for (const [folded, header] of secrets) {
    if (!OF_A_GATE.test(folded)) continue
    const lacking = rules.filter(({ entry }) => !isAmong(entry.inject, folded))
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
        `is not \`required\`, so ${quote(header)}, which other rules send to the same origin, is not sent here${others}. An origin that knows the gate by it has to let these paths through without it, and must not trust any header of such a request; or require a token, or reach the origin by origin_via or "service:NAME"`,
    )
  }
}

/** Whether the rule may have `inject`. */
const isAble = ({ entry: { access = 'required' } }: Rule): boolean => access === 'required'

/** Reports a warning about several rules once, at the first of them. */
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
