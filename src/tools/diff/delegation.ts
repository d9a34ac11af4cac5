import type { ActorRule, DelegationRule } from '../../core/model/issuer.ts'
import { type Excess, ISSUERS, listed, type MetBy, surplus } from './matched-rule.ts'

/** What an issuer's limits and a rule's come to together. */
type Limits = ReturnType<typeof limitsOf>

const both = (
  one: Iterable<string> | undefined,
  two: Iterable<string> | undefined,
): ReadonlySet<string> | undefined => {
  if (!one || !two) return one || two ? new Set(one ?? two) : undefined
  const second = new Set(two)
  return new Set([...one].filter((item) => second.has(item)))
}

const MAY_ACT = [undefined, 'if_present', 'required']

const limitsOf = ({ issuer, route }: MetBy) => {
  const rules = [issuer.delegation, route.delegation].filter((rule) => rule !== undefined)
  const actors = (rule: DelegationRule | undefined) =>
    rule?.actors?.map((actor: ActorRule) => `${actor.sub} of ${actor.issuer ?? issuer.issuer}`)
  const subjects = (rule: DelegationRule | undefined) =>
    rule?.subjects
      ?.filter((one) => (one.issuer ?? issuer.issuer) === issuer.issuer)
      .map(({ sub }) => sub)
  const [first, second] = rules
  return {
    depth: Math.min(...rules.map(({ maxDepth }) => maxDepth)),
    requireActor: rules.some(({ requireActor }) => requireActor),
    actors: both(actors(first), actors(second)),
    subjects: both(subjects(first), subjects(second)),
    issuers: both(first?.issuers, second?.issuers),
    mayAct: Math.max(...rules.map(({ mayAct }) => MAY_ACT.indexOf(mayAct))),
  }
}

type Row = (one: Limits, other: Limits) => readonly [who: string, asked: string] | undefined

const more = (
  set: Iterable<string> | undefined,
  other: Iterable<string> | undefined,
  who: (names: string) => string,
  asked: (names: string) => string,
) => {
  const found = surplus(set, other)
  return found.length === 0
    ? undefined
    : ([who(found === 'all' ? 'anybody' : listed(found)), asked(listed(other ?? []))] as const)
}

const ROWS: readonly Row[] = [
  (one, other) =>
    one.depth > other.depth
      ? [`that passed through up to ${one.depth} agents`, `up to ${other.depth}`]
      : undefined,
  (one, other) =>
    other.requireActor && !one.requireActor ? ['without an actor', 'an actor'] : undefined,
  (one, other) =>
    one.depth === 0
      ? undefined
      : more(
          one.actors,
          other.actors,
          (names) => `whose actor is ${names}`,
          (names) => `the actor ${names}`,
        ),
  (one, other) =>
    one.depth === 0
      ? undefined
      : more(
          one.issuers,
          other.issuers,
          (names) => `with actors of ${names}`,
          (names) => (names === '' ? 'actors of its own' : `actors of ${names} or its own`),
        ),
  (one, other) =>
    more(
      one.subjects,
      other.subjects,
      (names) => `on behalf of ${names}`,
      (names) => `the subject ${names}`,
    ),
  (one, other) =>
    one.mayAct < other.mayAct
      ? [
          one.mayAct === 0 ? 'whatever their may_act says' : 'without may_act',
          other.mayAct === 2 ? 'may_act' : 'a may_act that fits, if any',
        ]
      : undefined,
]

/** Chains of actors (RFC 8693 §4.1) that one rule takes of an issuer's tokens and another does not. */
export function delegationExcess(one: MetBy, other: MetBy): readonly Excess[] {
  const [ours, theirs] = [limitsOf(one), limitsOf(other)]
  return ROWS.flatMap((row) => {
    const [who, asked] = row(ours, theirs) ?? []
    if (who === undefined || asked === undefined) return []
    return [{ who: `tokens of ${ISSUERS} ${who}`, issuer: one.issuer.name, asked }]
  })
}
