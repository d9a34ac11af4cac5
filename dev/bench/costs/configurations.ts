import { KINDS, type Kind } from '../kinds.ts'

/** A gate whose requests are counted. */
export interface Configuration {
  readonly id: string
  readonly title: string
  readonly kind: Kind
  /** Laid over GATE. */
  readonly gate?: Readonly<Record<string, unknown>>
  /** Laid over the rule. */
  readonly rule?: Readonly<Record<string, unknown>>
  /** Laid over the variables of the policy. */
  readonly vars?: Readonly<Record<string, unknown>>
  /** The binding of the gate whose objects the bench calls itself, by the socket `objects`. */
  readonly reaches?: string
  readonly hasAudit: boolean
  /** Whether each request has a new token. */
  readonly newTokens?: true
}

/** As `edgewarden init` deploys it, with changes. */
const like = (id: string, title: string, more: Partial<Configuration> = {}): Configuration => ({
  id,
  title,
  kind: KINDS.get,
  hasAudit: true,
  ...more,
  gate: { assertion: 'identity', ...more.gate },
})

/** All that are measured, in the order of the table. */
export const CONFIGURATIONS: readonly Configuration[] = [
  like('init', 'as `edgewarden init` deploys it'),
  like('no-audit', 'without an audit', { hasAudit: false }),
  like('strict', '`revocation = "strict"`', { rule: { revocation: 'strict' } }),
  like('limit', 'an exact limit', { rule: { rate_limit: { limit: 1_000_000, period: '1s' } } }),
  like('single-use', '`single_use`', { rule: { single_use: true }, newTokens: true }),
  like('dpop', 'DPoP, `replay = "exact"`', { kind: KINDS.dpop, rule: { replay: 'exact' } }),
  like('request', '`assertion = "request"`', { gate: { assertion: 'request' } }),
  like('mcp', 'MCP tool call of 1 KB', { kind: KINDS.smallCall }),
  like('new', 'a new token in each request', { newTokens: true }),
]
