import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { objectAdvice, objectIssues } from '../../compare/wrangler/durable-objects.ts'
import type { PlacedIssue } from '../../compare/wrangler/places.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { PolicyIssue } from '../../gate/policy/reading/issues.ts'
import { type CommandRow, collect } from '../base/command.ts'
import { counted, issueLine, noEnvironment, placed } from '../base/file-policy.ts'
import { readText } from '../base/files.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { undelivered, writeTeams } from '../base/teams.ts'
import { readWranglerFile, type WranglerEnvironment } from '../base/wrangler-file.ts'
import { overridden } from '../base/wrangler-names.ts'
import { boundaryWarnings } from '../lints/boundary-warnings.ts'
import { claimSlips } from '../lints/claim-names.ts'
import { compared } from '../lints/compared.ts'
import { consoleEntry } from '../lints/console-entry.ts'
import { forgotten, type Level } from '../lints/environments.ts'
import { lint, placeholders, tooLarge } from '../lints/lint.ts'
import { originBindings } from '../lints/origin-bindings.ts'
import { type GateReading, readBeside, readGates, sharing } from '../lints/sharing.ts'
import {
  issuerSlashes,
  missingDevVars,
  missingSecrets,
  misspelt,
  revokers,
  slashes,
} from '../lints/slips.ts'
import { textClaims } from '../lints/text-claims.ts'
import { undiscoverable } from '../lints/undiscoverable.ts'

export interface CheckOptions {
  readonly file?: string
  /** Only this `[env.x]`; without it the top level and every one. */
  readonly env?: string | undefined
  /** Lists what is allowed beside each unknown key. */
  readonly keys?: boolean
  /** Files of other gates, which may share the set of revocations. */
  readonly beside?: readonly string[]
  /** Writes the rules of teams where the Worker is built from. */
  readonly write?: boolean
}

export const checkCommand: CommandRow<CheckOptions> = {
  usage: 'check',
  description: 'Validate wrangler.toml and all its environments.',
  example: 'check --env staging',
  help: '\nAs the build command of wrangler dev it exits with 0 after a mistake too, so that dev goes on.',
  options: (command) =>
    command
      .argument('[file]', 'the file to check', 'wrangler.toml')
      .option('--env <name>', 'only this environment')
      .option('--keys', 'for each unknown key or name, list those that are allowed')
      .option(
        '--beside <file>',
        'wrangler file of another gate with the same set of revocations; may be repeated',
        collect,
      )
      .option('--write', 'write the rules of teams into the module that [alias] names'),
  run: async ([file = 'wrangler.toml'], options, { env }) => {
    const outcome = await check({ ...options, file })
    // wrangler dev would end for good; like this it goes on until the policy is corrected.
    const isDev = env.WRANGLER_COMMAND === 'dev' && outcome.exitCode === EXIT.no
    return isDev ? { ...outcome, exitCode: EXIT.yes, err: [...outcome.err, IN_DEV] } : outcome
  },
}

const IN_DEV = 'Until this is corrected, every request is 503 policy_invalid. wrangler dev goes on.'

/** What was found about one environment. */
interface Finding {
  readonly environment: string | null
  readonly mistakes: readonly PlacedIssue[]
  readonly warnings: readonly (PlacedIssue | PolicyIssue)[]
  /** Secrets the policy names; a file cannot say whether they are set. */
  readonly secrets: readonly string[]
  /** Only of a valid policy. */
  readonly summary?: Summary
}

interface Summary {
  readonly resources: readonly string[]
  readonly issuers: readonly string[]
  readonly rules: number
}

/**
 * Validates a wrangler.toml, every environment of it, and reports all mistakes at once. Asks no
 * network: whether hosts answer, keys are published and secrets are set is not known here.
 */
