import { type JsonObject, own } from '../base/json.ts'
import type { Policy } from '../model/policy.ts'
import { type RouteRow, routesOf } from '../policy/rows.ts'
import { showPolicy } from '../policy/show.ts'
import { columns } from './columns.ts'
import { fileFaultOutcome, readFilePolicy } from './file-policy.ts'
import { EXIT, type Outcome } from './output.ts'
import { detailText } from './steps.ts'

export interface RoutesOptions {
  readonly file?: string
  /** This `[env.x]`; without it the top level. */
  readonly env?: string
}

/** A rule with everything the configuration says of it. */
type Rule = RouteRow & JsonObject

/** What a rule may ask for beside scopes. */
const FURTHER = ['agent_types', 'workflow', 'audiences', 'max_lifetime', 'claims', 'delegation']

const COLUMNS: readonly (readonly [heading: string, cell: (rule: Rule) => string])[] = [
  ['MATCH', ({ match }) => match],
  ['HOST', ({ host = '' }) => host],
  ['ACCESS', ({ access }) => access],
  ['NEEDS', ({ needs }) => needs],
  ['AND', (rule) => detailText(Object.fromEntries(FURTHER.map((name) => [name, own(rule, name)])))],
  ['ISSUERS', ({ issuers }) => issuers.join(', ')],
  ['ORIGIN', ({ origin }) => origin],
  ['MODE', ({ mode }) => (mode === 'enforce' ? '' : mode)],
]

/**
 * The rules of a wrangler.toml in the order they are tried, and what each needs. A column that says
 * nothing of any rule is left out. Warns of nothing: that is `check`.
 */
export const routes = async ({ file = 'wrangler.toml', env }: RoutesOptions): Promise<Outcome> => {
  const read = await readFilePolicy({ file, env })
  if (!read.ok) return fileFaultOutcome(read.reason, EXIT.no)
  const { policy, environment } = read.value
  const rules = rulesOf(policy)
  const told = COLUMNS.map(
    ([heading, cell]) => [heading, rules.map((rule) => cell(rule) || '-')] as const,
  ).filter(([, cells]) => cells.some((cell) => cell !== '-'))
  const headings = told.map(([heading]) => heading)
  const rows = rules.map((_, i) => told.map(([, cells]) => cells[i] ?? ''))
  return {
    exitCode: EXIT.yes,
    json: { valid: true, file, environment, routes: rules },
    out: columns([headings, ...rows]),
    err: [],
  }
}

const rulesOf = (policy: Policy): readonly Rule[] => {
  const shown = showPolicy(policy).routes
  return routesOf(policy).map((row, i) => ({ ...shown[i], ...row }))
}
