import { type PlacedIssue, stepsOf } from '../../compare/wrangler/places.ts'
import { type PolicyReading, readEnvironment } from '../../compare/wrangler/reading.ts'
import { type JsonObject, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { PolicyIssue } from '../../gate/policy/reading/issues.ts'
import { cured } from './cures.ts'
import { cannotTell, EXIT, type ExitCode, type Outcome } from './output.ts'
import { readWranglerFile, type WranglerEnvironment } from './wrangler-file.ts'
import { wranglerPath } from './wrangler-names.ts'

/** A text in which rules of teams are named by file and owner. */
const withOwners = (text: string, { placeOf }: Pick<WranglerEnvironment, 'placeOf'>): string =>
  text.replace(/\bROUTES_[^\s[]+\[\d+\][^\s;:,)]*/g, (rule) => {
    const { file, line, owner } = placeOf(rule)
    return owner === undefined ? rule : `${file}:${line} (${owner})`
  })

/** Issues of one environment with their places and cures. Rules of teams that they mention are named by file and owner. */
export function placed<Issue extends PolicyIssue>(
  environment: WranglerEnvironment,
  issues: readonly Issue[],
): readonly (Issue & PlacedIssue)[] {
  const { file, placeOf, name, vars } = environment
  const valueAt = (path: string) =>
    stepsOf(path).reduce<unknown>((at, step) => own(Object(at), String(step)), vars)
  return cured(issues, valueAt).map((issue) => ({
    ...issue,
    message: withOwners(issue.message, environment),
    ...('file' in issue ? {} : { file, ...placeOf(issue.path, name) }),
  })) as readonly (Issue & PlacedIssue)[]
}

/** Which policy a command is about. */
export interface PolicyChoice {
  readonly file: string
  /** An `[env.x]`; without it the top level. */
  readonly env?: string | undefined
}

/** A policy without a mistake, and which environment it is of; `null` for the top level. */
export interface FilePolicy extends PolicyReading {
  readonly policy: Policy
  readonly environment: string | null
  /** The table of the environment as it is written. */
  readonly table: JsonObject
  /** Who is responsible for each rule; `undefined` for rules of the wrangler file. */
  readonly owners: readonly (string | undefined)[]
  /** Names the rules of teams in a text by file and owner. */
  readonly tell: (text: string) => string
}

/**
 * The policy of one environment of a wrangler.toml. Does not check what matters only to a deploy:
 * placeholders, the size of variables, addresses an environment inherits, classes of Durable
 * Objects. A failure is the outcome; `broken` is its exit status if the file can be read and has a mistake.
 */
export async function readFilePolicy(
  { file: named, env }: PolicyChoice,
  broken: ExitCode = EXIT.unknown,
): Promise<Result<FilePolicy, Outcome>> {
  const file = wranglerPath(named)
  const read = await readWranglerFile(file)
  if (!read.ok) {
    const { kind, message, ...place } = read.reason
    const json = { valid: false, file, error: message, ...place }
    return fail(
      kind === 'unreadable'
        ? cannotTell(message)
        : { exitCode: broken, json, out: [], err: [message] },
    )
  }
  const chosen = read.value.find(({ name }) => name === env)
  if (!chosen) return fail(cannotTell(noEnvironment(file, env ?? '', read.value)))
  const reading = readEnvironment(chosen)
  const { parsed, variableIssues } = reading
  const found = [...chosen.issues, ...variableIssues, ...(parsed.ok ? [] : parsed.reason)]
  const mistakes = placed(chosen, found)
  if (parsed.ok && mistakes.length === 0) {
    const { table, placeOf } = chosen
    const owners = (reading.vars.routePaths ?? []).map((path) => placeOf(path).owner)
    const { policy } = parsed.value
    const tell = (text: string) => withOwners(text, chosen)
    return ok({ ...reading, table, owners, tell, policy, environment: env ?? null })
  }
  const others = env === undefined ? environmentNames(read.value) : []
  const advice = ` at the top level; for another environment: --env ${others.join('|')}`
  const count = counted(mistakes.length, 'mistake')
  const message = `${file}: ${count}${others.length === 0 ? '' : advice}`
  const json = { valid: false, file, environment: env ?? null, error: message, mistakes }
  const err = [...mistakes.map((issue) => issueLine(issue)), message]
  return fail({ exitCode: broken, json, out: [], err })
}

/**
 * A mistake or warning on one line, `label` in front, and its place before that where it is known. What the
 * message says below its first line is left out.
 */
export function issueLine(issue: PolicyIssue | PlacedIssue, label = ''): string {
  const { path, message } = issue
  const place =
    'file' in issue ? `${issue.file}:${issue.line}:${issue.column}${ownerText(issue)}: ` : ''
  return `${place}${label}${path === '' ? '' : `${path}: `}${message.split('\n', 1)[0]}`
}

/** Who is responsible for the file of an issue, in parentheses. */
const ownerText = ({ owner }: PlacedIssue): string => (owner === undefined ? '' : ` (${owner})`)

/** A number of things. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}

const environmentNames = (environments: readonly WranglerEnvironment[]): readonly string[] =>
  environments.flatMap(({ name }) => (name === undefined ? [] : [name]))

/** A sentence about an environment that is not in a file. */
export function noEnvironment(
  file: string,
  env: string,
  environments: readonly WranglerEnvironment[],
): string {
  const names = environmentNames(environments)
  return `${file} has no [env.${env}]; its environments: ${names.length === 0 ? 'none' : names.join(', ')}`
}
