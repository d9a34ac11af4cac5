import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Argument } from 'commander'
import { parse, TomlError } from 'smol-toml'
import { isScopeToken } from '../../core/model/scope.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readDocument } from '../openapi/document.ts'
import { driftOf } from '../openapi/drift.ts'
import { type Imported, importRules, rulesToml } from '../openapi/rules.ts'
import type { CommandRow } from './command.ts'
import { counted, fileFaultOutcome, readFilePolicy } from './file-policy.ts'
import { fileReason, readText } from './files.ts'
import { cannotTell, EXIT, type Outcome } from './output.ts'

export interface ImportOptions {
  /** Scope of operations that name none. */
  readonly scope?: string | undefined
  /** Variables of the rules: this name, and a number behind it. */
  readonly variable?: string | undefined
  readonly out?: string | undefined
  readonly check?: boolean | undefined
  readonly config?: string | undefined
  readonly env?: string | undefined
}

const VARIABLE = 'ROUTES_OPENAPI'

export const importCommand: CommandRow<ImportOptions> = {
  name: 'import',
  docs: [
    'import openapi FILE',
    'makes rules from an OpenAPI document, or says where the policy differs from it',
  ],
  description: 'Make rules from an OpenAPI document, or compare the policy with it.',
  example: 'import openapi openapi.yaml --out wrangler.toml',
  help: `
Reads OpenAPI 3.0 and 3.1, JSON or YAML, from a file or an https URL. What cannot be told is on standard
error, with its JSON pointer. No rule is public. Rules for MCP servers are left alone.
Exit status: 0 rules were made, or with --check nothing differs, 1 none, or something differs, 2 cannot tell.`,
  options: (command) =>
    command
      .addArgument(new Argument('<format>', 'what to read').choices(['openapi']))
      .argument('<source>', 'the document: a file or an https URL')
      .option('--scope <scope>', 'scope for operations that name none (default: any valid token)')
      .option(
        '--variable <name>',
        `variables of the rules (default: ${VARIABLE}, with --check all)`,
      )
      .option(
        '--out <file>',
        'put the rules into this TOML file, in place of those of an earlier import',
      )
      .option('--check', 'say where the policy and the document differ')
      .option('--config <file>', 'with --check: the file with the policy (default: wrangler.toml)')
      .option('--env <name>', 'of this environment'),
  run: ([, source = ''], options) => importOpenApi(source, options),
}

/**
 * Makes rules from an OpenAPI document and prints them, or puts them into a file. With `check` it says where a policy
 * and the document differ.
 */
export async function importOpenApi(source: string, options: ImportOptions): Promise<Outcome> {
  const { scope, variable = VARIABLE, out, check, env } = options
  if (scope !== undefined && !isScopeToken(scope)) return cannotTell('--scope is one scope')
  if (!/^ROUTES(?:_\w+)?$/.test(variable))
    return cannotTell('--variable is ROUTES, or begins with ROUTES_')
  const read = await readRules(source, scope)
  if (!read.ok) return cannotTell(read.reason)
  const { rules, notes, policy } = read.value
  const told = notes.map(
    ({ pointer, message, isLeftOut }) =>
      `${isLeftOut ? 'left out' : 'note'}: ${pointer} ${message}`,
  )
  const json = {
    source,
    notes,
    rules: rules.map(({ match, scopes, operations }) => ({
      match,
      scopes,
      operations: operations.map(({ pointer }) => pointer),
    })),
  }
  if (!policy) {
    const error = `${source} has no operation that a rule can be made of.`
    return { exitCode: EXIT.no, json: { ...json, error }, out: [], err: [...told, error] }
  }
  if (check) {
    const { config = 'wrangler.toml' } = options
    const file = await readFilePolicy({ file: config, env })
    if (!file.ok) return fileFaultOutcome(file.reason, EXIT.unknown)
    const {
      vars: { routePaths: paths = [] },
    } = file.value
    const drift = await driftOf(
      { rules, document: policy, policy: file.value.policy, paths },
      options.variable ?? '',
    )
    const isSame = drift.length === 0
    const summary = isSame
      ? `${config} and ${source} agree.`
      : `${config} and ${source} differ: ${counted(drift.length, 'finding')}`
    return {
      exitCode: isSame ? EXIT.yes : EXIT.no,
      json: { ...json, config, environment: env ?? null, drift },
      out: [...drift.map(({ message }) => message), summary],
      err: told,
    }
  }
  const table = `${env === undefined ? '' : `env.${env}.`}vars.${variable}`
  const toml = importedToml(rules, table)
  if (out !== undefined) {
    const reason = await put(out, toml, table)
    if (reason !== undefined) return cannotTell(reason)
  }
  const operations = rules.reduce((sum, one) => sum + one.operations.length, 0)
  const summary = `${counted(rules.length, 'rule')} for ${counted(operations, 'operation')}; next: npx edgewarden check`
  return {
    exitCode: EXIT.yes,
    json: { ...json, toml },
    out: out === undefined ? toml.split('\n') : [`wrote ${out}`],
    err: [...told, summary],
  }
}

/** What comes of the document in a file or at a URL. */
export async function readRules(source: string, scope?: string): Promise<Result<Imported, string>> {
  const document = await readDocument(source)
  if (!document.ok) return document
  const imported = await importRules(document.value, scope === undefined ? [] : [scope])
  return imported.ok ? imported : fail(`${source} ${imported.reason}`)
}

/** The lines around imported rules, by which a later import finds them. */
const marks = (table: string) =>
  [`# begin ${table}: edgewarden import writes all up to the end`, `# end ${table}.`] as const

/** Imported rules as TOML, between two lines that say what they are. */
export function importedToml(rules: Imported['rules'], table = `vars.${VARIABLE}`): string {
  const [begin, end] = marks(table)
  return `${begin}\n${rulesToml(rules, table)}${end}`
}

/** Puts such a text into a file: in place of the one before, else at its end. The answer is why that cannot be. */
const put = async (file: string, toml: string, table: string): Promise<string | undefined> => {
  const [begin, end] = marks(table)
  if (/\.jsonc?$/.test(file)) return `${file} is no TOML; write the rules of --json into it`
  const text = existsSync(file) ? await readText(file) : ok('')
  if (!text.ok) return text.reason
  const before = text.value.split(begin)
  const after = text.value.split(end)
  if (before.length !== after.length || before.length > 2) {
    return `${file} must have both of these lines, or none: "${begin}", "${end}".`
  }
  const gap = text.value === '' ? '' : text.value.endsWith('\n') ? '\n' : '\n\n'
  const next =
    before.length === 1 ? `${text.value}${gap}${toml}\n` : `${before[0]}${toml}${after[1]}`
  try {
    parse(next)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    return `${file} would be no TOML with these rules: ${error.message.split('\n', 1)[0]}`
  }
  return writeFile(file, next).then(
    () => undefined,
    (error: unknown) => `Cannot write ${file}: ${fileReason(error)}.`,
  )
}
