import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Report } from '../bench/report.ts'
import { renderRevocations } from '../bench/revocation-table.ts'
import { renderMain, renderPolicyTable, renderSurroundings, renderTable } from '../bench/table.ts'
import { renderTargets } from '../bench/targets.ts'
import { chainDenials } from '../src/core/chain.ts'
import { answerRow, type DenialRow } from '../src/core/denial.ts'
import { GUARD } from '../src/core/guard.ts'
import { type ClaimPath, claimPathText } from '../src/core/model/claims.ts'
import { contentDenials } from '../src/gateway/apps/body.ts'
import { explainDenials } from '../src/gateway/apps/explain.ts'
import { gatewayDenials } from '../src/gateway/apps/gateway.ts'
import { revocationDenials } from '../src/gateway/apps/revocations.ts'
import { forwardDenials } from '../src/gateway/relay/forward.ts'
import { mcpAnswerDenials } from '../src/mcp/answer/answer.ts'
import { serverSessionDenials } from '../src/mcp/answer/headers.ts'
import { PROFILES, type Profile } from '../src/policy/profiles.ts'

/** A part of the gate and the denial codes it declares. */
export interface DenialGroup {
  readonly title: string
  readonly rows: readonly (readonly [code: string, row: DenialRow])[]
}

const ROOT = fileURLToPath(new URL('../', import.meta.url))

const group = (
  title: string,
  ...tables: readonly { readonly rows: Readonly<Record<string, DenialRow>> }[]
): DenialGroup => ({ title, rows: tables.flatMap(({ rows }) => Object.entries(rows)) })

/** Every denial code of the gate, in the order a request can meet them. */
export const denialGroups = (): readonly DenialGroup[] =>
  [
    group('Before the line', gatewayDenials),
    ...GUARD.stages.map(({ name, denials }, i) => group(`${i + 1}. ${name}`, ...denials)),
    group('In any stage', chainDenials),
    group('At the origin', forwardDenials, serverSessionDenials, mcpAnswerDenials),
    group("At the gate's own endpoints", contentDenials, revocationDenials, explainDenials),
  ].filter(({ rows }) => rows.length > 0)

/** A table cell: a `|` would end it. */
const cell = (text: string): string => text.replaceAll('|', '\\|')

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const denialTables = (): string =>
  denialGroups()
    .map(({ title, rows }) => {
      const lines = rows.map(([code, [answer, summary, hint]]) => {
        const { status, error } = answerRow(answer)
        return [
          `<a id="${code}"></a>\`${code}\``,
          `${status}`,
          error === undefined ? '–' : `\`${error}\``,
          cell(summary),
          cell(hint),
        ]
      })
      return `### ${title}\n\n${tableOf(['code', 'status', 'error', 'meaning', 'what to do'], lines)}`
    })
    .join('\n\n')

const stageTable = (): string =>
  tableOf(
    ['', 'stage', 'what is known once it has passed'],
    GUARD.stages.map(({ name, establishes }, i) => [`${i + 1}`, `\`${name}\``, cell(establishes)]),
  )

const code = (text: string): string => `\`${text}\``
const codes = (texts: readonly string[], between = ', '): string => texts.map(code).join(between)
const pathCodes = (paths: readonly ClaimPath[], between?: string): string =>
  codes(paths.map(claimPathText), between)

const NONE = '–'

/** What an access token has of its own, the strongest that a profile asks for. */
const toldBy = ({ types, claims, clientId, clientRequired }: Profile): string => {
  const rules = Object.entries(claims).map(
    ([path, values]) => `${code(path)} is ${codes([values].flat(), ' or ')}`,
  )
  if (rules.length > 0) return rules.join(', ')
  if (clientRequired) return `${pathCodes(clientId, ' or ')} is there`
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
      'longest life',
      'told from ID tokens by',
      'may be missing',
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
        .join('; without it '),
      codes(profile.requiredClaims, ' '),
      profile.maxLifetime > 7_200
        ? `${profile.maxLifetime / 3_600}h`
        : `${profile.maxLifetime / 60}m`,
      toldBy(profile),
      codes(NOT_ALWAYS.filter((claim) => !profile.requiredClaims.includes(claim))) || NONE,
    ]),
  )

/** Of the last whole run of the bench. */
const measured = (render: (report: Report) => string) => (): string =>
  render(JSON.parse(readFileSync(join(ROOT, 'bench/results/latest.json'), 'utf8')))

/** What stands between `<!-- generated: name -->` and `<!-- /generated -->`, by name. */
const BLOCKS: Readonly<Record<string, () => string>> = {
  denials: denialTables,
  stages: stageTable,
  profiles: profileTable,
  bench: measured((report) => `${renderMain(report)}\n\n${renderSurroundings(report)}`),
  'bench-all': measured(renderTable),
  'bench-policy': measured(renderPolicyTable),
  'bench-revocations': measured(renderRevocations),
  'bench-targets': measured(renderTargets),
}

/** The pages that hold generated blocks, and the blocks that must be in each. */
export const GENERATED_PAGES: Readonly<Record<string, readonly string[]>> = {
  'README.md': ['stages', 'bench'],
  'docs/denials.md': ['denials'],
  'docs/issuers.md': ['profiles'],
  'docs/performance.md': ['bench-targets', 'bench-all', 'bench-policy'],
  'docs/scale.md': ['bench-revocations'],
}

const BLOCK = /(<!-- generated: ([a-z-]+) -->\n).*?(<!-- \/generated -->)/gs

/** Names of the generated blocks of a page, in its order. */
export const blocksOf = (page: string): readonly string[] =>
  [...page.matchAll(BLOCK)].map(([, , name]) => name ?? '')

/** A page with its generated blocks as the code has them now. Throws on an unknown block. */
export const regenerated = (page: string): string =>
  page.replace(BLOCK, (_all, open: string, name: string, close: string) => {
    const block = BLOCKS[name]
    if (!block) throw new Error(`there is no generated block "${name}"`)
    return `${open}\n${block()}\n\n${close}`
  })

if (import.meta.main) {
  for (const path of Object.keys(GENERATED_PAGES)) {
    const file = join(ROOT, path)
    const page = readFileSync(file, 'utf8')
    const next = regenerated(page)
    if (next !== page) writeFileSync(file, next)
    process.stdout.write(`${path}: ${next === page ? 'is up to date' : 'written'}\n`)
  }
}