export async function check({
  file: named = 'wrangler.toml',
  env,
  keys = false,
  beside = [],
  write = false,
}: CheckOptions): Promise<Outcome> {
  const read = await readWranglerFile(named)
  if (!read.ok) {
    const { kind, message, ...place } = read.reason
    if (kind === 'unreadable') return cannotTell(message)
    const json = { valid: false, file: named, error: message, ...place, environments: [] }
    return { exitCode: EXIT.no, json, out: [], err: [message] }
  }
  const file = read.value[0]?.file ?? named
  const readings = readGates(read.value)
  const chosen = readings.filter(({ environment: { name } }) => env === undefined || name === env)
  if (chosen.length === 0) return cannotTell(noEnvironment(file, env ?? '', read.value))
  const others = await readBeside(beside, chosen)
  if (!others.ok) return cannotTell(others.reason)
  const all = [...readings, ...others.value]
  const findings = await Promise.all(
    chosen.map((reading) => judge(reading, readings[0] ?? reading, all)),
  )
  const valid = findings.every(({ mistakes }) => mistakes.length === 0)
  const written = await writeTeams(valid && write ? read.value : [])
  if (!written.ok) return cannotTell(written.reason)
  const isListed = keys || !findings.some(({ mistakes }) => mistakes.some(hasKeys))
  const count = findings.reduce((sum, { mistakes }) => sum + mistakes.length, 0)
  return {
    exitCode: valid ? EXIT.yes : EXIT.no,
    json: { valid, file, environments: findings },
    out: [...findings.flatMap(summaryLines), ...written.value.map((path) => `wrote ${path}`)],
    err: [
      ...findings.flatMap((finding) => issueLines(finding, keys)),
      ...(valid ? [] : [`${file}: ${counted(count, 'mistake')}${isListed ? '' : KEYS_ADVICE}`]),
    ],
  }
}

const judge = async (
  reading: GateReading,
  top: Level,
  all: readonly GateReading[],
): Promise<Finding> => {
  const { environment, vars, variableIssues, parsed, secrets, objects } = reading
  const { name, issues } = environment
  const unset = new Set([...secrets].filter((one) => !Object.hasOwn(environment.vars, one)))
  const missing = missingSecrets(environment, unset, vars)
  const origins = parsed.ok ? originBindings(environment, parsed.value.policy, vars) : undefined
  const mistakes = [
    ...issues,
    ...inherited(environment),
    ...variableIssues,
    ...(parsed.ok ? [] : parsed.reason),
    ...(origins?.mistakes ?? []),
    ...objectIssues(objects, environment),
    ...environment.cacheIssues,
    ...placeholders(environment, vars),
    ...tooLarge(environment.table),
    ...undelivered(environment),
    ...missing.mistakes,
    ...(parsed.ok ? textClaims(parsed.value.policy, vars) : []),
  ]
  const warnings = parsed.ok
    ? merged(
        [
          ...(await lint(parsed.value.policy, vars)),
          ...boundaryWarnings(parsed.value.policy, vars),
          ...undiscoverable(parsed.value.policy, vars),
          ...(origins?.warnings ?? []),
          ...exposed(environment, secrets),
          ...unrenewed(environment, parsed.value.policy),
          ...unmade(environment, objects),
          ...missing.warnings,
          ...misspelt(parsed.value.policy, vars),
          ...claimSlips(parsed.value.policy, vars),
          ...issuerSlashes(parsed.value.policy),
          ...slashes(vars),
          ...compared(vars),
          ...revokers(parsed.value.policy),
          ...forgotten(reading, top),
          ...sharing(reading, parsed.value.policy, all),
          ...(await consoleEntry(environment, top.environment, parsed.value.policy)),
        ],
        parsed.value.warnings,
      )
    : []
  return {
    environment: name ?? null,
    mistakes: placed(environment, mistakes),
    warnings: [
      ...overridden(environment.file),
      ...placed(environment, warnings),
      ...(await localSecrets(environment, unset)),
    ],
    secrets: [...secrets].sort(),
    ...(parsed.ok &&
      mistakes.length === 0 && { summary: summaryOf(parsed.value.policy, vars.ROUTES) }),
  }
}

const KEYS_ADVICE = '; which keys and names there are: npx edgewarden check --keys'
const hasKeys = ({ message }: PolicyIssue): boolean => message.includes('\n')

/** Secrets that `wrangler dev` would not find in the file it reads them from, where there is one. */
const localSecrets = async (
  { file, name }: WranglerEnvironment,
  secrets: ReadonlySet<string>,
): Promise<readonly PolicyIssue[]> => {
  const names = [...(name === undefined ? [] : [`.dev.vars.${name}`]), '.dev.vars']
  const found = names.find((one) => existsSync(join(dirname(file), one)))
  const text = found === undefined ? undefined : await readText(join(dirname(file), found))
  return found !== undefined && text?.ok ? missingDevVars(found, text.value, secrets) : []
}

