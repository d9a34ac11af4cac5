/** One line of the comparison: a Worker, and the tokens it is asked with. */
export interface Contender {
  /** Short name, as `--only` takes it. */
  readonly id: string
  readonly title: string
  /** A file of `contenders/`, or `gate` for the Worker as it is deployed. */
  readonly module:
    | 'pass-through'
    | 'jose'
    | 'hono-jwk'
    | 'subtle'
    | 'gate'
    | 'gate-ceiling'
    | 'steps'
  /** `warm`: each connection repeats a token of its own. `new`: no token is sent twice. */
  readonly tokens: 'warm' | 'new'
  /** Whether a forged token is refused; it is, unless this says otherwise. */
  readonly verifies?: boolean
  /** Laid over the gate's GATE. */
  readonly gate?: Readonly<Record<string, unknown>>
  /** Laid over the rule that is asked for. */
  readonly rule?: Readonly<Record<string, unknown>>
  /** Whether the revocation set is the large one, instead of empty. */
  readonly largeSet?: boolean
  /** Rules of the gate's policy; every request meets the last one. */
  readonly rules?: number
  /** Whether each request asks for a path of its own, so that no decision can be remembered. */
  readonly manyPaths?: boolean
  /** Bytes of the call of an MCP tool that is posted in place of asking for a document. */
  readonly toolCall?: number
  /** How often a request does the one thing that is measured. */
  readonly times?: number
}

const quiet = { journal: { allowed: 0 } }
// One shard, as replicas of a large set would copy all of it meanwhile.
const bounded = { revocation: { consistency: 'bounded', max_staleness: '5s', shards: 1 } }

/** What all others are measured against. */
export const PASS_THROUGH: Contender = {
  id: 'a',
  title: 'pass-through Worker, verifies nothing',
  module: 'pass-through',
  tokens: 'warm',
  verifies: false,
}

/** Calls of tools of two sizes: by the Worker that looks at nothing, and by the gate. */
const TOOL_CALLS: readonly Contender[] = [1_000, 100_000].flatMap((bytes): Contender[] => {
  const size = `${bytes / 1_000} KB`
  return [
    {
      id: `a-mcp-${bytes / 1_000}k`,
      title: `pass-through Worker, MCP tool call of ${size}`,
      module: 'pass-through',
      tokens: 'warm',
      verifies: false,
      toolCall: bytes,
    },
    {
      id: `m-mcp-${bytes / 1_000}k`,
      title: `gate, known token, MCP tool call of ${size}`,
      module: 'gate',
      tokens: 'warm',
      gate: { ...bounded, assertion: 'identity' },
      toolCall: bytes,
    },
  ]
})

/** Everything that is compared, in the order of the table. */
export const LINEUP: readonly Contender[] = [
  PASS_THROUGH,
  { id: 'b', title: '`jose.jwtVerify`, keys imported once', module: 'jose', tokens: 'new' },
  { id: 'c', title: '`hono/jwk`, keys inline', module: 'hono-jwk', tokens: 'new' },
  { id: 'd', title: 'bare `crypto.subtle.verify`', module: 'subtle', tokens: 'new' },
  {
    id: 'e-bounded',
    title: 'gate, known token',
    module: 'gate',
    tokens: 'warm',
    gate: bounded,
  },
  // Beside what it is compared to, so that both are measured at about the same time.
  {
    id: 'e-bounded-1m',
    title: 'gate, known token, 1,000,000 revocations',
    module: 'gate',
    tokens: 'warm',
    gate: bounded,
    largeSet: true,
  },
  {
    id: 'e-identity',
    title: 'gate, known token, assertion of who calls',
    module: 'gate',
    tokens: 'warm',
    gate: { ...bounded, assertion: 'identity' },
  },
  {
    id: 'e-request',
    title: 'gate, known token, assertion of each request',
    module: 'gate',
    tokens: 'warm',
    gate: { ...bounded, assertion: 'request' },
  },
  {
    id: 'e-body',
    title: 'gate, known token, assertion of each request and its body',
    module: 'gate',
    tokens: 'warm',
    gate: { ...bounded, assertion: 'body' },
  },
  {
    id: 'e-when',
    title: 'gate, known token, a condition, templates and types',
    module: 'gate',
    tokens: 'warm',
    gate: bounded,
    rule: {
      scopes: { any: ['documents:read:{id}', 'documents:{id}:read', 'documents:read'] },
      agent_types: ['assistant', 'sub-agent'],
      delegation: { max_depth: 2 },
      when: 'agent.type == "assistant" && request.params.id.startsWith("doc_") && !(now.getHours() in [24, 25]) && token.workflow_id.endsWith("report")',
    },
  },
  {
    id: 'e-limit',
    title: 'gate, known token, an exact limit',
    module: 'gate',
    tokens: 'warm',
    gate: bounded,
    rule: { rate_limit: { limit: 1_000_000, period: '1s' } },
  },
  {
    id: 'f-bounded',
    title: 'gate, new token each request',
    module: 'gate',
    tokens: 'new',
    gate: bounded,
  },
  { id: 'e', title: 'gate, known token, strict revocation', module: 'gate', tokens: 'warm' },
  {
    id: 'f',
    title: 'gate, new token each request, strict revocation',
    module: 'gate',
    tokens: 'new',
  },
  {
    id: 'e-quiet',
    title: 'gate, known token, strict revocation, journal off',
    module: 'gate',
    tokens: 'warm',
    gate: quiet,
  },
  {
    id: 'f-quiet',
    title: 'gate, new token each request, strict revocation, journal off',
    module: 'gate',
    tokens: 'new',
    gate: quiet,
  },
  {
    id: 'e-open',
    title: 'gate, known token, no revocation set',
    module: 'gate-ceiling',
    tokens: 'warm',
  },
  {
    id: 'f-open',
    title: 'gate, new token each request, no revocation set',
    module: 'gate-ceiling',
    tokens: 'new',
  },
  {
    id: 'e-open-quiet',
    title: 'gate, known token, no revocation set, journal off',
    module: 'gate-ceiling',
    tokens: 'warm',
    gate: quiet,
  },
  {
    id: 'f-open-quiet',
    title: 'gate, new token each request, no revocation set, journal off',
    module: 'gate-ceiling',
    tokens: 'new',
    gate: quiet,
  },
  {
    id: 'p-10',
    title: 'as e-open, each path new, 10 rules',
    module: 'gate-ceiling',
    tokens: 'warm',
    rules: 10,
    manyPaths: true,
  },
  {
    id: 'p-1000',
    title: 'as e-open, each path new, 1,000 rules',
    module: 'gate-ceiling',
    tokens: 'warm',
    rules: 1_000,
    manyPaths: true,
  },
  ...TOOL_CALLS,
]

/** Whether a contender is the gate itself. */
export const isGate = ({ module }: Contender): boolean => module.startsWith('gate')
