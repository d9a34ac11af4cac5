import type { Issuer } from '../core/model/issuer.ts'
import { quoteAll, type Report } from './issues.ts'
import type { RouteEntry } from './route-keys.ts'

/** Claims whose values are names that each issuer gives out by itself. */
const NAMING: ReadonlySet<string> = new Set(['sub', 'client_id', 'azp'])

/**
 * A rule that asks for somebody, or for a workflow, by name: where it takes tokens of several issuers, each of
 * them can have somebody else of that name.
 */
export function warnSharedNames(
  { workflow, delegation = {}, claims = [] }: RouteEntry,
  issuers: readonly Issuer[],
  report: Report,
): void {
  if (issuers.length < 2) return
  const names = quoteAll(issuers.map(({ name }) => name))
  const shared = (path: Parameters<Report>[0], what: string, how: string): void =>
    report(path, `takes this name from each of ${names}, where it can be another ${what}: ${how}`)
  const choose = 'write the one that is meant into issuers'
  if (workflow) shared(['workflow'], 'workflow', choose)
  for (const key of ['actors', 'subjects'] as const) {
    for (const [i, { sub, issuer }] of (delegation[key] ?? []).entries()) {
      if (issuer !== undefined) continue
      shared(
        ['delegation', key, i],
        key.slice(0, -1),
        `write { issuer = "…", sub = ${JSON.stringify(sub)} }`,
      )
    }
  }
  for (const { path } of claims) {
    const claim = path.join('.')
    if (NAMING.has(claim)) shared(['claims', claim], claim === 'sub' ? 'subject' : 'client', choose)
  }
}
