import { askedBy } from '../../compare/reach/reachable.ts'
import { type KindOfUse, usesOf } from '../../compare/scopes.ts'
import type { JsonObject } from '../../gate/base/json.ts'
import { ok } from '../../gate/base/result.ts'
import type { McpKind, McpRule } from '../../gate/model/mcp.ts'
import { writtenCondition } from '../../gate/policy/conditions/field.ts'
import {
  type RouteRow,
  routesOf,
  scopesText,
  type WrittenScopes,
  writtenScopes,
} from '../../gate/policy/reading/rows.ts'
import { showPolicy } from '../../gate/policy/show.ts'
import type { CommandRow } from '../base/command.ts'
import { type FilePolicy, readFilePolicy } from '../base/file-policy.ts'
import { cannotTell, columns, EXIT, type Outcome } from '../base/output.ts'
import { detailText } from '../base/steps.ts'
import { wranglerPath } from '../base/wrangler-names.ts'
import {
  type AgentOptions,
  agentOf,
  agentOfClaims,
  type Reached,
  routesOfAgent,
} from './routes-of-agent.ts'

export interface RoutesOptions extends AgentOptions {
  readonly file?: string
  /** This `[env.x]`; without it the top level. */
  readonly env?: string
}

export const routesCommand: CommandRow<RoutesOptions> = {
  usage: 'routes',
  description: 'List the rules of wrangler.toml, or those that a given agent could reach.',
  example: 'routes --env staging',
  help: `
With one of these options it lists the rules that such an agent could reach. An option that you leave
out excludes no rule. STILL ASKS lists what else a rule requires.
Exit status: 0 there are rules, 1 there are none that it could reach, 2 cannot tell.`,
  options: (command) =>
    command
      .argument('[file]', 'the file to read', 'wrangler.toml')
      .option('--env <name>', 'list the rules of this environment')
      .optionsGroup('Only what an agent could reach:')
      .option('--agent-type <type>', 'its agent type')
      .option('--scopes <scopes>', "the agent's scopes, separated by spaces")
      .option('--issuer <name>', 'the table of the issuer of its tokens')
      .option('--workflow <id>', 'the workflow its tokens are for')
      .option('--claims <json>', "its token's claims, to apply grants: JSON, or @FILE"),
  run: ([file = 'wrangler.toml'], options) => routes({ ...options, file }),
}

/** A rule with everything the configuration says of it. */
type Rule = RouteRow & JsonObject & { readonly owner?: string }

/** A column of the table: its heading, and its cell in the line of a rule and of a use below it. */
type Column<Row> = readonly [
  heading: string,
  cell: (row: Row) => string,
  use?: (use: UseRow) => string,
]

const MATCH: Column<Rule> = [
  'MATCH',
  ({ match }) => match,
  ({ kind, name }) => `  ${kind.slice(0, -1)} ${name}`,
]

const COLUMNS: readonly Column<Rule>[] = [
  MATCH,
  ['HOST', ({ host = '' }) => host],
  ['ACCESS', ({ access }) => access],
  ['NEEDS', ({ needs }) => needs, ({ needs }) => needs],
  [
    'AND',
    (rule) => detailText(askedBy(rule, ['scopes'])),
    ({ agent_types, when }) => detailText({ agent_types, when }),
  ],
  ['ISSUERS', ({ issuers }) => issuers.join(', ')],
  ['ORIGIN', ({ origin }) => origin],
  ['MODE', ({ mode }) => (mode === 'enforce' ? '' : mode)],
  ['OWNER', ({ owner = '' }) => owner],
]

/** A rule that an agent could reach. */
type ReachedRule = Rule &
  Pick<Reached, 'only' | 'asks'> &
  Partial<Pick<Reached, 'many'>> & { readonly uses: readonly UseRow[] }

const REACHED: readonly Column<ReachedRule>[] = [
  MATCH,
  ['HOST', ({ host = '' }) => host],
  ['ONLY', ({ only, many = [] }) => onlyText(only, many)],
  ['ACCESS', ({ access }) => access],
  ['STILL ASKS', ({ asks }) => detailText(asks), ({ asks = {} }) => detailText(asks)],
  ['ISSUERS', ({ issuers }) => issuers.join(', ')],
  ['ORIGIN', ({ origin }) => origin],
  ['MODE', ({ mode }) => (mode === 'enforce' ? '' : `${mode}: denied requests go on`)],
  ['OWNER', ({ owner = '' }) => owner],
]

/** Values of path parameters, as alternatives. */
const onlyText = (only: Reached['only'], many: Reached['many']): string =>
  [
    ...only.map((one) =>
      Object.entries(one)
        .map(([name, value]) => `{${name}} = ${value}`)
        .join(' and '),
    ),
    ...(many.length > 0
      ? [`some of many values of ${many.map((name) => `{${name}}`).join(', ')}`]
      : []),
  ].join(', or ')

