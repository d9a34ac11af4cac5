import { type Cell, runAll, worldOf } from './cells.ts'
import { isGood } from './results.ts'
import { SABOTAGES } from './sabotage.ts'

/** Runs the cells against each wrong gate. Says whether all cells that must find it did. */
export async function findAll(cells: readonly Cell[], atOnce: number): Promise<boolean> {
  let isFound = true
  for (const [name, sabotage] of Object.entries(SABOTAGES)) {
    const finders = cells.filter((cell) => sabotage.cases.includes(cell.case.name))
    const world = await worldOf(finders, sabotage)
    const results = await runAll(world, finders, atOnce)
    await Promise.race([world.close(), new Promise((done) => setTimeout(done, 5000))])
    const blind = results.filter(({ verdict }) => isGood(verdict))
    console.log(`${name}: ${results.length - blind.length} of ${results.length} cells find it`)
    for (const one of blind) {
      console.log(`  not found by ${one.client}, ${one.case}: ${one.gate.did}, ${one.gate.text}`)
    }
    isFound &&= blind.length === 0 && results.length > 0
  }
  return isFound
}
