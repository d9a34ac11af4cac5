import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Option } from 'commander'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { printable } from '../../gate/base/text.ts'
import type { CommandRow } from '../base/command.ts'
import { writeText } from '../base/files.ts'
import { cannotTell, EXIT, type ExitCode, type Outcome, present } from '../base/output.ts'
import { FOLDER, teamFiles } from '../base/teams.ts'
import { readWranglerFile } from '../base/wrangler-file.ts'
import { otherNames, wranglerPath } from '../base/wrangler-names.ts'
import { test } from '../tests/test.ts'
import { annotation, type Fault } from '../tests/test-report.ts'
import { check } from './check.ts'
import { diff } from './diff.ts'
import { importOpenApi } from './import.ts'

export interface CiOptions {
  readonly config?: string
  readonly env?: string
  /** The commit whose policy is in force. */
  readonly base?: string
  readonly minCoverage?: string
  /** A document that the policy has to agree with. */
  readonly openapi?: string
  /** A policy that widens access is reported, and does not fail. */
  readonly allowWidening?: boolean
  readonly report?: 'github'
  /** File for a summary in Markdown. */
  readonly summary?: string
}

export const ciCommand: CommandRow<CiOptions> = {
  usage: 'ci --base REF',
  description:
    'Run check, test, and diff against the policy of another commit, as one step of a pipeline.',
  example: 'ci --base origin/main --min-coverage 100',
  help: `
Without --base nothing is compared. Each environment is compared with the environment of the same name.
Exit status: 0 all is well, 1 a mistake, a failed case, a difference, or access widens, 2 cannot tell.`,
  options: (command) =>
    command
      .argument('[files...]', 'test files')
      .option('--config <file>', 'the file with the policy (default: wrangler.toml)')
      .option('--env <name>', 'only this environment')
      .option('--base <commit>', 'compare with the policy of this commit, such as origin/main')
      .option('--min-coverage <percent>', 'percentage of rules that cases must reach')
      .option('--openapi <source>', 'the policy has to agree with this OpenAPI document')
      .option('--allow-widening', 'exit 0 even if access widens')
      .addOption(
        new Option('--report <form>', 'show findings at their place in the change').choices([
          'github',
        ]),
      )
      .option('--summary <file>', 'write a summary in Markdown there'),
  run: (files, options, { now }) => ci(present(files.flat()), options, now()),
}

/** One of the steps, and its outcome; `undefined` where it was not run. */
interface Part {
  readonly name: string
  readonly rule: Fault['rule']
  readonly outcome: Outcome | undefined
  /** Whether none of its outcomes is a failure. */
  readonly isAllowed?: boolean | undefined
}

/**
 * Checks a policy, runs its tests and compares it with that of another commit. A policy with a mistake is neither
 * tested nor compared. A commit without the file, or without the environment, has nothing to compare with.
 */
export async function ci(
  files: readonly string[],
  { config: named = 'wrangler.toml', env, base, summary, ...options }: CiOptions,
  now: number,
): Promise<Outcome> {
  const config = wranglerPath(named)
  const { minCoverage, report, openapi, allowWidening: isAllowed } = options
  const before =
    base === undefined ? undefined : await filesOf(base, [config, ...otherNames(config)])
  if (before && !before.ok) return cannotTell(before.reason)
  const checked = await check({ file: config, env })
  const isValid = checked.exitCode === EXIT.yes
  const tested = isValid ? await test(files, { config, env, minCoverage, report }, now) : undefined
  const compared = before && isValid ? await compare(before.value, config, env) : []
  const document =
    openapi !== undefined && isValid
      ? await importOpenApi(openapi, { check: true, config, env })
      : undefined
  const parts = present<Part>([
    { name: 'check', rule: 'policy-check', outcome: checked },
    { name: 'test', rule: 'policy-test', outcome: tested },
    openapi !== undefined && { name: 'openapi', rule: 'policy-openapi', outcome: document },
    ...compared.map(
      (outcome): Part => ({
        name: `diff against ${base}`,
        rule: 'policy-diff',
        outcome,
        isAllowed,
      }),
    ),
  ])
  const failed = parts.filter((part) => exitOf(part) !== EXIT.yes)
  const exitCode = failed.some((part) => exitOf(part) === EXIT.no) ? EXIT.no : EXIT.unknown
  const lines = parts.flatMap(partLines)
  if (summary !== undefined) {
    const written = await writeText(summary, markdown(lines, failed.length > 0))
    if (!written.ok) return cannotTell(written.reason)
  }
  return {
    exitCode: failed.length === 0 ? EXIT.yes : exitCode,
    json: {
      passed: failed.length === 0,
      ...(failed.length > 0 && exitCode === EXIT.unknown && { error: 'A step had no result.' }),
      steps: parts.map((part) => ({
        name: part.name,
        result: wordOf(part),
        ...(part.outcome && { report: part.outcome.json }),
      })),
    },
    out: lines,
    err: [],
    commands: [
      ...parts.flatMap(({ outcome }) => outcome?.commands ?? []),
      ...(report ? annotations(failed, config) : []),
    ],
  }
}

