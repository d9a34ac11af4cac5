/** What new versions of this package change for policies that older ones accepted. */
import type { Policy } from '../../gate/model/policy.ts'
import type { PolicyIssue } from '../../gate/policy/reading/issues.ts'
import type { PolicyVars } from '../../gate/policy/reading/vars.ts'

/** A change of what a policy means. A new key does not count: policies without it mean the same as before. */
export interface Change {
  /** The version that brings it. */
  readonly version: string
  /**
   * The places of a policy that the change affects, each with what to do. `policy` is missing if the variables have a
   * mistake, which may come from the change.
   */
  readonly judge: (vars: PolicyVars, policy: Policy | undefined) => readonly PolicyIssue[]
}

/** Every change, oldest version first. 0.1.0 is the first version. */
export const CHANGES: readonly Change[] = []

/** What is different at one place, and since which version. */
export interface Changed extends PolicyIssue {
  readonly version: string
}

/** Numbers of a version in their order (SemVer §11). All prereleases (`-rc.1`) of a version are equal. */
type Version = readonly [major: number, minor: number, patch: number, isRelease: number]

const versionOf = (text: string): Version | undefined => {
  const [, major, minor, patch, before] =
    /^v?(\d+)\.(\d+)\.(\d+)(-\S+)?(?:\+\S*)?$/.exec(text) ?? []
  return patch === undefined
    ? undefined
    : [Number(major), Number(minor), Number(patch), before === undefined ? 1 : 0]
}

/** Whether text is a version, such as `0.1.0`. */
export function isVersion(text: string): boolean {
  return versionOf(text) !== undefined
}

/** Whether one version comes after another; false if one of the texts is not a version. */
export function isNewer(one: string, other: string): boolean {
  const [left, right] = [versionOf(one), versionOf(other)]
  if (!left || !right) return false
  const differs = left.findIndex((number, i) => number !== right[i])
  return differs >= 0 && (left[differs] ?? 0) > (right[differs] ?? 0)
}

/** What is different for a policy that was last checked with version `since`. */
export function changesSince(
  since: string,
  vars: PolicyVars,
  policy: Policy | undefined,
  changes: readonly Change[],
): readonly Changed[] {
  return changes
    .filter(({ version }) => isNewer(version, since))
    .flatMap(({ version, judge }) => judge(vars, policy).map((issue) => ({ ...issue, version })))
}
