/** The output of `check --since`. */

import type { PlacedIssue } from '../../compare/wrangler/places.ts'
import type { PolicyReading } from '../../compare/wrangler/reading.ts'
import { placed } from '../base/file-policy.ts'
import { ownManifest } from '../base/files.ts'
import type { WranglerEnvironment } from '../base/wrangler-file.ts'
import { type Change, type Changed, changesSince, isNewer } from '../lints/changes.ts'

/** An environment, and its policy as it was read. */
export interface EnvironmentReading extends PolicyReading {
  readonly environment: WranglerEnvironment
}

/** What differs for the policy of an environment since a version, with places; nothing if no version is given. */
export function changesOf(
  { environment, vars, parsed }: EnvironmentReading,
  since: string | undefined,
  changes: readonly Change[],
): { readonly changes?: readonly (Changed & PlacedIssue)[] } {
  if (since === undefined) return {}
  const policy = parsed.ok ? parsed.value.policy : undefined
  return { changes: placed(environment, changesSince(since, vars, policy, changes)) }
}

/** The line that is printed if nothing differs in any environment. */
export function sinceLines(
  findings: readonly { readonly changes?: readonly Changed[] }[],
  since: string | undefined,
): readonly string[] {
  if (since === undefined || findings.some(({ changes = [] }) => changes.length > 0)) return []
  const { version } = ownManifest()
  return isNewer(since, version)
    ? [`this is ${version}, older than ${since}: what a rollback needs is in docs/upgrading.md`]
    : [`since ${since}: nothing is different for this policy`]
}
