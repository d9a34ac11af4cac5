import { CASES, type Case } from './cases.ts'
import type { Driver } from './drivers.ts'
import { MODELS } from './places.ts'

/** Why a client cannot be measured in a case; `undefined` if it can. */
const lackOf = ({ lacks }: Driver, { needs }: Case): string | undefined => needs && lacks[needs]

/** Whether a case is one of what the client calls: MCP, or another API. */
const isOf = ({ path }: Driver, { mcp, models }: Case): boolean =>
  path === MODELS ? !mcp : !models

/** Whether a client is run in a case. */
export function isMeasured(driver: Driver, one: Case): boolean {
  return isOf(driver, one) && lackOf(driver, one) === undefined
}

/** The cases in which a client cannot be measured, by why. */
export function unmeasured(driver: Driver): ReadonlyMap<string, readonly string[]> {
  const lacking = CASES.filter((one) => isOf(driver, one) && !isMeasured(driver, one))
  const byReason = Map.groupBy(lacking, (one) => lackOf(driver, one) ?? '')
  return new Map([...byReason].map(([why, cases]) => [why, cases.map(({ name }) => name)]))
}
