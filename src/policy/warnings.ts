import { isLoopback } from '../base/url.ts'
import type { Issuer } from '../model/issuer.ts'
import { issuerAdvice } from './advice.ts'
import type { Origin } from './fields.ts'
import type { GateEntry } from './gate.ts'
import { quote, type Report, under } from './issues.ts'
import type { RouteEntry } from './route.ts'

interface Read {
  readonly gate: GateEntry
  readonly hosts: ReadonlySet<string>
  readonly issuers: ReadonlyMap<string, Issuer>
  readonly rules: readonly { readonly entry: RouteEntry; readonly path: string }[]
}

/** What is allowed, and what it costs. Changes nothing about the policy. */
export const warningsOf = ({ gate, hosts, issuers, rules }: Read, at: (base: string) => Report) => {
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
  warnOrigin(gate.origin, under(report, 'origin'))
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
      own(['mode'], 'is `enforce` here all the same: the rule has inject')
    }
    if (entry.forward_token)
      own(['forward_token'], "sends the agent's token to the origin, which can use it elsewhere")
    if (entry.resource && !hosts.has(entry.resource.url.hostname)) {
      own(
        ['resource'],
        `${quote(entry.resource.url.hostname)} is not in GATE.hosts: the metadata of the resource cannot be had`,
      )
    }
    warnOrigin(entry.origin, under(own, 'origin'))
  }
}

/** Whether a rule asks the revocation set on every request with a token. */
const isStrict = ({ access, revocation }: RouteEntry, gate: GateEntry): boolean =>
  access !== 'public' && (revocation ?? gate.revocation)?.consistency === 'strict'

const warnOrigin = (origin: Origin | undefined, report: Report) => {
  if (
    origin?.kind === 'url' &&
    origin.url.protocol === 'http:' &&
    !isLoopback(origin.url.hostname)
  ) {
    report([], 'is plain http: identities and injected secrets cross the network in clear')
  }
}
