import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Option } from 'commander'
import { usesOf } from '../../compare/scopes.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { GUARD } from '../../gate/guard/guard.ts'
import { ONE_OF } from '../../gate/guard/stages/mcp-access.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { partsOf } from '../../gate/model/well-known.ts'
import { rulePath } from '../../gate/policy/reading/vars.ts'
import type { CommandRow } from '../base/command.ts'
import { counted, type FilePolicy, readFilePolicy } from '../base/file-policy.ts'
import { writeText } from '../base/files.ts'
import { cannotTell, EXIT, type Outcome, present } from '../base/output.ts'
import { wranglerPath } from '../base/wrangler-names.ts'
import { createJudge, type Verdict } from './test-case.ts'
import { readTestFile, type TestCase, type TestFile } from './test-file.ts'
import { type Fault, type Judged, REPORTS, type ReportForm, reportLines } from './test-report.ts'
import { withExpectations } from './test-update.ts'

export interface TestOptions {
  readonly config?: string | undefined
  readonly env?: string | undefined
  /** Per cent of rules that cases reach, at least. */
  readonly minCoverage?: string | undefined
  /** Writes the decisions of this run into the files, as what is expected. */
  readonly update?: boolean
  readonly report?: ReportForm | undefined
  /** File for the report. */
  readonly output?: string
}

export const testCommand: CommandRow<TestOptions> = {
  usage: 'test',
  description:
    'Decide the requests of test files by wrangler.toml and compare with what is expected.',
  example: 'test tests/policy.test.toml --min-coverage 100',
  help: `
Without files it reads all *.test.toml beside wrangler.toml and in test/ and tests/ there.
The command makes a key for the run, and signs tokens with it as their issuer. It fetches nothing, and treats
nothing as revoked or used before.
Exit status: 0 all is as expected, 1 it is not, 2 cannot tell.`,
  options: (command) =>
    command
      .argument('[files...]', 'test files')
      .option('--config <file>', 'the file with the policy (default: wrangler.toml)')
      .option('--env <name>', 'decide by this environment')
      .option('--min-coverage <percent>', 'percentage of rules that cases must reach')
      .option('--update', 'write the decisions of this run into the test files, as expect')
      .addOption(new Option('--report <form>', 'a report for other tools').choices(REPORTS))
      .option('--output <file>', 'write the report there (default: standard output)'),
  run: (files, options, { now }) => test(present(files.flat()), options, now()),
}

/** A case with its result. */
interface Tested extends Judged {
  readonly index: number
  /** Absent where it could not be judged. */
  readonly verdict?: Verdict
  /** Whether what was decided was written into its file, so that nothing is wrong any more. */
  readonly isUpdated?: true
}

/**
 * Decides the cases of test files by the stages of the policy, and says which rules no case reaches. Fetches nothing and
 * knows no revocation; `now` (seconds) is the time of cases that name none.
 */
export async function test(
  given: readonly string[],
  options: TestOptions,
  now: number,
): Promise<Outcome> {
  const { env, report, output, minCoverage = '0' } = options
  const config = wranglerPath(options.config ?? 'wrangler.toml')
  const least = Number(minCoverage)
  if (!(least >= 0 && least <= 100)) return cannotTell('--min-coverage is a number from 0 to 100')
  if (output !== undefined && !report) return cannotTell('--output goes with --report')
  const read = await readFilePolicy({ file: config, env })
  if (!read.ok) return read.reason
  const { policy } = read.value
  const tests = await readTests(given, config, policy)
  if (!tests.ok) return tests.reason
  const files = tests.value
  const judge = createJudge(policy, now)
  const judged: Tested[] = []
  for (const { file, cases } of files) {
    for (const one of cases) judged.push(testedOf(file, one, await judge(one)))
  }
  const { tested, refused } = options.update
    ? await updated(files, judged)
    : { tested: judged, refused: [] }
  const coverage = coverageOf(read.value, tested)
  return outcomeOf(tested, { ...options, config, least, refused, coverage, tell: read.value.tell })
}

/**
 * Reads test files, or those that are beside the policy if none is given. The reason of a failure is what to report:
 * there are no files, or they have mistakes.
 */
export async function readTests(
  given: readonly string[],
  config: string,
  { gate }: Policy,
): Promise<Result<readonly TestFile[], Outcome>> {
  const names = given.length > 0 ? given : await usualFiles(dirname(config))
  if (names.length === 0) {
    return fail(
      cannotTell(`There are no tests: write ${join(dirname(config), 'tests/policy.test.toml')}`),
    )
  }
  const { origin } = partsOf(new URL(gate.resource))
  const readings = await Promise.all(names.map((name) => readTestFile(name, origin)))
  const mistakes = readings.flatMap((one) => (one.ok ? [] : one.reason))
  if (mistakes.length === 0) return ok(readings.flatMap((one) => (one.ok ? one.value : [])))
  const error = `The tests have ${counted(mistakes.length, 'mistake')}`
  return fail({ exitCode: EXIT.unknown, json: { error, mistakes }, out: [], err: mistakes })
}

const testedOf = (
  file: string,
  { name, line, index, expect }: TestCase,
  judged: Result<Verdict, string>,
): Tested => {
  const at = { file, line, name, index }
  if (!judged.ok) return { ...at, failures: [judged.reason] }
  const { value: verdict } = judged
  const failures = expect ? verdict.failures : ['expects nothing; --update writes the decision']
  return { ...at, verdict, failures }
}

