import { KINDS, type Kind } from './kinds.ts'
import { ASKING } from './policy.ts'
import type { Algorithm } from './public-key.ts'

/** A Worker that takes part. */
interface Contender {
  /** Short name, as `--only` takes it. */
  readonly name: string
  readonly title: string
  /** A file of `contenders/`, or `gate` for the Worker as it is deployed, or `other` for another build of it. */
  readonly module:
    | 'pass-through'
    | 'jose'
    | 'jose-plus'
    | 'oauth4webapi'
    | 'oauth4webapi-plus'
    | 'gate'
    | 'other'
  /** No token is sent twice; else each connection repeats a token of its own. */
  readonly newTokens?: true
  /** Proofs are for `http:`, which is what plain workerd says of a request; else for the resource. */
  readonly httpProofs?: true
  readonly alg?: Algorithm
  /** Laid over the gate's GATE; every gate has one. */
  readonly gate?: Readonly<Record<string, unknown>>
  /** Laid over the rule for GET. */
  readonly rule?: Readonly<Record<string, unknown>>
  /** Rules of the gate's policy. */
  readonly rules?: number
  /** Laid over the variables of the gate's policy. */
  readonly vars?: Readonly<Record<string, unknown>>
  /** Whether each request asks for a path of its own. */
  readonly manyPaths?: true
  /** Whether the revocation set is the large one, instead of empty. */
  readonly largeSet?: true
  /** The audit of a gate: stored by an object in the same process, which tells the registry, or dropped by one that stores nothing. */
  readonly audit?: 'stored' | 'dropped' | 'none'
}

/** One line of the comparison: a Worker that is sent one kind of request, before an origin. */
export interface Row extends Contender {
  /** Group and name. */
  readonly id: string
  /** What all rows have in common that are compared: the kind of request, and where the origin is. */
  readonly group: string
  readonly kind: Kind
  /** Whether the origin is reached over HTTP; else by a service binding. */
  readonly overHttp: boolean
}

const a: Contender = { name: 'a', title: 'pass-through, verifies nothing', module: 'pass-through' }
const b: Contender = { name: 'b', title: '`jose.jwtVerify`', module: 'jose' }
const bPlus: Contender = {
  name: 'b+',
  title: '(b), plus identity headers and a journal line',
  module: 'jose-plus',
}

const o: Contender = {
  name: 'o',
  title: '`validateJwtAccessToken` of oauth4webapi',
  module: 'oauth4webapi',
  httpProofs: true,
}
const oPlus: Contender = {
  ...o,
  name: 'o+',
  title: '(o), plus identity headers and a journal line',
  module: 'oauth4webapi-plus',
}

/** A gate as `edgewarden init` deploys it: audit, registry, `identity` assertion, bounded revocation. */
const gate = (name: string, what: string, more: Partial<Contender> = {}): Contender => ({
  name: `gate${name}`,
  title: `gate, ${what}`,
  module: 'gate',
  audit: 'stored',
  gate: {},
  ...more,
})

const known = gate('', 'known token')
const window = gate('', 'known token, `replay = "window"`', { rule: { replay: 'window' } })
const exact = gate('-exact', 'known token, `replay = "exact"`')
const fresh = gate('-new', 'a new token in each request', { newTokens: true })

const rowsOf = (kind: Kind, overHttp: boolean, ...contenders: readonly Contender[]): Row[] =>
  contenders.map((contender) => {
    const group = overHttp ? `${kind.id}-http` : kind.id
    return { ...contender, id: `${group}.${contender.name}`, group, kind, overHttp }
  })

const templates = {
  scopes: { any: ['documents:read:{id}', 'documents:{id}:read', 'documents:read'] },
  agent_types: ['assistant', 'sub-agent'],
  delegation: { max_depth: 2 },
}

