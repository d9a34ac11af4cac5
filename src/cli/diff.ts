import { comparePolicies } from '../policy/compare/compare.ts'
import type { Finding } from '../policy/compare/findings.ts'
import { fileFaultOutcome, readFilePolicy } from './file-policy.ts'
import { cannotTell, EXIT, type Outcome } from './output.ts'

export interface DiffOptions {
  /** This `[env.x]` of both files; without it the top level. */
  readonly env?: string
}

/**
 * Says who gains and who loses what when the policy of one wrangler.toml takes the place of
 * another's. The answer is no where access widens, or may. Judges policies only: neither the
 * deployment beside them nor what issuers put into tokens.
 */
export const diff = async (
  before: string,
  after: string,
  { env }: DiffOptions = {},
): Promise<Outcome> => {
  const [old, now] = [
    await readFilePolicy({ file: before, env }),
    await readFilePolicy({ file: after, env }),
  ]
  for (const read of [old, now]) {
    // A file without a policy lets nobody pass, but that is hardly what is asked.
    if (!read.ok) return fileFaultOutcome(read.reason, EXIT.unknown)
  }
  if (!old.ok || !now.ok) return cannotTell('Both files must hold a policy.')
  const compared = await comparePolicies(old.value.policy, now.value.policy)
  if (!compared.ok) return cannotTell(`Cannot tell: ${compared.reason}.`)
  const { widens, gains, loses, changes } = compared.value
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

const told = (side: string, findings: readonly Finding[]): readonly string[] =>
  findings.map(({ text }) => `${side}: ${text}`)
