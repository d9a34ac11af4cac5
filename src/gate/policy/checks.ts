import { parseUrl, serverOf } from '../base/url.ts'
import { mayAsk } from '../model/approval.ts'
import type { Issuer } from '../model/issuer.ts'
import { metadataPath } from '../model/well-known.ts'
import type { GateEntry } from './keys/gate.ts'
import type { IssuerEntry } from './keys/issuer-keys.ts'
import type { PolicyEnv } from './reading/env.ts'
import { quote, type Report, under } from './reading/issues.ts'
import type { Rule } from './resources.ts'

type Entries = ReadonlyMap<string, IssuerEntry>

/** Checks that no two issuers have the same `iss`, and that agents of two issuers cannot have the same name. */
export function checkIssuers(entries: Entries, gate: GateEntry, report: Report): void {
  const byIss = new Map<string, string>()
  const before: (readonly [name: string, prefix: string])[] = []
  for (const [name, { issuer, agent_prefix: prefix = '', rules }] of entries) {
    const same = issuer && byIss.get(issuer.text)
    if (same !== undefined) report([name, 'issuer'], `is also that of ${quote(same)}`)
    // For example, prefix `a-` with id `foo` and no prefix with id `a-foo` give the same name.
    const alike = before.find(([, one]) => one.startsWith(prefix) || prefix.startsWith(one))
    if (alike && rules !== false && !gate.shared_ids) {
      report(
        [name, 'agent_prefix'],
        `of ${quote(name)} begins that of ${quote(alike[0])}, or the other way round: origins could take one agent for another. Set prefixes so that none begins with another, like \`acme/\` and \`beta/\`, or GATE.shared_ids = true if origins read X-Agent-Issuer too`,
      )
    }
    if (issuer) byIss.set(issuer.text, name)
    if (rules !== false) before.push([name, prefix])
  }
}

/** Each resource has a metadata document at an address of its own (RFC 9728 §3.1). */
export function checkResources(
  resources: ReadonlyMap<string, URL>,
  rules: readonly Rule[],
  gate: GateEntry,
  report: Report,
): void {
  const seen = new Map<string, string>()
  for (const [identifier, url] of resources) {
    const path = metadataPath(url.href).toLowerCase().replace(/\/$/, '')
    const address = `${url.hostname}${path}`
    const same = seen.get(address)
    seen.set(address, identifier)
    if (same === undefined) continue
    const message = `differs from ${quote(same)} only by port, case or a / at its end; write one of them everywhere`
    const rule = rules.find(({ entry }) => entry.resource?.text === identifier)
    if (rule && gate.resource?.text !== identifier) rule.report(['resource'], message)
    else report(['resource'], message)
  }
}

interface Addressed {
  readonly gate: GateEntry
  readonly gateOrigins: ReadonlySet<string>
  readonly entries: Entries
  readonly rules: readonly Rule[]
  readonly env: PolicyEnv
}

/** Checks that nothing is sent to or fetched from the gate itself, and that service bindings exist. */
export function checkAddresses(
  { gate, gateOrigins, entries, rules, env }: Addressed,
  at: (base: string) => Report,
): void {
  const own = [...gateOrigins].flatMap((origin) => parseUrl(origin) ?? []).map(serverOf)
  const servesItself = (url: URL) => own.includes(serverOf(url))
  const checkTarget = ({ origin, origin_via: via }: GateEntry | Rule['entry'], report: Report) => {
    if (origin?.kind === 'url' && gateOrigins.has(origin.url.origin)) {
      report(
        ['origin'],
        "is the gate's own scheme, name and port: requests would go round in circles; write where the API itself is served",
      )
    }
    if (origin?.kind === 'service' && !env.has('service', origin.name)) {
      report(
        ['origin'],
        `needs the service binding ${quote(origin.name)}, which is not there: write [[services]] with that binding`,
      )
    }
    if (via !== undefined && !env.has('fetcher', via)) {
      report(
        ['origin_via'],
        `needs the binding ${quote(via)}, which is not there: [[mtls_certificates]], [[vpc_services]] or the like`,
      )
    }
    if (via !== undefined && (origin ?? gate.origin)?.kind === 'service') {
      report(['origin_via'], 'is only for an origin with a URL: `service:` already names a binding')
    }
  }
  checkTarget(gate, at('GATE'))
  for (const { entry, report } of rules) checkTarget(entry, report)
  for (const [name, { issuer, jwks, jwks_uri: uri }] of entries) {
    const report = under(at('ISSUERS'), name)
    if (uri && servesItself(uri.url)) report(['jwks_uri'], "is at the gate's own host")
    if (!jwks && !uri && issuer && servesItself(issuer.url)) {
      report(['issuer'], "is at the gate's own host; set jwks_uri or jwks")
    }
  }
}

/** Checks the bindings that every policy needs, and those that this one needs. */
export function checkBindings(
  issuers: ReadonlyMap<string, Issuer>,
  rules: readonly Rule[],
  { gate, env }: { readonly gate: GateEntry; readonly env: PolicyEnv },
  report: Report,
): void {
  const isFetching = [...issuers.values()].some(({ keys }) => keys.kind !== 'inline')
  const isCounting = rules.some(({ entry }) => entry.rate_limit?.kind === 'exact')
  const isOnce = rules.some(({ entry }) => entry.single_use)
  const isApproving = [...issuers.values(), ...rules.map(({ entry }) => entry), gate].some(
    ({ agents }) => agents === 'approved',
  )
  const isAsking = rules.some(({ entry }) => mayAsk(entry))
  const takers = isOnce ? 'rules with single_use' : 'GATE.console'
  const rows = [
    ['JWKS_CACHE', isFetching, ', needed by issuers without inline jwks'],
    ['KEY_SERVICE', isFetching, ' of KeyService, needed by issuers without inline jwks'],
    ['REVOCATIONS', true, ' of RevocationShard'],
    ['RATE_LIMITER', isCounting, ' of RateLimiter, needed by rules with an exact rate_limit'],
    ['REPLAYS', isOnce || gate.console, ` of ReplayShard, needed by ${takers}`],
    ['APPROVALS', isAsking, ' of ApprovalStore, needed by rules with approval'],
    ['AGENTS', isApproving, ' of AgentRegistry, needed by agents = "approved"'],
  ] as const
  for (const [name, isNeeded, what] of rows) {
    const isKv = name === 'JWKS_CACHE'
    if (!isNeeded || env.has(isKv ? 'kv' : 'durable_object', name)) continue
    const namespace = isKv ? 'a KV namespace' : 'the Durable Object namespace'
    report([name], `is not there: ${namespace}${what}`)
  }
}