const exitOf = ({ outcome, isAllowed }: Part): ExitCode =>
  outcome && !isAllowed ? outcome.exitCode : EXIT.yes

/** How a step ended, in a word or two. */
const wordOf = ({ outcome, isAllowed }: Part): string => {
  if (!outcome) return 'not run'
  if (outcome.exitCode === EXIT.yes) return 'passed'
  return `${outcome.exitCode === EXIT.no ? 'failed' : 'cannot tell'}${isAllowed ? ', allowed' : ''}`
}

const linesOf = ({ out, err }: Outcome): readonly string[] => [...err, ...out]

/**
 * A step as text for people, which is also valid Markdown. Texts of files are indented as code, so that none of them is
 * markup.
 */
const partLines = (part: Part): readonly string[] => [
  `${part.outcome ? (exitOf(part) === EXIT.yes ? '✅' : '❌') : '–'} ${part.name}: ${wordOf(part)}`,
  '',
  ...(part.outcome ? linesOf(part.outcome) : []).map((line) => `    ${line}`),
  '',
]

/** Characters of a comment that GitHub takes, nearly. */
const MOST = 60_000

const markdown = (lines: readonly string[], isFailed: boolean): string => {
  const title = isFailed ? 'The policy needs a look' : 'The policy is fine'
  return `### Edgewarden: ${title}\n\n${lines.map(printable).join('\n')}`.slice(0, MOST)
}

/** What failed, where GitHub shows it. Cases that failed are shown at their own places already. */
const annotations = (failed: readonly Part[], file: string): readonly string[] =>
  failed.flatMap(({ name: title, rule, outcome }) =>
    !outcome || (rule === 'policy-test' && outcome.exitCode === EXIT.no)
      ? []
      : (rule === 'policy-check' ? linesOf(outcome) : [linesOf(outcome).join('\n')]).flatMap(
          (text) => annotation({ rule, file, title, line: 1, message: text, ...placeIn(text) }),
        ),
  )

/** The place of a mistake that says where it is. */
const placeIn = (text: string) => {
  const [, file, line, owner = '', message] =
    /^((?:(?!: ).)*?):(\d+):\d+( \(.*?\))?: (.*)$/.exec(text) ?? []
  return file === undefined ? {} : { file, line: Number(line), message: `${message}${owner}` }
}

const git = promisify(execFile)

/** A file of a commit. */
interface Committed {
  readonly name: string
  readonly text: string
}

/**
 * The first of these files in a folder that a commit has, and the files of teams; none if the commit has no such file.
 */
const filesOf = async (
  base: string,
  files: readonly string[],
): Promise<Result<readonly Committed[], string>> => {
  const run = (...args: string[]) =>
    git('git', args, { cwd: dirname(files[0] ?? ''), maxBuffer: 64 * 1024 * 1024 }).then(
      ({ stdout }) => stdout,
      () => undefined,
    )
  const commit = (
    await run('rev-parse', '--verify', '--end-of-options', `${base}^{commit}`)
  )?.trim()
  if (commit === undefined) {
    return fail(`git knows no commit ${base} here; fetch it first: git fetch origin ${base}`)
  }
  const listed = async (path: string) =>
    ((await run('ls-tree', '-z', '--name-only', commit, '--', `./${path}`)) ?? '').split('\0')
  const found: Committed[] = []
  for (const name of files.map((file) => basename(file))) {
    if (found.length > 0 || !(await listed(name)).includes(name)) continue
    for (const one of [name, ...teamFiles(await listed(`${FOLDER}/`))]) {
      const text = await run('show', `${commit}:./${one}`)
      if (text === undefined) return fail(`git cannot show ${one} of ${base}`)
      found.push({ name: one, text })
    }
  }
  return ok(found)
}

/** Compares each environment with the one of the same name. */
const compare = async (
  [committed, ...teams]: readonly Committed[],
  config: string,
  env: string | undefined,
): Promise<readonly Outcome[]> => {
  if (committed === undefined) return [nothing('the commit has no such file')]
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-ci-'))
  const old = join(directory, committed.name)
  const said = (line: string) =>
    line.replaceAll(old, 'the file of the commit').replaceAll(`${directory}/`, 'the commit: ')
  try {
    await mkdir(join(directory, FOLDER))
    for (const { name, text } of [committed, ...teams]) await writeFile(join(directory, name), text)
    const [was, is] = await Promise.all([readWranglerFile(old), readWranglerFile(config)])
    if (!was.ok) return [cannotTell(said(was.reason.message))]
    const names = is.ok ? is.value.map(({ name }) => name) : []
    const chosen = names.filter((name) => env === undefined || name === env)
    return await Promise.all(
      chosen.map(async (name) => {
        if (!was.value.some((one) => one.name === name)) return nothing(`env ${name} is new`)
        const outcome = await diff(old, config, { env: name })
        const label = name === undefined ? '' : `env ${name}: `
        const inside = (line: string) => label + said(line)
        return { ...outcome, out: outcome.out.map(inside), err: outcome.err.map(inside) }
      }),
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const nothing = (why: string): Outcome => {
  const line = `Nothing to compare with: ${why}.`
  return { exitCode: EXIT.yes, json: { widens: false, note: line }, out: [line], err: [] }
}
