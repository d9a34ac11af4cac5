import { isObject, own } from '../base/json.ts'
import { foldedName } from '../base/text.ts'
import { mayAsk } from '../model/approval.ts'
import type { Issuer } from '../model/issuer.ts'
import { holesOf } from '../model/scope.ts'
import { AUTHORIZATION } from '../model/token.ts'
import { METADATA_PATH } from '../model/well-known.ts'
import { checkApprovers } from './keys/approval.ts'
import { checkIdentityHeaders } from './keys/claim-headers.ts'
import { checkActors } from './keys/delegation.ts'
import { checkIdentifiers } from './keys/details.ts'
import { DEFAULT_PREFIX } from './keys/gate.ts'
import { isAmong } from './keys/inject.ts'
import { checkSingleUse } from './keys/replay.ts'
import { isAbout, ROUTE_KEYS, type RouteEntry } from './keys/route-keys.ts'
import { checkCondition, checkMcp } from './mcp-checks.ts'
import { checkMcpAudiences } from './mcp-resource.ts'
import { quote, quoteAll, type Report, under, unknownName } from './reading/issues.ts'
import { foldCase } from './reading/route-index.ts'
import { onExpiryOf, type Surroundings, takenIssuers } from './route.ts'

interface Judged extends Surroundings {
  readonly entry: RouteEntry
  /** The issuers whose tokens the rule accepts. */
  readonly taken: readonly Issuer[]
  /** Whether the key is written, readable or not. */
  readonly has: (key: string) => boolean
  readonly rawOf: (key: string) => unknown
  readonly report: Report
}

/** Keys about a token that a public rule may have, or that have a check of their own. */
const APART: ReadonlySet<string> = new Set(['scopes', 'single_use'])

const isUnder = (path: string, base: string): boolean =>
  `${foldCase(path)}/`.startsWith(`${foldCase(base)}/`)

