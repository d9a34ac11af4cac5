import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { type Ask, type CommandRow, optionName, type Process } from '../base/command.ts'
import { ownManifest, writeText } from '../base/files.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { tomlValue } from '../base/toml.ts'
import { otherNames } from '../base/wrangler-names.ts'
import { AGENT_ID, OWNER_ID, STAND_INS } from '../doctor/profile.ts'
import type { Imported } from '../openapi/rules.ts'
import { check } from '../policy/check.ts'
import { noteLine, readRules } from '../policy/import.ts'
import { projectFiles } from './init-files.ts'
import {
  ANSWER_NAMES,
  type AnswerName,
  type Answers,
  QUESTIONS,
  withProfile,
} from './init-policy.ts'

export interface InitOptions extends Partial<Answers> {
  /** Leaves the files alone that are there, and writes the others. */
  readonly keep?: boolean
}

export const initCommand: CommandRow<InitOptions> = {
  usage: 'init [DIR]',
  description: 'Write a new project for a gate; in a terminal it asks for missing options.',
  example:
    'init gate --resource https://api.my-company.com --issuer https://auth.my-company.com --model-api openai',
  options: (command) => {
    command.argument('[dir]', 'folder of the project', '.')
    for (const name of ANSWER_NAMES) {
      command.option(`${optionName(name)} <value>`, textOf(name))
    }
    return command.option('--keep', 'keep existing files, and write the missing ones')
  },
  help: '\nNever overwrites a file, and sends nothing over the network. One of --origin, --model-api and --mcp is needed.',
  run: ([directory = '.'], options, process) => init(directory, options, process),
}

const textOf = (name: AnswerName): string => {
  const { what, otherwise } = QUESTIONS[name]
  return otherwise === undefined ? what : `${what} (default: ${otherwise})`
}

/** The oldest Node that wrangler runs on. */
const WRANGLERS_NODE = 22

/**
 * Writes a project into a folder. Before the first file is written, `check` has found no mistake in the policy. No
 * existing file is overwritten. Installs nothing.
 */
export async function init(
  directory: string,
  { keep = false, ...given }: InitOptions,
  { converse }: Pick<Process, 'converse'>,
): Promise<Outcome> {
  const asked = await complete(given, converse)
  if (!asked.ok) return cannotTell(asked.reason)
  const answers = withProfile(asked.value)
  const again = converse === undefined ? [] : [againLine(directory, asked.value)]
  const api = await importedBy(answers)
  if (!api.ok) return { ...cannotTell(api.reason), err: [api.reason, ...again] }
  const { version, devDependencies } = ownManifest()
  const { wrangler = '', node = '' } = devDependencies
  const files = projectFiles(answers, {
    name: workerName(directory),
    versions: { edgewarden: version, wrangler, node },
    bringsNode: Number.parseInt(process.versions.node, 10) < WRANGLERS_NODE,
    imported: api.value.rules,
  })
  // Only the operator knows the id, which `check` asks for.
  const standIns = STAND_INS.filter((id) => files['wrangler.toml'].includes(tomlValue(id)))
  const judged = await judge(
    standIns.reduce((text, id) => text.replaceAll(tomlValue(id), '"1"'), files['wrangler.toml']),
  )
  if (judged.exitCode !== EXIT.yes) {
    const error = 'Nothing was written: these answers do not make a valid policy.'
    const err = [...judged.err, error, ...again]
    return { ...judged, out: [], err }
  }
  const paths = Object.keys(files)
  // wrangler reads one file: a wrangler.jsonc is a wrangler.toml that is there.
  const existing = paths
    .flatMap((path) => [path, ...otherNames(path)])
    .filter((path) => existsSync(join(directory, path)))
  if (existing.length > 0 && !keep) {
    const error =
      'Nothing was written. Name another folder, or write only what is missing with --keep.'
    const exists = existing.map((path) => `${join(directory, path)} already exists`)
    const err = [...exists, error, ...again]
    return { exitCode: EXIT.no, json: { error, directory, existing, written: [] }, out: [], err }
  }
  const written = paths.filter(
    (path) => ![path, ...otherNames(path)].some((one) => existing.includes(one)),
  )
  for (const path of written) {
    const options = { isDeep: true, flag: 'wx' } as const
    const made = await writeText(join(directory, path), files[path] ?? '', options)
    if (!made.ok) return cannotTell(made.reason)
  }
  return {
    exitCode: EXIT.yes,
    json: { directory, existing, written },
    out: written.map((path) => `wrote ${join(directory, path)}`),
    err: [
      ...existing.map((path) => `kept ${join(directory, path)}`),
      ...judged.err,
      ...api.value.notes.map(noteLine),
      ...(asked.value.profile === undefined && answers.profile !== undefined
        ? [`profile = "${answers.profile}" is by the issuer's address; --profile names another.`]
        : []),
      ...standIns.map(
        (id) =>
          `Write the id of your ${MEANT[id]} in place of ${id} in wrangler.toml and tests/policy.test.toml.`,
      ),
      `Next: ${directory === '.' ? '' : `cd ${directory} && `}npm install && npx edgewarden check; README.md says more.`,
    ],
  }
}