/** The gate in other settings, each beside the usual one. */
const VARIANTS: readonly Contender[] = [
  { ...b, name: 'b-rs256', title: '`jose.jwtVerify`, RS256', alg: 'RS256' },
  gate('-new-rs256', 'a new token in each request, RS256', { newTokens: true, alg: 'RS256' }),
  gate('-bare', 'no audit, no registry, no assertion', {
    audit: 'none',
    gate: { assertion: 'off' },
  }),
  gate('-no-audit', 'no audit, no registry, and a journal of denials as with an audit', {
    audit: 'none',
    gate: { journal: { allowed: 0 } },
  }),
  gate('-audit-dropped', 'an audit that stores nothing, no registry', { audit: 'dropped' }),
  gate('-no-assertion', 'no assertion', { gate: { assertion: 'off' } }),
  gate('-1m', '1,000,000 revocations', {
    largeSet: true,
    // Replicas would copy the whole set meanwhile.
    gate: { revocation: { shards: 1 } },
  }),
  gate('-paths', 'a new path in each request', { manyPaths: true }),
  gate('-rules', 'a new path in each request, 1,000 rules', { manyPaths: true, rules: 1_000 }),
  gate('-templates', 'templates and agent types', { rule: templates }),
  gate('-templates-paths', 'templates and agent types, a new path in each request', {
    rule: templates,
    manyPaths: true,
  }),
  gate('-when', 'a condition', {
    rule: {
      when: 'agent.type == "assistant" && request.params.id.startsWith("doc_") && !(now.getHours() in [24, 25]) && token.workflow_id.endsWith("report")',
    },
  }),
  gate('-approval', 'another rule has `approval`', {
    gate: ASKING.gate,
    vars: { ...ASKING.vars, ROUTES_MORE: [ASKING.rule] },
  }),
  gate('-request', 'a `request` assertion', { gate: { assertion: 'request' } }),
  gate('-strict', 'strict revocation', { gate: { revocation: { consistency: 'strict' } } }),
  gate('-limit', 'an exact limit', {
    rule: { rate_limit: { limit: 1_000_000, period: '1s' } },
  }),
]

/** Everything that is measured, in the order of the table. */
export const LINEUP: readonly Row[] = [
  ...[false, true].flatMap((overHttp) => [
    ...rowsOf(KINDS.post, overHttp, a, b, bPlus, known, fresh),
    ...rowsOf(KINDS.get, overHttp, a, b, bPlus, known, fresh),
    ...(overHttp ? [] : rowsOf(KINDS.get, false, ...VARIANTS)),
    ...(overHttp ? [] : rowsOf(KINDS.dpop, false, a, o, oPlus, window, exact)),
    ...(overHttp ? [] : [KINDS.sized, KINDS.unsized]).flatMap((kind) =>
      rowsOf(kind, false, a, known),
    ),
    ...rowsOf(KINDS.sse, overHttp, a, bPlus, known),
    ...rowsOf(KINDS.upload, overHttp, a, bPlus, known),
    ...rowsOf(KINDS.smallCall, overHttp, a, known),
    ...rowsOf(KINDS.largeCall, overHttp, a, known),
  ]),
]

/** The row that others of its group are measured above. */
export const baseOf = (group: string): string => `${group}.${a.name}`

/** Whether a row is sent nothing twice, of what says who asks. */
export const isSentOnce = ({ newTokens, kind }: Row): boolean => Boolean(newTokens || kind.hasProof)

/** A row, and beside a gate another build of it that is sent the same. */
export const withOther = (row: Row): readonly Row[] =>
  row.module === 'gate'
    ? [
        row,
        { ...row, id: otherOf(row.id), title: `${row.title}, the other build`, module: 'other' },
      ]
    : [row]

/** The id of the other build. */
export const otherOf = (id: string): string => `${id}-other`

/** What rows are compared within, in the order of the table. */
export const GROUPS: readonly string[] = [...new Set(LINEUP.map(({ group }) => group))]