/** What must be true between the keys of a rule, and between a rule and the rest of the policy. */
const CHECKS: readonly ((judged: Judged) => void)[] = [
  function scopesAreSaid({ entry, has, report }) {
    if (entry.access !== 'public' && !has('scopes')) {
      report(['scopes'], 'is required unless access = "public"; [] means any valid token')
    }
    if (entry.access === 'public' && (entry.scopes?.scopes.length ?? 0) > 0) {
      report(['scopes'], 'cannot be asked for on a public rule, which reads no token')
    }
  },
  function scopesNameParameters({ entry: { match, scopes }, report }) {
    if (!match || !scopes) return
    for (const [i, scope] of scopes.scopes.entries()) {
      const hole = holesOf(scope).find((name) => !match.params.includes(name))
      if (hole === undefined) continue
      const path = scopes.mode === 'any' ? ['scopes', 'any', i] : ['scopes', i]
      report(path, `${quote(scope.source)}: ${unknownName('path parameter', hole, match.params)}`)
    }
  },
  function identifiersNameParameters({ entry: { match }, rawOf, report }) {
    const key = 'authorization_details'
    if (match) checkIdentifiers(rawOf(key), match.params, under(report, key))
  },
  function publicReadsNoToken({ entry, has, report }) {
    if (entry.access !== 'public') return
    for (const key of Object.keys(ROUTE_KEYS)) {
      if (isAbout(key, 'request') || APART.has(key) || !has(key)) continue
      report([key], 'has no effect on a public rule, which reads no token; remove it')
    }
  },
  function expiryHasEffect({ entry, gate, has, report }) {
    if (entry.access === 'public') return
    // Exception: answers of MCP servers are watched until they begin, whatever the rule says.
    if (!entry.mcp && (entry.on_revocation ?? gate.on_revocation) === 'ignore') {
      for (const key of ['on_expiry', 'finish_within']) {
        if (has(key))
          report([key], 'has no effect with on_revocation = "ignore", which ends nothing')
      }
    } else if (has('finish_within') && onExpiryOf(entry, gate) === 'cut') {
      report(['finish_within'], 'has no effect with on_expiry = "cut", the default of strict rules')
    }
  },
  function workflowIsInPath({ entry: { match, workflow }, report }) {
    if (!match || workflow?.from !== 'path' || match.params.includes(workflow.name)) return
    report(['workflow'], unknownName('path parameter', workflow.name, match.params))
  },
  function maskIsInPath({ entry: { match, audit_mask: mask = [] }, report }) {
    for (const [i, name] of mask.entries()) {
      if (match && !match.params.includes(name))
        report(['audit_mask', i], unknownName('path parameter', name, match.params))
    }
  },
  function stepsCanBeThere({ taken, has, report }) {
    if (taken.some(({ agentic }) => agentic)) return
    for (const key of ['steps', 'delegation_chains', 'step_sequences']) {
      if (has(key))
        report([key], 'needs an issuer with profile `agentic-jwt`: no other token has it')
    }
  },
  function conditionReadsWhatIsThere({ entry: { match, when }, gate, report }) {
    if (match) checkCondition(when, match.params, gate, report)
  },
  function approvalCanBeGiven({ entry, issuers, gate, report }) {
    const { approval, access = 'required', mcp, match } = entry
    if (access === 'public') return
    if (approval && access !== 'required') {
      report(['approval'], `is only for rules with access = "required": this one is ${access}`)
    } else if (approval && mcp) {
      report(['approval'], 'must be in the entries of mcp: tools, prompts and resources')
    } else if (mayAsk(entry)) checkApprovers(issuers, approval ? 'approval' : 'mcp', report)
    if (!approval) return
    const { unless } = approval
    if (match) checkCondition(unless, match.params, gate, under(report, 'approval'), 'unless')
  },
  ({ entry, gate, report }) => checkMcp(entry, gate, report),
  function mcpTakesItsTokens({ entry, has, report, ...around }) {
    const isUnread = has('resource') && !entry.resource
    if (!has('audiences') && !isUnread) checkMcpAudiences(entry, around, report)
  },
  function injectNeedsToken({ entry, has, report }) {
    const { access = 'required' } = entry
    if (!has('inject')) return
    if (access !== 'required') {
      report(['inject'], `is only for rules with access = "required": this one is ${access}`)
    }
    if (entry.forward_token && entry.inject?.some(({ header }) => header === 'authorization')) {
      report(['forward_token'], 'and an injected Authorization cannot both be sent')
    }
  },
  ({ entry, has, report }) => checkSingleUse(entry, has, report),
  function headersAreSetOnce({ entry, gate, report }) {
    const { inject = [], forward_claims: claims = [] } = entry
    const { identity_headers: ofGate = [], identity_prefix: prefix } = gate
    checkIdentityHeaders(claims, prefix, under(report, 'forward_claims'))
    for (const { header } of claims) {
      if (isAmong([...ofGate, ...inject], header)) {
        report(['forward_claims', header], 'is set by GATE.identity_headers or inject already')
      }
    }
    for (const { header } of inject) {
      if (isAmong(ofGate, header)) {
        report(['inject', header], 'is set by GATE.identity_headers already')
      }
    }
  },
  function tokensHaveTheirHeaders({ entry, gate, report }) {
    const { credential, mcp, when, workflow, forward_token: forwarded } = entry
    if (!credential) return
    if (mcp) report(['credential'], 'must be left out with mcp: MCP clients use Authorization')
    const others = credential.headers.filter((name) => name !== AUTHORIZATION)
    if (others.length > 0 && forwarded) {
      report(['forward_token'], 'must be left out: a token in another header is never forwarded')
    }
    const { client_ip: address } = gate
    const read = [
      ...(when?.headers ?? []),
      ...(workflow?.from === 'header' ? [workflow.name] : []),
      ...(address?.from === 'header' ? [address.name] : []),
    ].map(foldedName)
    for (const [i, name] of credential.headers.entries()) {
      if (!read.includes(foldedName(name))) continue
      report(
        ['credential', 'headers', i],
        `${quote(name)} is read as something else: by when, workflow or GATE.client_ip`,
      )
    }
  },
  function corsNamesItsMethods({ entry: { match, cors }, report }) {
    for (const [i, method] of (cors?.methods ?? []).entries()) {
      if (!match || match.methods.includes(method)) continue
      report(['cors', 'methods', i], `${quote(method)} is not a method of ${quote(match.text)}`)
    }
  },
  function slashNeedsParameter({ entry: { match, encoded_slash: slash }, report }) {
    if (slash && match?.params.length === 0) {
      report(['encoded_slash'], 'needs a {parameter} in the path of match')
    }
  },
  function prefixIsInPath({ entry: { match, strip_prefix: prefix }, report }) {
    if (match && prefix !== undefined && !`${match.path}/`.startsWith(`${prefix}/`)) {
      report(['strip_prefix'], `must be the first whole segments of ${quote(match.path)}`)
    }
  },
  function pathIsNotTheGates({ entry: { match }, gate, report }) {
    for (const base of [gate.prefix ?? DEFAULT_PREFIX, METADATA_PATH]) {
      if (match && isUnder(match.path, base)) {
        report(['match'], `${quote(base)} and everything under it is served by the gate itself`)
      }
    }
  },
  function hostIsServed({ entry: { host }, hosts, report }) {
    if (host !== undefined && !hosts.has(host)) {
      report(['host'], `can never match: ${quote(host)} is not in GATE.hosts`)
    }
  },
  function issuersAreConfigured({ entry: { issuers: named = [] }, issuers, declared, report }) {
    for (const [i, name] of named.entries()) {
      if (!declared.has(name)) report(['issuers', i], unknownName('issuer', name, [...declared]))
      if (issuers.get(name)?.rules === false) {
        report(['issuers', i], `${quote(name)} has rules = false: no rule accepts its tokens`)
      }
    }
  },
  function someIssuerIsTaken({ entry, issuers, taken, has, report }) {
    if (entry.access === 'public' || has('issuers') || issuers.size === 0) return
    if (taken.length === 0) {
      report(
        [],
        'accepts tokens of no issuer: each has rules = false or "named"; add an issuer for agents, or name one in issuers',
      )
    }
  },
  function lifetimeIsShorter({ entry: { max_lifetime: lifetime = 0 }, taken, report }) {
    const least = taken.filter((one) => one.maxLifetime < lifetime)
    if (least.length > 0) {
      const names = quoteAll(least.map(({ name }) => name))
      report(
        ['max_lifetime'],
        `must be at most that of each issuer of the rule; it is longer than that of ${names}`,
      )
    }
  },
  function delegationIsNarrower({ entry, taken, names, report }) {
    const { max_depth: depth = 0, issuers = [] } = entry.delegation ?? {}
    const wider = taken.filter(({ delegation }) => delegation.maxDepth < depth)
    if (wider.length > 0) {
      const list = quoteAll(wider.map(({ name }) => name))
      report(
        ['delegation', 'max_depth'],
        `must be at most that of each issuer of the rule; it is above that of ${list}`,
      )
    }
    for (const [i, name] of issuers.entries()) {
      const iss = names.get(name) ?? name
      if (!taken.some((one) => one.issuer === iss || one.delegation.issuers.has(iss))) {
        report(
          ['delegation', 'issuers', i],
          `${quote(name)} is not accepted for actors by any issuer of the rule`,
        )
      }
    }
  },
  function actorsCanBeThere({ entry: { delegation }, taken, names, report }) {
    if (!delegation || taken.length === 0) return
    const own =
      delegation.issuers && new Set(delegation.issuers.map((one) => names.get(one) ?? one))
    const counts = (iss: string) =>
      taken.some(
        (one) => one.issuer === iss || (one.delegation.issuers.has(iss) && (!own || own.has(iss))),
      )
    const deepest = Math.max(...taken.map((one) => one.delegation.maxDepth))
    const maxDepth = Math.min(delegation.max_depth ?? deepest, deepest)
    const takes = (iss: string) => taken.some(({ issuer }) => issuer === iss)
    checkActors(delegation, { maxDepth, counts, takes, names }, under(report, 'delegation'))
  },
]

/** Judges one rule against itself and its surroundings. */
export function checkRoute(
  raw: unknown,
  entry: RouteEntry,
  around: Surroundings,
  report: Report,
): void {
  const has = (key: string) => isObject(raw) && Object.hasOwn(raw, key)
  const rawOf = (key: string) => (isObject(raw) ? own(raw, key) : undefined)
  const judged = { ...around, entry, taken: takenIssuers(entry, around), has, rawOf, report }
  for (const check of CHECKS) check(judged)
}
