import { durationMs } from '../gate/base/duration.ts'
import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../gate/base/json.ts'
import { type Comparison, createFindings } from './findings.ts'
import { acceptsMore, grants, type Judge, neutral, sameText, type Table } from './judges.ts'
import { type Compared, changesOf, GATE_TABLE, ISSUER_TABLE, RULE_TABLE } from './settings.ts'

/** One table of a policy as it is shown, and how its keys are compared. */
interface Part {
  readonly shown: JsonObject
  readonly table?: Table
  /** For keys that the table does not have. */
  readonly judge?: Judge
  /** Of an issuer. */
  readonly grants?: readonly JsonObject[]
}

type Parts = ReadonlyMap<string, Part>

/**
 * Compares two policies as `PREFIX/policy` shows them, key by key. Does not find which requests and callers they allow, as
 * `comparePolicies` does. So a new rule, and other scopes of a rule, are in `changes`.
 */
export function compareShown(before: JsonObject, after: JsonObject): Comparison {
  const findings = createFindings()
  const [old, now] = [partsOf(before), partsOf(after)]
  for (const name of new Set([...old.keys(), ...now.keys()])) {
    const [one, other] = [old.get(name), now.get(name)]
    if (one && other) {
      const { table = {}, judge } = other
      const changes = changesOf(table, comparedPart(one, other), comparedPart(other, one), judge)
      for (const change of changes) findings.setting(name, change)
    } else findings.plain('changes', name, one ? 'is removed' : 'is new')
  }
  if (orderOf(old, now) !== orderOf(now, old)) {
    findings.plain('changes', 'ROUTES', 'the rules are in another order')
  }
  return findings.all()
}

/** The names of the rules that both policies have, in the order of the first one. */
const orderOf = (parts: Parts, others: Parts): string =>
  [...parts]
    .flatMap(([name, { table }]) => (table === OF_RULE && others.has(name) ? name : []))
    .join('\n')

/** Judges that also report what `diff` finds by requests. */
const reporting = (table: Table): Table =>
  Object.fromEntries(
    Object.entries(table).map(([key, judge]): [string, Judge] => [
      key,
      (before, after) => {
        const directions = judge(before, after)
        return directions.length > 0 ? directions : neutral()
      },
    ]),
  )

const OF_GATE = reporting(GATE_TABLE)
const OF_ISSUER = { ...reporting(ISSUER_TABLE), grants }
const OF_RULE = reporting(RULE_TABLE)

/** The tables of a policy, by what findings call them. */
const partsOf = (policy: JsonObject): Parts => {
  const tablesIn = (name: string) => Object.entries(objectOf(own(policy, name)))
  const grantsOf = (issuer: string) =>
    tablesIn('grants')
      .map(([, grant]) => objectOf(grant))
      .filter((grant) => own(grant, 'issuer') === issuer)
  const issuers = tablesIn('issuers').map(([name, shown]): [string, Part] => [
    `issuer ${name}`,
    { shown: objectOf(shown), table: OF_ISSUER, grants: grantsOf(name) },
  ])
  const rules = listOf(own(policy, 'routes')).map((rule): [string, Part] => {
    const shown = objectOf(rule)
    const [match, host] = ['match', 'host'].map((key) => ownText(shown, key))
    const name = host === undefined ? `${match}` : `${match} on ${host}`
    return [name, { shown: withDelay(shown), table: OF_RULE }]
  })
  const watch = tablesIn('watch').map(([name, shown]): [string, Part] => [
    `WATCH ${name}`,
    { shown: objectOf(shown) },
  ])
  const transmit = tablesIn('transmit').map(([name, shown]): [string, Part] => [
    `TRANSMIT ${name}`,
    { shown: objectOf(shown), judge: neutral },
  ])
  const audit = own(policy, 'audit')
  return new Map<string, Part>([
    ['GATE', { shown: withBinding(objectOf(own(policy, 'gate'))), table: OF_GATE }],
    ...issuers,
    ...rules,
    ['SCOPES', { shown: objectOf(own(policy, 'scopes')), judge: acceptsMore }],
    ...watch,
    ...transmit,
    ...(isObject(audit) ? [['AUDIT', { shown: audit, judge: neutral }] as const] : []),
  ])
}

/** The settings of GATE with the parts of `assertion`, in the form in which `diff` says them. */
const withBinding = (gate: JsonObject): JsonObject => {
  const binding = ownText(gate, 'assertion')
  return binding === undefined ? gate : { ...gate, assertion: { binding } }
}

/** A rule with the delay of its revocations, in the form in which `diff` says it. */
const withDelay = (rule: JsonObject): JsonObject => {
  const revocation = own(rule, 'revocation')
  if (!isObject(revocation)) return rule
  const isStrict = own(revocation, 'consistency') === 'strict'
  const late = isStrict ? 0 : durationMs(ownText(revocation, 'max_staleness') ?? '')
  return { ...rule, revocation: { late_by: `${late}ms` } }
}

/** A table to compare with another; of the grants only those that the other does not have are shown. */
const comparedPart = (part: Part, other: Part): Compared => {
  if (!part.grants) return part
  const known = other.grants?.map(sameText)
  const fresh = part.grants.filter((grant) => !known?.includes(sameText(grant)))
  const asPairs = (grant: JsonObject) => ({
    ...grant,
    claims: Object.entries(objectOf(own(grant, 'claims'))),
  })
  return {
    shown: { ...part.shown, grants: fresh.map(({ issuer: _, ...grant }) => grant) },
    hidden: { grants: part.grants.map(asPairs) },
  }
}
