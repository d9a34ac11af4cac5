/** One line of the comparison: a Worker, and the tokens it is asked with. */
export interface Contender {
  /** Short name, as `--only` takes it. */
  readonly id: string
  readonly title: string
  /** A file of `contenders/`, or `gate` for the Worker as it is deployed. */
  readonly module: 'pass-through' | 'jose' | 'hono-jwk' | 'subtle' | 'gate' | 'gate-ceiling'
  /** `warm`: each connection repeats a token of its own. `new`: no token is sent twice. */
  readonly tokens: 'warm' | 'new'
  /** Laid over the gate's GATE. */
  readonly gate?: Readonly<Record<string, unknown>>
  /** Rules of the gate's policy; every request meets the last one. */
  readonly rules?: number
  /** Whether each request asks for a path of its own, so that no decision can be remembered. */
  readonly manyPaths?: boolean
}

/** Few rules, as a usual policy has. */
export const USUAL_RULES = 10

const quiet = { journal: { allowed: 0 } }

/** Everything that is compared, in the order of the table. */
export const LINEUP: readonly Contender[] = [
  { id: 'a', title: 'pass-through Worker', module: 'pass-through', tokens: 'warm' },
  { id: 'b', title: '`jose.jwtVerify`, keys imported once', module: 'jose', tokens: 'new' },
  { id: 'c', title: '`hono/jwk`, keys inline', module: 'hono-jwk', tokens: 'new' },
  { id: 'd', title: 'bare `crypto.subtle.verify`', module: 'subtle', tokens: 'new' },
  { id: 'e', title: 'gate, warm', module: 'gate', tokens: 'warm' },
  { id: 'f', title: 'gate, new token each request', module: 'gate', tokens: 'new' },
  { id: 'e-quiet', title: 'gate, warm, journal off', module: 'gate', tokens: 'warm', gate: quiet },
  {
    id: 'f-quiet',
    title: 'gate, new token each request, journal off',
    module: 'gate',
    tokens: 'new',
    gate: quiet,
  },
  {
    id: 'e-open',
    title: 'gate, warm, no revocation call',
    module: 'gate-ceiling',
    tokens: 'warm',
  },
  {
    id: 'f-open',
    title: 'gate, new token each request, no revocation call',
    module: 'gate-ceiling',
    tokens: 'new',
  },
  {
    id: 'e-open-quiet',
    title: 'gate, warm, no revocation call, journal off',
    module: 'gate-ceiling',
    tokens: 'warm',
    gate: quiet,
  },
  {
    id: 'f-open-quiet',
    title: 'gate, new token each request, no revocation call, journal off',
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
]

/** Whether a contender is the gate itself. */
export const isGate = ({ module }: Contender): boolean => module.startsWith('gate')

/** The contenders named, in the table's order. Throws for a name that is none. */
export const chosen = (ids: readonly string[] | undefined): readonly Contender[] => {
  const unknown = ids?.filter((id) => !LINEUP.some((one) => one.id === id)) ?? []
  if (unknown.length > 0) {
    const known = LINEUP.map(({ id }) => id).join(', ')
    throw new Error(`no such contender: ${unknown.join(', ')}; there are ${known}`)
  }
  return LINEUP.filter(({ id }) => ids?.includes(id) ?? true)
}
