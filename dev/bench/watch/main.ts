/** `node dev/bench/watch/main.ts [FLEETS [AGENTS [WEEKS]]]`: runs fleets, and writes their plot and numbers into docs. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KINDS } from './fleet.ts'
import { foundShare, type Run, simulate, sum, THEFTS } from './simulate.ts'

const DOCS = join(import.meta.dirname, '../../../docs')
const [fleets = 8, agents = 1_000, weeks = 8] = process.argv.slice(2).map(Number)

interface Point {
  readonly alerts: number
  readonly found: number
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`
/** Of the alerts of all fleets, those of one in a week. */
const aWeek = (alerts: number) => {
  const each = alerts / weeks / fleets
  return each < 10 ? each.toFixed(1) : Math.round(each).toLocaleString('en')
}

const pointsOf = (run: Run, rule: 'z' | 'limits'): readonly Point[] =>
  run[rule].alerts.map((alerts, i) => ({
    alerts,
    found: (run[rule].found[i] ?? 0) / run.thefts.volume.tried,
  }))

const width = 640
const height = 300
const x = (alerts: number) => 60 + (Math.log10(Math.max(alerts / weeks / fleets, 0.1)) + 1) * 110
const y = (found: number) => 20 + (1 - found) * 230

const plotOf = (run: Run): string => {
  const text = (at: readonly [number, number], words: string, anchor = 'middle') =>
    `<text x="${at[0].toFixed(0)}" y="${at[1].toFixed(0)}" text-anchor="${anchor}">${words}</text>`
  const line = (points: readonly Point[], colour: string) =>
    `<polyline fill="none" stroke="${colour}" points="${points.map(({ alerts, found }) => `${x(alerts).toFixed(0)},${y(found).toFixed(0)}`).join(' ')}"/>`
  const own = run.thefts.volume.found / run.thefts.volume.tried
  const [ownX, ownY] = [x(run.alerts.volume), y(own)]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<title>False alerts a week against thefts of volume found</title>',
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...[0.1, 1, 10, 100, 1_000, 10_000].map((a) => text([x(a * weeks * fleets), 268], String(a))),
    ...[0, 0.25, 0.5, 0.75, 1].map((f) =>
      text([52, y(f) + 4], percent(f).replace('.0', ''), 'end'),
    ),
    `<path d="M60 20V250H${width - 20}" fill="none" stroke="#888"/>`,
    text([width / 2, 290], 'false alerts a week (volume), 1,000 agents'),
    line(pointsOf(run, 'z'), '#c33'),
    text(
      [x(run.z.alerts[4] ?? 1), y((run.z.found[4] ?? 0) / run.thefts.volume.tried) + 18],
      'z-score 2 to 32',
      'start',
    ),
    line(pointsOf(run, 'limits'), '#36c'),
    text(
      [
        x(run.limits.alerts[2] ?? 1) + 8,
        y((run.limits.found[2] ?? 0) / run.thefts.volume.tried) + 4,
      ],
      'one limit for all, 25 to 3,200',
      'start',
    ),
    `<circle cx="${ownX.toFixed(0)}" cy="${ownY.toFixed(0)}" r="5" fill="#283"/>`,
    text([ownX + 8, ownY - 6], 'WATCH', 'start'),
    '</svg>',
    '',
  ].join('\n')
}

/** What a reader of docs/watch.md wants to know. */
const summaryOf = (run: Run, changed: Run): string =>
  [
    `In ${fleets} fleets of ${agents.toLocaleString('en')} agents over ${weeks} weeks it finds ${percent(foundShare(run))} of the thefts within 15 minutes.`,
    `A fleet has **${aWeek(sum(run.alerts))} false alerts a week**. In a fleet where one agent of ten takes up one or two new`,
    `tools, there are ${(changed.news / weeks).toFixed(0)} alerts more a week, each about such a tool.`,
  ].join('\n')

const tableOf = (run: Run): string => {
  const { volume } = run.thefts
  const all = sum(run.alerts)
  // The root of a Poisson count deviates by a half.
  const [low, high] = [-0.98, 0.98].map((away) => aWeek((Math.sqrt(all) + away) ** 2))
  const told = (counts: Record<string, number>, mark: string) =>
    Object.entries(counts)
      .filter(([, n]) => n > 0)
      .map(([name, n]) => `${mark}${name}${mark} ${n}`)
      .join(', ')
  return [
    `${fleets} fleets of ${agents.toLocaleString('en')} agents, ${weeks} weeks each, seeds 1 to ${fleets}: ${(run.requests / 1e6).toFixed(0)} million requests.`,
    `A fleet has **${aWeek(all)} false alerts a week**, with a confidence of 95 % ${low} to ${high}: in all ${all}, ${Math.min(...run.fleets)} to ${Math.max(...run.fleets)} in a fleet.`,
    `By signal: ${told(run.alerts, '`')}. By kind of agent: ${told(run.byKind, '')}.`,
    '',
    `| theft | found within 15 minutes | ${KINDS.join(' | ')} |`,
    `| --- | --: |${KINDS.map(() => ' --: |').join('')}`,
    ...THEFTS.map((theft) => {
      const { tried, found, byKind } = run.thefts[theft]
      const shares = KINDS.map((kind) =>
        byKind[kind].tried > 0 ? percent(byKind[kind].found / byKind[kind].tried) : '–',
      )
      return `| ${theft} (${tried.toLocaleString('en')}) | ${percent(found / tried)} | ${shares.join(' | ')} |`
    }),
    '',
    `All together, each kind of theft weighing the same: ${percent(foundShare(run))}.`,
    '',
    '| volume by | false alerts a week | thefts of volume found |',
    '| --- | --: | --: |',
    `| \`WATCH\` | ${aWeek(run.alerts.volume)} | ${percent(volume.found / volume.tried)} |`,
    `| the bound alone | ${aWeek(run.bound.alerts[0] ?? 0)} | ${percent((run.bound.found[0] ?? 0) / volume.tried)} |`,
  ].join('\n')
}

const seeds = Array.from({ length: fleets }, (_, i) => i + 1)
const run = simulate({ seeds, agents, weeks })
const changed = simulate({ seeds: [1], agents, weeks, changes: true, thefts: 0 })
writeFileSync(join(DOCS, 'watch.svg'), plotOf(run))
for (const [page, text] of [
  [join(DOCS, 'watch.md'), summaryOf(run, changed)],
  [join(import.meta.dirname, 'results.md'), tableOf(run)],
] as const) {
  const [before = '', , after = ''] = readFileSync(page, 'utf8').split(/<!-- \/?simulated -->/)
  writeFileSync(page, `${before}<!-- simulated -->\n\n${text}\n\n<!-- /simulated -->${after}`)
}
