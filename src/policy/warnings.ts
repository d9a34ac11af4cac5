import type { Issuer } from '../core/model/issuer.ts'
import { warnMcp } from '../mcp/options/checks.ts'
import { warnMcpResource } from '../mcp/options/resource.ts'
import { warnProofs, warnSingleUse } from '../replay/options.ts'
import { issuerAdvice } from './advice.ts'
import type { GateEntry } from './gate.ts'
import { quote, quoteAll, type Report } from './issues.ts'
import { warnOfOrigins } from './origin-warnings.ts'
import { takenIssuers } from './route.ts'
import type { RouteEntry } from './route-keys.ts'
import { type Warn, warnOfSecrets } from './secret-warnings.ts'

/** What origins allow by which a token has expired, unless they are told more. */
const VERIFIED_SECONDS = 5

/** What is allowed, and what it costs. Changes nothing about the policy. */
export const warningsOf: Warn = (read, at) => {
  const { gate, hosts, issuers, rules, env } = read
  const report = at('GATE')
  warnOfSecrets(read, at)
  if (gate.insecure_http && gate.resource?.url.protocol === 'https:') {
    report(['insecure_http'], 'lets tokens for an https resource cross the network in clear')
  }
  if (gate.resource && !hosts.has(gate.resource.url.hostname)) {
    report(
      ['hosts'],
      `lacks ${quote(gate.resource.url.hostname)}: the metadata of the resource cannot be had`,
    )
  }
  if ((gate.clock_tolerance ?? 0) > VERIFIED_SECONDS && gate.assertion?.binding !== 'off') {
    report(
      ['clock_tolerance'],
      `is more than the ${VERIFIED_SECONDS}s of \`verifyAgent\`: origins refuse tokens that the gate still accepts then, unless their own clockTolerance is as large`,
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
  }
  for (const { entry, path } of rules) {
    const own = at(path)
    if (entry.inject && (entry.mode ?? gate.mode) === 'shadow') {
      own(
        ['mode'],
        'is `enforce` here all the same: the rule has inject, and is never in shadow mode; write mode = "enforce"',
      )
    }
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
        `${quote(entry.resource.url.hostname)} is not in GATE.hosts: the metadata of the resource cannot be had`,
      )
    }
  }
}

/** Whether a rule asks the revocation set on every request with a token. */
const isStrict = ({ access, revocation }: RouteEntry, gate: GateEntry): boolean =>
  access !== 'public' && (revocation ?? gate.revocation)?.consistency === 'strict'

/** Claims whose values are names that each issuer gives out by itself. */
const NAMING: ReadonlySet<string> = new Set(['sub', 'client_id', 'azp'])

/**
 * A rule that asks for somebody, or for a workflow, by name: where it takes tokens of several issuers, each of
 * them can have somebody else of that name.
 */
const warnSharedNames = (
  { workflow, delegation = {}, claims = [] }: RouteEntry,
  issuers: readonly Issuer[],
  report: Report,
): void => {
  if (issuers.length < 2) return
  const names = quoteAll(issuers.map(({ name }) => name))
  const shared = (path: Parameters<Report>[0], what: string, how: string): void =>
    report(path, `takes this name from each of ${names}, where it can be another ${what}: ${how}`)
  const choose = 'write the one that is meant into issuers'
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
