import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { denialGroups } from '../../src/command/base/denials.ts'
import { COMMANDS } from '../../src/command/commands.ts'
import { METRICS } from '../../src/control/api/metrics.ts'
import { PROBLEMS } from '../../src/control/audit/health.ts'
import { DIALECT_DOCS } from '../../src/gate/answer/dialect-docs.ts'
import { answerRow } from '../../src/gate/base/denial.ts'
import { GUARD } from '../../src/gate/guard/guard.ts'
import { type ClaimPath, claimPathText } from '../../src/gate/model/claims.ts'
import { PROFILES, type Profile } from '../../src/gate/policy/keys/profiles.ts'
import { type DocumentedTable, TABLES } from '../../src/gate/policy/tables.ts'
import { renderCosts } from '../bench/costs/costs-table.ts'
import { plotOf } from '../bench/growth/plot.ts'
import { lastGrowth } from '../bench/growth/report.ts'
import { PLOTS, renderGrowth } from '../bench/growth/words.ts'
import type { Report } from '../bench/report.ts'
import { renderRevocations } from '../bench/revocation-table.ts'
import {
  renderApprovals,
  renderMain,
  renderParts,
  renderPolicyTable,
  renderSurroundings,
  renderTable,
  renderUploads,
} from '../bench/table.ts'
import { renderTargets } from '../bench/targets.ts'
import { keyRows, policySchema, SCHEMA_FILE } from './policy-docs.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** A table cell: a `|` would end it. */
const cell = (text: string): string => text.replaceAll('|', '\\|')

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const denialTables = (): string =>
  denialGroups()
    .map(({ title, rows }) => {
      const lines = rows.map(([name, [answer, summary, hint]]) => {
        const { status, error } = answerRow(answer)
        return [
          `<a id="${name}"></a>${code(name)}`,
          error === undefined ? `${status}` : `${status} ${code(error)}`,
          cell(summary),
          cell(hint),
        ]
      })
      return `### ${title}\n\n${tableOf(['code', 'answer', 'meaning', 'what to do'], lines)}`
    })
    .join('\n\n')

const stageTable = (): string =>
  tableOf(
    ['', 'stage', 'established when it passes'],
    GUARD.stages.map(({ name, establishes }, i) => [`${i + 1}`, `\`${name}\``, cell(establishes)]),
  )

const code = (text: string): string => `\`${text}\``
const codes = (texts: readonly string[], between = ', '): string => texts.map(code).join(between)
const pathCodes = (paths: readonly ClaimPath[], between?: string): string =>
  codes(paths.map(claimPathText), between)

const NONE = '–'

/** What an access token has of its own, the strongest that a profile asks for. */
const toldBy = ({ types, claims, clientId, clientRequired, agentic }: Profile): string => {
  const rules = Object.entries(claims).map(([path, expected]) =>
    typeof expected === 'object' && 'pattern' in expected
      ? `${code(path)} matches ${code(expected.pattern)}`
      : `${code(path)} is ${codes([expected].flat().map(String), ' or ')}`,
  )
  if (agentic) return '`intent` and `agent_proof` are present'
  if (rules.length > 0) return rules.join(', ')
  if (clientRequired) return `${pathCodes(clientId, ' or ')} is present`
  return types.every((type) => type === 'at+jwt') ? 'header `typ`' : '`aud` alone'
}

/** What RFC 9068 tokens have under these names, and other issuers do not always. */
const NOT_ALWAYS = ['aud', 'sub', 'jti']

const profileTable = (): string =>
  tableOf(
    [
      'profile',
      'header `typ`',
      'agent id',
      'agent type',
      'client id',
      'scope',
      'required claims',
      'longest lifetime',
      'distinguished from ID tokens by',
      'claims that may be missing',
    ],
    Object.entries(PROFILES as Readonly<Record<string, Profile>>).map(([name, profile]) => [
      code(name),
      profile.types.map((type) => (type === 'absent' ? 'none' : code(type))).join(', '),
      pathCodes(profile.agentId),
      code(profile.entityProfiles ? 'sub_profile' : 'agent_type'),
      pathCodes(profile.clientId),
      [profile.scope, profile.scopeElse]
        .filter((paths) => paths.length > 0)
        .map((paths) => pathCodes(paths))
        .join('; without it ') || NONE,
      codes(profile.requiredClaims, ' '),
      profile.maxLifetime > 7_200
        ? `${profile.maxLifetime / 3_600}h`
        : `${profile.maxLifetime / 60}m`,
      toldBy(profile),
      codes(NOT_ALWAYS.filter((claim) => !profile.requiredClaims.includes(claim))) || NONE,
    ]),
  )

/** What workloads are told whose token is for another resource. */
const audienceTable = (): string =>
  tableOf(
    ['profile', '`hint`'],
    Object.entries(PROFILES as Readonly<Record<string, Profile>>).flatMap(
      ([name, { audienceHint }]) =>
        audienceHint === undefined ? [] : [[code(name), code(audienceHint)]],
    ),
  )

const commandTable = (): string =>
  tableOf(
    ['command', 'what it does'],
    // A bar would end the cell.
    COMMANDS.map(({ usage, description }) => [
      code(`npx edgewarden ${usage.replaceAll('|', '\\|')}`),
      description,
    ]),
  )

const dialectTable = (): string =>
  tableOf(
    ['client', 'recognized by', 'body of a refusal', 'end of a cut stream'],
    Object.values(DIALECT_DOCS).map(({ clients, asked, refusal, last }) =>
      [clients, asked, refusal, last].map(cell),
    ),
  )

/** Rows with a name and a meaning. */
const meaningTable = (what: string, rows: Readonly<Record<string, string>>) => (): string =>
  tableOf(
    [what, 'meaning'],
    Object.entries(rows).map(([name, meaning]) => [code(name), cell(meaning)]),
  )

