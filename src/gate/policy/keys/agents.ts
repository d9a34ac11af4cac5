import type { AuditRule } from '../../model/audit.ts'
import type { Issuer } from '../../model/issuer.ts'
import type { Policy } from '../../model/policy.ts'
import { SIGNALS, type Signal, WATCH_ACTIONS, type WatchRule } from '../../model/watch.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { nameList, nameText, seconds, whole, word } from '../reading/fields.ts'
import { type Report, under, unknownName } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import { type KeyDocs, list, namedEntries, readTable } from '../reading/table.ts'
import { secondsText, showing } from './show-parts.ts'

/** The binding of the registry, in whose object agents are watched. */
const AGENTS_BINDING = 'AGENTS'

const shown = showing<WatchRule, Policy>()

export const WATCH_KEYS = {
  issuer: shown(nameText, ({ issuer }, { issuers }) => issuers.get(issuer ?? '')?.name),
  agents: kept(nameList),
  agent_types: kept(nameList),
  rules: kept(nameList),
  signals: kept(list(word(SIGNALS)), SIGNALS),
  action: kept(word(WATCH_ACTIONS), 'alert'),
  duration: shown(kept(seconds({ most: 86_400 }), 15 * 60), ({ duration }) =>
    secondsText(duration),
  ),
  throttle: shown(kept(whole(1, 1_000_000), 6), ({ throttle }) => throttle),
  at_most: shown(kept(whole(0, 100), 5), ({ atMost }) => atMost),
}

export const WATCH_DOCS: KeyDocs<typeof WATCH_KEYS> = {
  issuer: { description: 'Only agents of this issuer, by the name of its table.', example: 'acme' },
  agents: {
    description: 'Only these agents, by their ids as origins see them.',
    example: ['acme/agent-42'],
  },
  agent_types: {
    description: 'Only agents of one of these [types](configuration/delegation.md#agent-types).',
    example: ['sub-agent'],
  },
  rules: {
    description: 'Only requests to these rules, by their `match`.',
    example: ['POST /mcp'],
  },
  signals: {
    description: 'Which [signals](watch.md#signals) raise an alert.',
    default: [...SIGNALS],
    example: ['volume', 'new_use'],
  },
  action: {
    description:
      'What the gate does to the agent after an alert. `"alert"`: nothing; `"throttle"`: allows fewer requests for a while; `"quarantine"`: allows none for a while. After the signal `refusals` it does nothing.',
    default: 'alert',
    example: 'quarantine',
  },
  duration: {
    description: 'How long a quarantine or throttle lasts.',
    default: '15m',
    example: '1h',
  },
  throttle: {
    description:
      'With action `"throttle"`: requests that the agent may send in a minute, over all rules. They may all be sent at once. It needs the binding `RATE_LIMITER`.',
    default: 6,
    example: 30,
  },
  at_most: {
    description:
      'The most agents that the watch quarantines or throttles in an hour, counted over all tables. Agents whose alert a person has judged are not counted. Further alerts stop nobody.',
    default: 5,
    example: 2,
  },
}

/** What the tables of WATCH are checked against. */
interface Around {
  readonly env: PolicyEnv
  readonly audit: AuditRule | undefined
  readonly issuers: ReadonlyMap<string, Issuer>
  readonly rules: readonly string[]
}

/** The tables of WATCH in their order, with every default. */
export function watchOf(
  value: unknown,
  { env, audit, issuers, rules }: Around,
  report: Report,
  bindings: Report,
): readonly WatchRule[] {
  const tables = namedEntries(value ?? {}, report, 'must be tables: [vars.WATCH.name]')
  if (tables.length > 0 && !(audit && env.has('durable_object', AGENTS_BINDING))) {
    bindings(
      [AGENTS_BINDING],
      'and AUDIT_LOG must be there: WATCH needs the namespaces of AgentRegistry and AuditLog',
    )
  }
  return tables.map(([name, raw]) => {
    const own = under(report, name)
    const read = readTable(WATCH_KEYS, raw, own)
    const { issuer: named, action, rules: watched = [] } = read
    if (action === 'throttle' && !env.has('durable_object', 'RATE_LIMITER')) {
      own(['action'], 'needs the binding RATE_LIMITER, the namespace of RateLimiter')
    }
    const { issuer } = issuers.get(named ?? '') ?? {}
    if (named !== undefined && !issuer) {
      own(['issuer'], unknownName('issuer', named, [...issuers.keys()]))
    }
    for (const rule of watched) {
      if (!rules.includes(rule)) own(['rules'], unknownName('rule', rule, rules))
    }
    return Object.freeze({
      name,
      ...keptOf(WATCH_KEYS, read),
      ...(issuer !== undefined && { issuer }),
    })
  })
}

const OF_ADDRESSES: readonly Signal[] = ['new_place', 'two_places']

/** Warns of signals that can never find anything, since records have no addresses. */
export function warnOfWatch(
  watch: readonly WatchRule[],
  audit: AuditRule | undefined,
  report: Report,
): void {
  for (const { name, signals } of watch) {
    const blind = signals.filter((signal) => OF_ADDRESSES.includes(signal))
    if (audit?.addresses || blind.length === 0) continue
    report(
      [name, 'signals'],
      `${blind.join(' and ')} need countries and networks: set addresses = true in AUDIT, or leave them out`,
    )
  }
}