/**
 * The rules of a wrangler.toml in the order they are tried, and what each needs; if options describe an agent, only the
 * rules that it could reach. If there are no rules, the exit status is 1. Empty columns are left out. Prints no
 * warnings: `check` does.
 */
export async function routes({
  file: named = 'wrangler.toml',
  env,
  ...options
}: RoutesOptions): Promise<Outcome> {
  const agent = agentOf(options)
  const file = wranglerPath(named)
  const read = await readFilePolicy({ file, env }, EXIT.no)
  if (!read.ok) return read.reason
  const { policy, environment } = read.value
  const rules = rulesOf(read.value)
  const json = { valid: true, file, environment }
  if (Object.keys(agent).length === 0) {
    const below = new Map(rules.map((rule, i) => [rule, usesBelow(policy.routes[i]?.mcp)] as const))
    const out = tableOf(COLUMNS, rules, (rule) => below.get(rule) ?? [])
    return { exitCode: EXIT.yes, json: { ...json, routes: rules }, out, err: [] }
  }
  const token = agent.claims === undefined ? undefined : await agentOfClaims(policy, agent)
  if (token && !token.ok) return cannotTell(token.reason)
  const { claims, options: described = agent, granted_by = {}, refused } = token?.value ?? {}
  const found = refused ? ok([]) : await routesOfAgent(policy, rules, described, claims)
  if (!found.ok) return cannotTell(found.reason)
  const reached = found.value.flatMap(
    ({ route, uses, issuers, only, many, asks }): readonly ReachedRule[] => {
      const rule = rules[policy.routes.indexOf(route)]
      const own = { issuers, only, ...(many.length > 0 && { many }), asks }
      return rule ? [{ ...rule, ...own, uses: uses.map((use) => reachedUse(use, described)) }] : []
    },
  )
  const isNone = reached.length === 0
  return {
    exitCode: isNone ? EXIT.no : EXIT.yes,
    json: { ...json, agent: described, ...(claims && { granted_by, refused }), routes: reached },
    out: [
      ...Object.entries(granted_by).map(([scope, names]) => `${scope}: by ${names.join(', ')}`),
      ...(isNone
        ? [refused ? `Such a token is refused: ${refused}.` : 'Such an agent reaches no rule.']
        : tableOf(REACHED, reached, ({ uses }) => uses)),
    ],
    err: [],
  }
}

const tableOf = <Row>(
  all: readonly Column<Row>[],
  rules: readonly Row[],
  below: (rule: Row) => readonly UseRow[],
): readonly string[] => {
  const cells = rules.flatMap((rule) => [
    all.map(([, cell]) => cell(rule) || '-'),
    ...below(rule).map((one) => all.map(([, , use]) => use?.(one) ?? '')),
  ])
  const told = all.flatMap(([heading], i) =>
    cells.some((row) => !['-', ''].includes(row[i] ?? '')) ? [{ heading, i }] : [],
  )
  return columns([
    told.map(({ heading }) => heading),
    ...cells.map((row) => told.map(({ i }) => row[i] ?? '')),
  ])
}

const rulesOf = ({ policy, owners }: FilePolicy): readonly Rule[] => {
  const shown = showPolicy(policy).routes
  return routesOf(policy).map((row, i) => ({
    ...shown[i],
    ...row,
    ...(owners[i] !== undefined && { owner: owners[i] }),
  }))
}

/** Something that may be used of an MCP server, as a line below its rule. */
interface UseRow {
  readonly kind: McpKind | 'methods'
  readonly name: string
  /** What the use needs in addition to what the rule needs, in words. */
  readonly needs: string
  readonly scopes: WrittenScopes
  readonly agent_types?: readonly string[]
  readonly when?: unknown
  /** For a described agent: what else a call requires. */
  readonly asks?: JsonObject
}

/** What may be used of an MCP server, in file order. */
const usesBelow = (rule: McpRule | undefined): readonly UseRow[] => {
  if (!rule) return []
  const ofMethod = { kind: 'methods', needs: NOTHING, scopes: [] } as const
  const methods = [...rule.methods].map((name) => ({ ...ofMethod, name }))
  return [...usesOf({ mcp: rule }).map(useRow), ...methods]
}

const NOTHING = 'nothing more'

/** One entry of a rule for an MCP server as a row. */
const useRow = ({ kind, use }: KindOfUse): UseRow => ({
  kind,
  name: use.pattern,
  needs: scopesText(use.scopes) ?? NOTHING,
  scopes: writtenScopes(use.scopes),
  ...(use.agentTypes && { agent_types: [...use.agentTypes] }),
  ...(use.when && { when: writtenCondition(use.when) }),
})

/** The line of something that an agent could use. */
const reachedUse = (one: KindOfUse, { agentType, scopes }: AgentOptions): UseRow => {
  const row = useRow(one)
  const { agent_types, when } = row
  return {
    ...row,
    asks: {
      ...(scopes === undefined && one.use.scopes.scopes.length > 0 && { scopes: row.scopes }),
      ...(agentType === undefined && agent_types && { agent_types }),
      ...(when !== undefined && { when }),
    },
  }
}
