import { type PolicyReading, readEnvironment } from '../../compare/wrangler/reading.ts'
import { durationText } from '../../gate/base/duration.ts'
import { type JsonObject, ownText } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { mayAsk } from '../../gate/model/approval.ts'
import { entryLife, type Policy } from '../../gate/model/policy.ts'
import { issueIf, type PolicyIssue, pathText, quote } from '../../gate/policy/reading/issues.ts'
import { readWranglerFile, type WranglerEnvironment } from '../base/wrangler-file.ts'

/** An environment, its policy as it was read, and the name that its Worker is deployed by. */
export interface GateReading extends PolicyReading {
  readonly environment: WranglerEnvironment
  readonly worker: string
}

/** Reads the policies of all environments of a file. */
export function readGates(environments: readonly WranglerEnvironment[]): readonly GateReading[] {
  const [top] = environments
  const nameOf = (table: JsonObject = {}) => ownText(table, 'name')
  return environments.map((environment) => {
    const first = nameOf(top?.table) ?? environment.file
    const own = environment === top ? first : nameOf(environment.table)
    const worker = own ?? `${first}-${environment.name}`
    return { environment, worker, ...readEnvironment(environment) }
  })
}

/** Reads gates in other files, each of which must share the set of one of these. Fails with what is wrong. */
export async function readBeside(
  paths: readonly string[],
  these: readonly GateReading[],
): Promise<Result<readonly GateReading[], string>> {
  const all: GateReading[] = []
  for (const path of paths) {
    const read = await readWranglerFile(path)
    if (!read.ok) return fail(read.reason.message)
    const found = readGates(read.value)
    if (!found.some((one) => these.some((other) => shares(one, other)))) {
      return fail(`${path} has no other gate with the same set of revocations; is --beside right?`)
    }
    all.push(...found)
  }
  return ok(all)
}

/** The Worker that has the objects of a binding; `undefined` without the binding. */
const ownerOf = ({ environment, worker }: GateReading, binding: string): string | undefined => {
  const bound = environment.bindings.durable_object.get(binding)
  return bound && (bound.scriptName ?? worker)
}

/** Whether two Workers are bound to the objects of one revocation set. */
const shares = (one: GateReading, other: GateReading): boolean => {
  const owner = ownerOf(one, 'REVOCATIONS')
  return (
    one.worker !== other.worker && owner !== undefined && owner === ownerOf(other, 'REVOCATIONS')
  )
}

/**
 * What is wrong between a gate and others that have one revocation set: whose administrators act here too, and what makes
 * two sets of it. Compares only gates whose files it is given.
 */
export function sharing(
  here: GateReading,
  policy: Policy,
  all: readonly GateReading[],
): readonly PolicyIssue[] {
  const [set, registry, store] = ['REVOCATIONS', 'AGENTS', 'APPROVALS'].map((name) =>
    ownerOf(here, name),
  )
  const isElsewhere = set !== here.worker && set !== undefined
  return [
    ...issueIf(
      isElsewhere && !all.some(({ worker }) => worker === set),
      'bindings.REVOCATIONS',
      `is the set of the Worker ${quote(`${set}`)}, and who is admin there revokes and lifts here too; to compare both policies, add: --beside ITS_FILE`,
    ),
    ...issueIf(
      isElsewhere && registry !== undefined && registry !== set,
      'bindings.AGENTS',
      `is the registry of ${quote(`${registry}`)}, and the set is that of ${quote(`${set}`)}: two registries overwrite each other's statuses there; write script_name = ${quote(`${set}`)} here too`,
    ),
    ...issueIf(
      isElsewhere && store !== set && policy.routes.some(mayAsk),
      'bindings.APPROVALS',
      `is the store of ${quote(`${store}`)}, and the set is that of ${quote(`${set}`)}, which ends approvals in its own store only: what was approved here applies again once a revocation is lifted; end it at the console before that`,
    ),
    ...all
      .filter((one) => shares(here, one))
      .flatMap((one) => {
        const { file, name } = one.environment
        const label = name === undefined ? file : `env ${name} of ${file}`
        if (one.parsed.ok) return between(policy, one.parsed.value.policy, label)
        const message = `is the set of ${label} too, whose policy has mistakes, so they were not compared`
        return [{ path: 'bindings.REVOCATIONS', message }]
      }),
  ]
}

const RANKS = [false, 'own', 'all']

const between = (here: Policy, there: Policy, label: string): readonly PolicyIssue[] => {
  const [inHere, inThere] = [here, there].map(({ gate }) => gate.placement.jurisdiction ?? 'none')
  if (inHere !== inThere) {
    const message = `has jurisdiction ${inHere}, and ${label} ${inThere}: so both have a set of their own, though their bindings name one Worker; write the same in both`
    return [{ path: 'GATE.revocation', message }]
  }
  const admins = [...there.issuers.values()].flatMap(({ issuer, admin }) => {
    const own = here.issuers.get(issuer)
    const known = own?.admin ?? false
    // Without a table here, no token of the issuer is accepted that its own administrators could revoke.
    const isMore = RANKS.indexOf(admin) > RANKS.indexOf(known) && (own || admin === 'all')
    const what = admin === 'all' ? 'revoke and lift anything' : "revoke the issuer's tokens"
    return issueIf(
      isMore,
      own ? pathText('ISSUERS', [own.name, 'admin']) : 'ISSUERS',
      `gives ${quote(issuer)} ${own ? `admin = ${JSON.stringify(known)}` : 'no table'}, and ${label} admin = ${quote(`${admin}`)}: both have one set, so its administrators ${what} here too; write the same admin in both, or give each a set of its own`,
    )
  })
  const [life, other] = [entryLife(here), entryLife(there)]
  return [
    ...admins,
    ...issueIf(
      other < life,
      'GATE.revocation',
      `shares the set of ${label}, where revocations of tokens and of mode before end after ${durationText(other)}; here a token and its answer may last ${durationText(life)}. Write the same max_lifetime, clock_tolerance and finish_within in both`,
    ),
  ]
}
