import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Report, readReport } from '../bench/report.ts'
import {
  renderDifferences,
  renderMain,
  renderPolicyTable,
  renderSteps,
  renderSurroundings,
} from '../bench/table.ts'
import { renderTargets } from '../bench/targets.ts'
import { forwardDenials } from '../src/answer/forward.ts'
import { bodyDenials } from '../src/apps/body.ts'
import { explainDenials } from '../src/apps/explain.ts'
import { gatewayDenials } from '../src/apps/gateway.ts'
import { revocationDenials } from '../src/apps/revocations.ts'
import { chainDenials } from '../src/base/chain.ts'
import { answerRow, type DenialRow } from '../src/base/denial.ts'
import { GUARD } from '../src/guard.ts'

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
    group('At the origin', forwardDenials),
    group("At the gate's own endpoints", bodyDenials, revocationDenials, explainDenials),
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

/** Of the last whole run of the bench. */
const measured = (render: (report: Report) => string) => (): string =>
  render(readReport(readFileSync(join(ROOT, 'bench/results/latest.json'), 'utf8')))

/** What stands between `<!-- generated: name -->` and `<!-- /generated -->`, by name. */
const BLOCKS: Readonly<Record<string, () => string>> = {
  denials: denialTables,
  stages: stageTable,
  bench: measured((report) => `${renderMain(report)}\n\n${renderSurroundings(report)}`),
  'bench-differences': measured(renderDifferences),
  'bench-policy': measured(renderPolicyTable),
  'bench-steps': measured(renderSteps),
  'bench-targets': measured(renderTargets),
}

/** The pages that hold generated blocks, and the blocks that must be in each. */
export const GENERATED_PAGES: Readonly<Record<string, readonly string[]>> = {
  'README.md': ['stages', 'bench'],
  'docs/denials.md': ['denials'],
  'docs/performance.md': ['bench-differences', 'bench-steps', 'bench-policy', 'bench-targets'],
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
