import { compareBindings } from '../../compare/bindings.ts'
import { comparePolicies } from '../../compare/compare.ts'
import type { Finding } from '../../compare/findings.ts'
import { listed } from '../../compare/words.ts'
import type { CommandRow } from '../base/command.ts'
import { type FilePolicy, type PolicyChoice, readFilePolicy } from '../base/file-policy.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'

/** The environment of both files. */
type DiffOptions = Pick<PolicyChoice, 'env'>

export const diffCommand: CommandRow<DiffOptions> = {
  usage: 'diff OLD NEW',
  description: 'Show which agents gain or lose access when a new policy replaces an old one.',
  example: 'diff deployed.toml wrangler.toml --env staging',
  help: `
The command compares which requests the two policies allow, not how they are written. It also compares the
tables of bindings that both policies name. If two settings cannot be compared, such as two conditions, the
change counts as wider. Values of secrets and addresses of the Worker are not compared.
Exit status: 0 access does not widen, 1 it widens, 2 cannot tell: a file has no valid policy.`,
  options: (command) =>
    command
      .argument('<old>', 'the wrangler.toml with the policy that is in force now')
      .argument('<new>', 'the wrangler.toml with the new policy')
      .option('--env <name>', 'compare this environment of both files'),
  run: ([old = '', next = ''], options) => diff(old, next, options),
}

/**
 * Says who gains and who loses what when the policy of one wrangler.toml takes the place of
 * another's. The answer is no where access widens, or may. Judges the policies and the tables of the
 * bindings that they name: not where they are deployed, what the values of secrets are, or what
 * issuers put into tokens.
 */
export async function diff(
  before: string,
  after: string,
  { env }: DiffOptions = {},
): Promise<Outcome> {
  const old = await readFilePolicy({ file: before, env })
  if (!old.ok) return old.reason
  const now = await readFilePolicy({ file: after, env })
  if (!now.ok) return now.reason
  const compared = await comparePolicies(old.value.policy, now.value.policy)
  if (!compared.ok) return cannotTell(`Cannot tell: ${compared.reason}.`)
  const parts = [compared.value, compareBindings(old.value, now.value)]
  const widens = parts.some((one) => one.widens)
  const ownersOf = ownersIn(old.value, now.value)
  const of = (side: 'gains' | 'loses' | 'changes') =>
    parts.flatMap((one) => one[side].map((finding) => ownersOf(finding)))
  const [gains, loses, changes] = [of('gains'), of('loses'), of('changes')]
  const isSame = [gains, loses, changes].every((one) => one.length === 0)
  return {
    exitCode: widens ? EXIT.no : EXIT.yes,
    json: { widens, before, after, environment: env ?? null, gains, loses, changes },
    out: [
      ...told('gains', gains),
      ...told('loses', loses),
      ...told('changes', changes),
      isSame ? 'Nothing changes.' : widens ? 'Access widens.' : 'Access does not widen.',
    ],
    err: [],
  }
}

/** A finding, and who is responsible for the rules that it applies to. */
type Owned = Finding & { readonly owners?: readonly string[] }

/** Finds the owners of a finding by the names of rules, which its labels begin with or contain. */
const ownersIn = (...sides: readonly FilePolicy[]) => {
  const owned = sides.flatMap(({ policy, owners }) =>
    policy.routes.flatMap(({ name, host }, i) => {
      const owner = owners[i]
      return owner === undefined ? [] : [{ owner, name, on: host ? ` on ${host}` : '' }]
    }),
  )
  return (finding: Finding): Owned => {
    const isOf = ({ name, on }: { readonly name: string; readonly on: string }) =>
      finding.of.some(
        (label) => `${label} `.startsWith(`${name}${on} `) || label.includes(`\`${name}\``),
      )
    const owners = [...new Set(owned.filter(isOf).map(({ owner }) => owner))]
    return owners.length === 0 ? finding : { ...finding, owners }
  }
}

/** Findings as lines for people. */
export function told(side: string, findings: readonly Owned[]): readonly string[] {
  return findings.map(
    ({ text, owners }) => `${side}: ${text}${owners ? ` (${listed(owners, 'and')})` : ''}`,
  )
}
