import type { Issuer } from '../model/issuer.ts'
import { issuerAdvice } from './advice.ts'
import type { PolicyEnv } from './env.ts'
import type { GateEntry } from './gate.ts'
import { hasShortPassword, unrecognisable } from './inject.ts'
import { quote, type Report } from './issues.ts'
import { warnMcp } from './mcp-checks.ts'
import { warnMcpResource } from './mcp-resource.ts'
import { warnOfOrigins } from './origin-warnings.ts'
import { type RouteEntry, takenIssuers } from './route.ts'
import { warnSharedNames } from './shared-names.ts'
import { warnSingleUse } from './single-use.ts'

interface Read {
  readonly gate: GateEntry
  readonly hosts: ReadonlySet<string>
  readonly issuers: ReadonlyMap<string, Issuer>
  readonly rules: readonly { readonly entry: RouteEntry; readonly path: string }[]
  readonly env: PolicyEnv
}

/** What origins allow by which a token has expired, unless they are told more. */
const VERIFIED_SECONDS = 5

/** What is allowed, and what it costs. Changes nothing about the policy. */
export const warningsOf = (
  { gate, hosts, issuers, rules, env }: Read,
  at: (base: string) => Report,
) => {
  const report = at('GATE')
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
      `is more than the ${VERIFIED_SECONDS}s of \`verifyAgent\`: origins refuse what passes here after that, unless their own clockTolerance is as large`,
    )
  }
  warnOfOrigins({ gate, rules }, at)
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
    for (const injection of entry.inject ?? []) {
      const short = unrecognisable(injection, env).map((name) => `the secret ${quote(name)}`)
      if (short.length === 0 && hasShortPassword(injection, env)) {
        short.push('the password in its Basic credentials, or the user name where there is none,')
      }
      for (const what of short) {
        own(
          ['inject', injection.header],
          `${what} is too short to be recognised: agents get answers that repeat it as they are; use one of 8 characters or more`,
        )
      }
    }
    if (entry.inject && (entry.mode ?? gate.mode) === 'shadow') {
      own(['mode'], 'is `enforce` here all the same: the rule has inject')
    }
    warnMcp(entry, gate, own)
    warnMcpResource(entry, { gate, issuers }, own)
    warnSingleUse(entry, takenIssuers(entry, { issuers }), own)
    warnSharedNames(entry, takenIssuers(entry, { issuers }), own)
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