/** Addresses that a deploy of an environment would take over from the top level. */
function* inherited({ name, inheritedRoutes: path }: WranglerEnvironment): Iterable<PolicyIssue> {
  const message = `is inherited from the top level, but vars and bindings are not: a deploy of ${name} would take over those addresses; write routes under [env.${name}], and no route; routes = [] for none`
  if (path !== undefined) yield { path, message }
}

/** Secrets whose value is in the file. */
function* exposed(
  { vars }: WranglerEnvironment,
  secrets: ReadonlySet<string>,
): Iterable<PolicyIssue> {
  const message =
    'is a secret in plain text; take it out of the file and set it with wrangler secret put'
  for (const path of secrets) if (Object.hasOwn(vars, path)) yield { path, message }
}

/** What the cron trigger would do, if there were one: keys are then renewed only by requests, and nobody is polled. */
function* unrenewed({ hasCron }: WranglerEnvironment, { issuers }: Policy): Iterable<PolicyIssue> {
  const message =
    'has no cron: issuers are asked for their keys only when requests come; set crons = ["*/5 * * * *"]'
  const isInline = [...issuers.values()].every(({ keys }) => keys.kind === 'inline')
  if (!hasCron && !isInline) yield { path: 'triggers', message }
  const isPolled = [...issuers.values()].some(({ events }) => events?.some(({ poll }) => poll))
  if (!hasCron && isPolled) {
    yield {
      path: 'triggers',
      message: 'has no cron: transmitters with `poll` are never asked for events',
    }
  }
}

/** Keys that the operator must supply, since nothing generates them. */
function* unmade(
  environment: WranglerEnvironment,
  objects: ReadonlySet<string>,
): Iterable<PolicyIssue> {
  const path = 'bindings.ASSERTION_KEY_SERVICE'
  const { name, bindings } = environment
  if (!objects.has('ASSERTION_KEY_SERVICE') || bindings.durable_object.has('ASSERTION_KEY_SERVICE'))
    return
  const said =
    'is not there, so assertions are signed with the keys of the secret ASSERTION_KEYS, and without that secret every request is refused. To have keys made'
  const inside = name === undefined ? '' : `env.${name}.`
  const { [path]: advice } = objectAdvice([{ path, message: said }], environment, inside)
  yield { path, message: `${said}, ${advice}` }
}

/** Warnings of two readers. If both warn about the same path, only the warning of the first reader. */
const merged = (
  first: readonly PolicyIssue[],
  second: readonly PolicyIssue[],
): readonly PolicyIssue[] => {
  const paths = new Set(first.map(({ path }) => path))
  return [...first, ...second.filter(({ path }) => !paths.has(path))]
}

const summaryOf = (policy: Policy, rules: unknown): Summary => ({
  resources: [...policy.resources.keys()],
  issuers: [...policy.issuers.values()].map(({ issuer }) => issuer),
  rules: Array.isArray(rules) ? rules.length : 0,
})

const labelOf = ({ environment }: Finding): string =>
  environment === null ? '' : `env ${environment}: `

const issueLines = (finding: Finding, keys: boolean): readonly string[] => {
  const label = labelOf(finding)
  return [
    ...finding.mistakes.flatMap((issue) => {
      // Below its first line a message lists the names that are allowed in place of a wrong one.
      const names = keys ? issue.message.split('\n').slice(1) : []
      return [issueLine(issue, label), ...names.map((line) => `  ${line}`)]
    }),
    ...finding.warnings.map((issue) => issueLine(issue, `warning: ${label}`)),
  ]
}

const summaryLines = (finding: Finding): readonly string[] => {
  const { summary, secrets, environment } = finding
  const label = labelOf(finding)
  const put = environment === null ? '' : ` --env ${environment}`
  return [
    ...(summary
      ? [
          `${label}valid: ${counted(summary.rules, 'rule')}`,
          ...summary.resources.map((resource) => `  resource ${resource}`),
          ...summary.issuers.map((issuer) => `  issuer   ${issuer}`),
        ]
      : []),
    ...secrets.map((name) => `${label}needs secret ${name}: npx wrangler secret put ${name}${put}`),
  ]
}
