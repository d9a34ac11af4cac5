import { type Denial, declaredDenials } from '../base/denial.ts'
import type { AgentKey } from '../model/agents.ts'
import type { Policy } from '../model/policy.ts'
import { distance } from '../policy/reading/issues.ts'
import { isWithin } from '../policy/reading/rows.ts'
import { type Admin, ownIssuer, refuse } from './context.ts'
import { isKnown } from './request.ts'

/** What a request can name, and the names that this gate has; with `within`, the `iss` of an issuer, only its own. */
const NAMED = {
  issuer: ({ issuers }: Policy, within?: string) =>
    [...issuers.values()]
      .filter(({ issuer }) => within === undefined || issuer === within)
      .flatMap(({ name, issuer }) => [name, issuer]),
  rule: ({ routes }: Policy, within?: string) =>
    routes
      .filter((route) => within === undefined || isWithin(route, within))
      .map(({ name }) => name),
  code: () => declaredDenials().flatMap(({ rows }) => Object.keys(rows)),
} as const

type Named = keyof typeof NAMED

/** Names as a request gives them. */
type Names = Readonly<Partial<Record<Named, string | undefined>>>

/** Most names that a message lists, and the most different characters of a name that was meant. */
const [MOST, FAR] = [10, 3]

/** What is wrong with a name that this gate does not have, with the nearest names that it has. */
const unknownText = (c: Admin, what: Named, given: string): string => {
  const names = NAMED[what](c.get('policy'), ownIssuer(c))
  const limit = Math.min(FAR, Math.ceil(given.length / 3))
  const near = names
    .map((name) => ({ name, steps: distance(given, name, limit) ?? Number.POSITIVE_INFINITY }))
    .filter(({ steps }) => steps <= limit)
    .sort((a, b) => a.steps - b.steps)[0]
  const said = `is not ${what === 'issuer' ? 'an' : 'a'} ${what} of this gate`
  if (near) return `${said}; did you mean ${near.name}?`
  if (what === 'code') return said
  const more = names.length > MOST ? ', …' : ''
  return `${said}; it has ${names.slice(0, MOST).join(', ') || 'none'}${more}`
}

/**
 * The `iss` of the issuer that a request names, by its `iss` or by the name of its table. Refuses any other name. An
 * `iss` that the policy does not have stays as it is: the gate may remember something of an issuer that it had.
 * Administrators of one issuer can name only their own: any other text stays as it is, and is out of their reach.
 */
export function readIssuer<Given extends string | undefined>(
  c: Admin,
  given: Given,
  invalid: Denial,
  path = 'issuer',
): Given | string {
  const { issuers } = c.get('policy')
  if (given === undefined || issuers.has(given)) return given
  const own = ownIssuer(c)
  const named = [...issuers.values()].find(({ name }) => name === given)?.issuer
  if (named !== undefined && (own === undefined || own === named)) return named
  if (own !== undefined || given.includes('://')) return given
  return refuse(c, invalid, { problems: [{ path, message: unknownText(c, 'issuer', given) }] })
}

/** The first of some names that this gate does not have, and what is wrong with it. */
export function unknownIn(c: Admin, given: Names, prefix = '') {
  const policy = c.get('policy')
  for (const [name, value] of Object.entries(given)) {
    if (!(name in NAMED) || value === undefined) continue
    const what = name as Named
    const isThere =
      what === 'issuer'
        ? isKnown(policy, { kind: 'agent', issuer: value })
        : NAMED[what](policy, ownIssuer(c)).includes(value)
    if (!isThere) return { path: prefix + what, message: unknownText(c, what, value) }
  }
  return undefined
}

/**
 * Refuses names that this gate does not have. Lists call it where nothing was found: what is stored can have names of
 * an earlier policy.
 */
export function mustHaveNames(c: Admin, given: Names, invalid: Denial, prefix = ''): void {
  const problem = unknownIn(c, given, prefix)
  if (problem) refuse(c, invalid, { problems: [problem] })
}

/** How a request names an agent without its issuer: by the id that the issuer gives it, or by its name at origins. */
interface Nameless {
  readonly id?: string | undefined
  readonly name?: string | undefined
}

/** The agents that can be meant. Only a prefix tells issuers apart. */
const agentsNamed = (c: Admin, { id, name = '' }: Nameless): readonly AgentKey[] => {
  const own = ownIssuer(c)
  const policy = c.get('policy')
  const all = [...policy.issuers.values()].filter(({ issuer }) => [undefined, issuer].includes(own))
  const actors = own === undefined ? all.flatMap(({ delegation }) => [...delegation.issuers]) : []
  const others = [...new Set(actors)].filter((issuer) => !policy.issuers.has(issuer))
  return [...all, ...others.map((issuer) => ({ issuer, agentPrefix: '' }))].flatMap(
    ({ issuer, agentPrefix: prefix = '' }) => {
      if (id !== undefined) return { issuer, agent: id }
      const isIts = name.startsWith(prefix) && name !== prefix
      return isIts ? { issuer, agent: name.slice(prefix.length) } : []
    },
  )
}

/**
 * The one agent that a request names without an issuer. Where agents of several issuers can be meant, it is the one
 * that `isThere` finds. The request is refused if that finds several, or with `isLasting`, if that finds none. `prefix`
 * is that of the parameter's name.
 */
export async function readAgent(
  c: Admin,
  given: Nameless,
  invalid: Denial,
  isThere: (agent: AgentKey) => Promise<boolean>,
  isLasting = false,
  prefix = '',
): Promise<AgentKey> {
  const wrong = (message: string) => {
    const path = given.name === undefined ? 'agent' : 'agent_name'
    return refuse(c, invalid, { problems: [{ path: prefix + path, message }] })
  }
  const all = agentsNamed(c, given)
  if (all.length > MOST) return wrong('needs the issuer')
  const found = await Promise.all(all.map(async (one) => all.length === 1 || isThere(one)))
  const there = all.filter((_, i) => found[i])
  const [first] = there.length > 0 ? there : all
  if (!first) return wrong('begins with no agent_prefix of an issuer of this gate')
  if (there.length === 1 || (there.length === 0 && !isLasting)) return first
  const { issuers } = c.get('policy')
  const names = (there.length > 0 ? there : all).map(
    ({ issuer }) => issuers.get(issuer)?.name ?? issuer,
  )
  return wrong(`can be of several issuers; add the issuer: ${names.join(' or ')}`)
}