/** Rules of the document that is named, if one is. */
const importedBy = async ({ openapi, origin }: Answers): Promise<Result<Imported, string>> => {
  if (openapi === undefined) return ok({ rules: [], notes: [] })
  if (origin === undefined)
    return fail('--openapi needs --origin, the address of the API that the document describes')
  const read = await readRules(openapi)
  return read.ok && read.value.rules.length === 0
    ? fail(`${openapi} has no operation that a rule can be made of`)
    : read
}

/** The answers. Asks for missing ones if there is a terminal. */
const complete = async (
  given: Partial<Answers>,
  converse: Process['converse'],
): Promise<Result<Answers, string>> => {
  const answers: Partial<Record<AnswerName, string>> = {}
  for (const name of ANSWER_NAMES) {
    const answer = given[name]
    if (answer === undefined) continue
    const fault = QUESTIONS[name].fault(answer)
    if (fault !== undefined) return fail(`${optionName(name)}: ${fault}`)
    answers[name] = answer
  }
  if (converse !== undefined && missing(answers).length > 0) {
    let isAnswered = true
    await converse(async (ask) => {
      for (const name of ANSWER_NAMES) {
        // A document describes the origin.
        const isIdle = name === 'openapi' && answers.origin === undefined
        if (isAnswered && !isIdle && !(name in answers)) {
          isAnswered = await askFor(name, answers, ask)
        }
      }
      while (isAnswered && !hasOrigin(answers)) {
        isAnswered = await askFor('origin', answers, (text) => ask(`${NOWHERE}\n${text}`))
      }
    })
    if (!isAnswered) {
      return fail(`Nothing was written: some answers are missing. ${againLine('.', answers)}`)
    }
  }
  const missed = missing(answers)
  return missed.length === 0
    ? ok(answers as Answers)
    : fail(`What is missing: ${missed.join(', ')} (in a terminal it would be asked for)`)
}

/** Asks until the answer is valid, or empty if there is a default; false if there is no more input. */
const askFor = async (
  name: AnswerName,
  answers: Partial<Record<AnswerName, string>>,
  ask: Ask,
): Promise<boolean> => {
  const { otherwise, fault } = QUESTIONS[name]
  for (let why = ''; ; ) {
    const answer = (await ask(`${why}${textOf(name)}\n> `))?.trim()
    if (answer === undefined) return false
    if (answer === '' && otherwise !== undefined) return true
    const wrong = fault(answer)
    if (wrong === undefined) {
      answers[name] = answer
      return true
    }
    why = `${wrong}\n`
  }
}

const missing = (answers: Partial<Answers>): readonly string[] => [
  ...ANSWER_NAMES.filter((name) => !QUESTIONS[name].otherwise && !answers[name]).map(optionName),
  ...(hasOrigin(answers) ? [] : [ONE_OF_THREE]),
]

const hasOrigin = ({ origin, modelApi, mcp }: Partial<Answers>): boolean =>
  Boolean(origin || modelApi || mcp)

const ONE_OF_THREE = 'one of --origin, --model-api and --mcp'
const NOWHERE = 'Without a model API and an MCP server, the gate needs an API.'

/** The command that gives these answers again, so that none has to be typed twice. */
const againLine = (directory: string, answers: Partial<Answers>): string => {
  const given = ANSWER_NAMES.flatMap((name) => {
    const answer = answers[name]
    return answer === undefined ? [] : `${optionName(name)} '${answer.replaceAll("'", "'\\''")}'`
  })
  return `To go on with these answers: npx edgewarden init ${[directory, ...given].join(' ')}`
}

/** A name that Cloudflare takes for a Worker, after the folder. */
const workerName = (directory: string): string =>
  basename(resolve(directory))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 54)
    .replace(/^-|-$/g, '') || 'gate'

const MEANT: Readonly<Record<string, string>> = { [OWNER_ID]: 'account', [AGENT_ID]: 'agent' }

/** What `check` says of a file with this text. */
const judge = async (text: string): Promise<Outcome> => {
  const folder = await mkdtemp(join(tmpdir(), 'edgewarden-init-'))
  const file = join(folder, 'wrangler.toml')
  try {
    await writeFile(file, text)
    const outcome = await check({ file })
    return { ...outcome, err: outcome.err.map((line) => line.replaceAll(file, 'wrangler.toml')) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