/** Files of tests, where none is named. */
const usualFiles = async (beside: string): Promise<readonly string[]> => {
  const folders = ['', 'test', 'tests'].map((name) => join(beside, name))
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder).catch(() => [])
      return names.filter((name) => name.endsWith('.test.toml')).map((name) => join(folder, name))
    }),
  )
  return found.flat().sort()
}

/** Writes what was decided into the files; a file that cannot be kept as it is written is left alone. */
const updated = async (files: readonly TestFile[], judged: readonly Tested[]) => {
  const done = new Set<Tested>()
  const refused: string[] = []
  for (const one of files) {
    const wrong = judged.filter(
      ({ file, verdict, failures }) => file === one.file && verdict && failures.length > 0,
    )
    if (wrong.length === 0) continue
    const expected = wrong.map(({ index, verdict }) => [index, verdict?.snapshot ?? {}] as const)
    const next = withExpectations(one, new Map(expected))
    const written = next.ok ? await writeText(one.file, next.value) : next
    if (written.ok) for (const each of wrong) done.add(each)
    else refused.push(`${one.file} is unchanged: ${written.reason}`)
  }
  const tested = judged.map(
    (one): Tested => (done.has(one) ? { ...one, failures: [], isUpdated: true } : one),
  )
  return { tested, refused }
}

/** Which rules, and which entries for an MCP server, cases reach; and which codes they are denied with. */
const coverageOf = ({ policy, vars }: FilePolicy, tested: readonly Tested[]) => {
  const reached = new Set(tested.flatMap(({ verdict }) => [...(verdict?.reached ?? [])]))
  const rules = policy.routes.flatMap((route, i) => [
    { path: rulePath(vars, i), rule: route.name, isReached: reached.has(route) },
    ...usesOf(route).map(({ kind, use }) => ({
      path: `${rulePath(vars, i)}.mcp.${kind}`,
      rule: `${ONE_OF[kind]} ${JSON.stringify(use.pattern)} of ${route.name}`,
      isReached: reached.has(use),
    })),
  ])
  const missing = rules.filter(({ isReached }) => !isReached)
  const codes = new Set(tested.flatMap(({ verdict }) => verdict?.code ?? []))
  return {
    rules: rules.length,
    reached: rules.length - missing.length,
    missing: missing.map(({ path, rule }) => ({ path, rule })),
    codes: [...codes].sort(),
    missing_codes: CODES.filter((code) => !codes.has(code)),
  }
}

/** Stages that cannot deny in a test: the gate's keys, revocations, counts and recorded uses are not available here. */
const IDLE = [
  ...['signature', 'in_flight', 'signing'],
  ...['revocation_precheck', 'replay', 'limit', 'revocation'],
]

/** Codes that a case can be denied with. */
const CODES = GUARD.stages
  .filter(({ name }) => !IDLE.includes(name))
  .flatMap(({ denials }) => denials.flatMap(({ rows }) => Object.entries(rows)))
  .flatMap(([code, [answer]]) => (answer === 'unavailable' ? [] : code))

const COVERAGE = { rule: 'policy-coverage', line: 1, title: 'coverage' } as const

/** What is reported in addition to the cases. */
interface Told extends Pick<TestOptions, 'report' | 'output'>, Pick<FilePolicy, 'tell'> {
  readonly config: string
  readonly least: number
  readonly refused: readonly string[]
  readonly coverage: ReturnType<typeof coverageOf>
}

const outcomeOf = async (
  tested: readonly Tested[],
  { config, report, output, least, refused, coverage, tell }: Told,
): Promise<Outcome> => {
  const { rules, reached, missing, codes, missing_codes } = coverage
  const uncovered = missing.map(
    ({ path, rule }) => `${tell(path)}: no case reaches the rule ${rule}`,
  )
  const isCovered = 100 * reached >= least * rules
  const faults: readonly Fault[] = [
    ...tested.flatMap(({ file, line, name: title, failures }) =>
      failures.map((message) => ({ rule: 'policy-test' as const, file, line, title, message })),
    ),
    ...(isCovered ? [] : uncovered).map((message) => ({ ...COVERAGE, file: config, message })),
  ]
  const lines = report ? reportLines(report, tested, faults) : []
  if (output !== undefined) {
    const written = await writeText(output, lines.map((line) => `${line}\n`).join(''))
    if (!written.ok) return cannotTell(written.reason)
  }
  const failed = tested.filter(({ failures }) => failures.length > 0).length
  const summary = [
    ...tested.map(
      ({ name, failures, isUpdated }) =>
        `${failures.length > 0 ? '✗' : '✓'} ${name}${isUpdated ? ' (updated)' : ''}`,
    ),
    `${counted(tested.length, 'case')}: ${tested.length - failed} as expected, ${failed} not`,
    `Rules that cases reach: ${reached} of ${rules}; denial codes: ${codes.length} of ${codes.length + missing_codes.length}`,
    ...(isCovered ? uncovered : []),
  ]
  const told = faults.map(
    ({ file, line, title, message }) => `${file}:${line}: ${title}: ${message}`,
  )
  const isPrinted = report !== undefined && output === undefined
  return {
    exitCode: faults.length === 0 ? EXIT.yes : EXIT.no,
    json: {
      passed: faults.length === 0,
      config,
      cases: tested.map(({ file, line, name, failures, isUpdated, verdict }) => {
        const { decision, code, rule, headers, detail } = verdict ?? {}
        const found = { decision, code, rule, headers, detail }
        return { file, line, name, failures, ...(isUpdated && { updated: true }), ...found }
      }),
      coverage,
      refused,
    },
    out: isPrinted && report !== 'github' ? lines : summary,
    err: [...told, ...refused],
    ...(isPrinted && report === 'github' && { commands: lines }),
  }
}