/** Of the last whole run of the bench, or of its costs. */
const measured =
  <Of = Report>(render: (report: Of) => string, file = 'latest') =>
  (): string =>
    render(JSON.parse(readFileSync(join(ROOT, `dev/bench/results/${file}.json`), 'utf8')))

/** The keys of a table of the configuration. */
const keyTable =
  (table: DocumentedTable) =>
  (page: string): string =>
    tableOf(
      ['key', 'default', 'meaning', 'example'],
      keyRows(table, page).map((cells) => cells.map(cell)),
    )

/** What stands between `<!-- generated: name -->` and `<!-- /generated -->`, by name. */
const BLOCKS: Readonly<Record<string, (page: string) => string>> = {
  denials: denialTables,
  dialects: dialectTable,
  stages: stageTable,
  profiles: profileTable,
  audiences: audienceTable,
  commands: commandTable,
  metrics: meaningTable('metric', METRICS),
  problems: meaningTable('problem', PROBLEMS),
  bench: measured((report) => `${renderMain(report)}\n\n${renderSurroundings(report)}`),
  'bench-all': measured(renderTable),
  'bench-approvals': measured(renderApprovals),
  'bench-uploads': measured(renderUploads),
  'bench-parts': measured(renderParts),
  'bench-costs': measured(renderCosts, 'costs'),
  'bench-policy': measured(renderPolicyTable),
  'bench-revocations': measured(renderRevocations),
  'bench-targets': measured(renderTargets),
  'bench-growth': () => renderGrowth(lastGrowth()),
  ...Object.fromEntries(
    Object.entries(TABLES).map(([name, table]) => [`keys-${name}`, keyTable(table)]),
  ),
}

/** The pages that hold generated blocks, and the blocks that must be in each. */
export const GENERATED_PAGES: Readonly<Record<string, readonly string[]>> = {
  'docs/commands.md': ['commands'],
  'docs/agents.md': ['dialects'],
  'docs/approvals.md': ['keys-approval', 'keys-call-approval'],
  'docs/audit.md': ['keys-audit'],
  'docs/configuration/assertion.md': ['keys-assertion'],
  'docs/configuration/conditions.md': ['keys-when'],
  'docs/configuration/delegation.md': ['keys-delegation', 'keys-actor'],
  'docs/configuration/gate.md': ['keys-gate', 'keys-unread-body', 'keys-journal', 'keys-console'],
  'docs/configuration/issuers.md': [
    'keys-issuer',
    'keys-jwks-cache',
    'keys-claim',
    'keys-events',
    'keys-effects',
    'keys-poll',
    'keys-person',
    'keys-decrypt',
  ],
  'docs/configuration/rate-limits.md': ['keys-rate-limit', 'keys-address-limit'],
  'docs/configuration/revocation-set.md': ['keys-revocation'],
  'docs/configuration/routes.md': [
    'keys-rule',
    'keys-scopes',
    'keys-authorization-details',
    'keys-credential',
    'keys-cors',
  ],
  'docs/denials.md': ['denials'],
  'docs/deploy.md': ['keys-team'],
  'docs/events/send.md': ['keys-transmit'],
  'docs/grants.md': ['keys-grant'],
  'docs/health.md': ['problems', 'metrics'],
  'docs/issuers.md': ['audiences', 'profiles'],
  'docs/mcp.md': ['keys-mcp', 'keys-mcp-name'],
  'dev/bench/results/latest.md': [
    'bench-targets',
    'bench-parts',
    'bench-revocations',
    'bench-approvals',
    'bench-uploads',
    'bench-all',
  ],
  'docs/performance.md': ['bench', 'bench-policy'],
  'docs/request.md': ['stages'],
  'docs/scale.md': ['bench-costs', 'bench-growth'],
  'docs/watch.md': ['keys-watch'],
}

const BLOCK = /(<!-- generated: ([a-z-]+) -->\n).*?(<!-- \/generated -->)/gs

/** Names of the generated blocks of a page, in its order. */
export const blocksOf = (page: string): readonly string[] =>
  [...page.matchAll(BLOCK)].map(([, , name]) => name ?? '')

/** A page, by its path, with its generated blocks as the code has them now. Throws on an unknown block. */
export const regenerated = (path: string, page: string): string =>
  page.replace(BLOCK, (_all, open: string, name: string, close: string) => {
    const block = BLOCKS[name]
    if (!block) throw new Error(`there is no generated block "${name}"`)
    return `${open}\n${block(path)}\n\n${close}`
  })

/** The JSON Schema of policies as the code has it now. */
export const regeneratedSchema = (): string => `${JSON.stringify(policySchema(), undefined, 2)}\n`

/** Every generated file, as it should be. */
const generated = (): readonly (readonly [path: string, text: string])[] => [
  ...Object.keys(GENERATED_PAGES).map(
    (path) => [path, regenerated(path, readFileSync(join(ROOT, path), 'utf8'))] as const,
  ),
  [SCHEMA_FILE, regeneratedSchema()],
  ...lastGrowth().plots.map((growth) => [`${PLOTS}/${growth.name}.svg`, plotOf(growth)] as const),
]

/** Writes every generated file that is not as it should be; tells of each. */
export const writeGenerated = (tell: (text: string) => void): void => {
  for (const [path, next] of generated()) {
    const file = join(ROOT, path)
    const isCurrent = existsSync(file) && readFileSync(file, 'utf8') === next
    if (!isCurrent) {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, next)
    }
    tell(`${path}: ${isCurrent ? 'is up to date' : 'written'}`)
  }
}

if (import.meta.main) writeGenerated(console.log)
