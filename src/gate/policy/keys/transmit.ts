import { serverOf } from '../../base/url.ts'
import { type EventReceiver, SENT_EVENTS } from '../../model/transmit.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { nameList, nameText, urlField, word } from '../reading/fields.ts'
import { type Report, under, unknownName } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import { type KeyDocs, list, namedEntries, readTable, required } from '../reading/table.ts'
import { secretName } from './decrypt.ts'
import { checkHeaderSecret } from './events.ts'
import { showing } from './show-parts.ts'

const shown = showing<EventReceiver>()

export const TRANSMIT_KEYS = {
  audience: shown(required(nameText), ({ audience }) => audience),
  endpoint: shown(required(urlField({ http: 'loopback' })), ({ endpoint }) => endpoint),
  authorization: shown(required(secretName), ({ secret }) => secret),
  events: kept(list(word(SENT_EVENTS)), SENT_EVENTS),
  subjects: kept(nameList),
}

export const TRANSMIT_DOCS: KeyDocs<typeof TRANSMIT_KEYS> = {
  audience: { description: 'The `aud` of the events.', example: 'https://gate.partner.example' },
  endpoint: {
    description:
      'The address that takes the events: an https URL (http on a loopback host), and no address of the gate or its origins. Redirects are not followed.',
    example: 'https://gate.partner.example/.edgewarden/events',
  },
  authorization: {
    description:
      'Name of the secret with the `Authorization` header that the gate sends, of at least 20 characters.',
    example: 'PARTNER_EVENTS',
  },
  events: {
    description: 'Which [events](events/send.md#what-is-sent) are sent.',
    default: SENT_EVENTS,
    example: ['account-disabled', 'account-enabled'],
  },
  subjects: {
    description: 'Only subjects and agents of these issuers, by the names of their tables.',
    unset: 'of all issuers',
    example: ['acme'],
  },
}

/** What the tables of TRANSMIT are checked against. */
interface Around {
  readonly env: PolicyEnv
  /** By name. */
  readonly issuers: ReadonlyMap<string, { readonly issuer: string }>
  /** Where events must not be sent: the gate and its origins. */
  readonly never?: Iterable<URL>
}

/** The tables of TRANSMIT that can be used, with every default. Fetches nothing. */
export function transmitOf(
  value: unknown,
  { env, issuers, never = [] }: Around,
  report: Report,
): readonly EventReceiver[] {
  const tables = namedEntries(value ?? {}, report, 'must be tables: [vars.TRANSMIT.name]')
  if (tables.length > 0 && !env.has('durable_object', 'ASSERTION_KEY_SERVICE')) {
    report([], 'needs the binding ASSERTION_KEY_SERVICE, the namespace of AssertionKeyService')
  }
  const own = [...never].map(serverOf)
  return tables.flatMap(([name, raw]) => {
    const at = under(report, name)
    const read = readTable(TRANSMIT_KEYS, raw, at)
    const { audience, endpoint, authorization: secret, subjects } = read
    if (endpoint && own.includes(serverOf(endpoint.url))) {
      at(['endpoint'], 'is an address of the gate itself or of an origin')
    }
    for (const one of subjects ?? []) {
      if (!issuers.has(one)) at(['subjects'], unknownName('issuer', one, [...issuers.keys()]))
    }
    if (secret === undefined || audience === undefined || !endpoint) return []
    const authorization = checkHeaderSecret(secret, env, under(at, 'authorization'))
    const named = subjects ?? [...issuers.keys()]
    return {
      ...keptOf(TRANSMIT_KEYS, read),
      ...{ name, audience, secret, endpoint: endpoint.text },
      ...(authorization !== undefined && { authorization }),
      issuers: new Set(named.flatMap((one) => issuers.get(one)?.issuer ?? [])),
    }
  })
}
