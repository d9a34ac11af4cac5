import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { textOf } from './cases.ts'
import { again, type Cell, runAll, TABLE, worldOf } from './cells.ts'
import { SHORT } from './drivers.ts'
import { BLOCK, isGood, PAGES, type Result, render } from './results.ts'
import { findAll } from './sabotaged.ts'

const OUTCOMES = new URL('outcomes.json', import.meta.url)
const AT_ONCE = 4

const isSabotage = process.argv[2] === '--sabotage'
const [only = '', onlyCase = ''] = process.argv.slice(isSabotage ? 3 : 2)
const CELLS = TABLE.filter(
  ({ driver, case: { name } }) => driver.name.includes(only) && name.includes(onlyCase),
)

// A client's error that no promise of it has.
const stray: string[] = []
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error: unknown) => stray.push(textOf(error)))
}
const fail = (error: unknown): never => {
  console.error(textOf(error))
  process.exit(1)
}
if (isSabotage) process.exit((await findAll(CELLS, AT_ONCE).catch(fail)) ? 0 : 1)

const ALL = CELLS.flatMap((cell) => [cell, again(cell)])
const world = await worldOf(ALL).catch(fail)
const isAlone = ({ driver, case: { alone, short, person } }: Cell) =>
  alone || (short && !person && driver.lifetime > SHORT)
const first = [
  ...(await runAll(
    world,
    CELLS.filter((cell) => !isAlone(cell)),
    AT_ONCE,
  )),
  ...(await runAll(world, CELLS.filter(isAlone), 1)),
]
// A process that is slow to start, or a machine that is busy, can let a token expire too soon.
const failed = first.filter(({ verdict }) => !isGood(verdict))
const isSame = (one: Pick<Result, 'client' | 'case'>, other: Pick<Result, 'client' | 'case'>) =>
  one.client === other.client && one.case === other.case
const isFailed = ({ driver, case: { name } }: Cell) =>
  failed.some((one) => isSame(one, { client: driver.name, case: name }))
const second = await runAll(world, CELLS.filter(isFailed).map(again), 1)
const ran = [
  ...first.filter(({ verdict }) => isGood(verdict)),
  ...second.map((one) => ({ ...one, isAgain: true })),
]
// Those that are run replace theirs of the run before.
const kept = existsSync(OUTCOMES) ? JSON.parse(readFileSync(OUTCOMES, 'utf8')).results : []
const results: readonly Result[] = [
  ...kept.filter((old: Result) => !ran.some((one) => isSame(one, old))),
  ...ran,
]
writeFileSync(OUTCOMES, JSON.stringify({ results, failed, stray }, undefined, 2))
// A checkout without outcomes.json, where only some cells were run, keeps its tables.
const hasRun = ({ driver, case: { name } }: Cell) =>
  results.some((one) => isSame(one, { client: driver.name, case: name }))
if (TABLE.every(hasRun)) {
  for (const [page, drivers] of PAGES) {
    const text = readFileSync(page, 'utf8')
    writeFileSync(
      page,
      text.replace(BLOCK, (_, begin, end) => begin + render(results, drivers) + end),
    )
  }
}
await Promise.race([world.close(), wait(5000)])
process.exit()
