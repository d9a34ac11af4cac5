import { listOf, objectOf, ownText } from '../../gate/base/json.ts'
import { issueIf, type PolicyIssue, quoteAll } from '../../gate/policy/reading/issues.ts'
import type { PolicyVars } from '../../gate/policy/reading/vars.ts'
import type { WranglerEnvironment } from '../base/wrangler-file.ts'

/** An environment with the policy's variables in it. */
export interface Level {
  readonly environment: WranglerEnvironment
  readonly vars: PolicyVars
}

/**
 * What the top level has and an environment lacks, since it inherits neither variables nor bindings; and whether both
 * accept the same tokens. A variable with entries of its own is assumed to differ on purpose.
 */
export function forgotten(level: Level, top: Level): readonly PolicyIssue[] {
  if (level.environment.name === undefined) return []
  const [here, there] = [level.vars, top.vars]
  const bound = Object.keys(level.environment.bound)
  const unbound = Object.keys(top.environment.bound).filter((name) => !bound.includes(name))
  return [
    ...lack('ISSUERS', keysOf(here.ISSUERS), keysOf(there.ISSUERS), 'and refuses their tokens'),
    ...lack(
      'SCOPES',
      keysOf(here.SCOPES),
      keysOf(there.SCOPES),
      'which include no other scope here',
    ),
    ...lack('ROUTES', rulesOf(here), rulesOf(there), 'and answers 404 for them'),
    ...lack('bindings', [], unbound, 'which the top level has'),
    ...crossing(here, there),
  ]
}

const lack = (
  path: string,
  here: readonly string[],
  there: readonly string[],
  so: string,
): readonly PolicyIssue[] => {
  const missing = there.filter((one) => !here.includes(one))
  const isOwn = here.some((one) => !there.includes(one))
  return issueIf(
    missing.length > 0 && !isOwn,
    path,
    `lacks ${quoteAll(missing)} of the top level, ${so}`,
  )
}

/** The warning that one of two deployments accepts tokens for the other as well. */
const crossing = (here: PolicyVars, there: PolicyVars): readonly PolicyIssue[] => {
  const resource = text(here.GATE, 'resource')
  const issuers = new Set(valuesOf(there.ISSUERS).map((one) => text(one, 'issuer')))
  const isShared = valuesOf(here.ISSUERS).some((one) => issuers.has(text(one, 'issuer')))
  return issueIf(
    resource !== undefined && resource === text(there.GATE, 'resource') && isShared,
    'GATE.resource',
    'is that of the top level, and both accept the same issuer: a token for one deployment is accepted by the other',
  )
}

const text = (table: unknown, key: string) => ownText(objectOf(table), key)
const keysOf = (table: unknown) => Object.keys(objectOf(table))
const valuesOf = (table: unknown) => Object.values(objectOf(table))

const rulesOf = ({ ROUTES }: PolicyVars): readonly string[] =>
  listOf(ROUTES).flatMap((rule) => text(rule, 'match') ?? [])
