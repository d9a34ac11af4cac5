import { Argument } from 'commander'
import { fail, type Result } from '../../gate/base/result.ts'
import { isScopeToken } from '../../gate/model/scope.ts'
import type { CommandRow } from '../base/command.ts'
import { counted, readFilePolicy } from '../base/file-policy.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { readDocument } from '../openapi/document.ts'
import { driftOf } from '../openapi/drift.ts'
import type { Note } from '../openapi/operations.ts'
import { type Imported, importRules, rulesToml } from '../openapi/rules.ts'

export interface ImportOptions {
  /** Scope of operations that name none. */
  readonly scope?: string | undefined
  /** Variables of the rules: this name, and a number after it. */
  readonly variable?: string | undefined
  readonly check?: boolean | undefined
  readonly config?: string | undefined
  readonly env?: string | undefined
}

/** The variables of imported rules, unless another name is given. */
export const VARIABLE = 'ROUTES_OPENAPI'

export const importCommand: CommandRow<ImportOptions> = {
  usage: 'import openapi FILE',
  description: 'Make rules from an OpenAPI document, or compare the policy with it.',
  example: 'import openapi openapi.yaml >> wrangler.toml',
  help: `
Reads OpenAPI 3.0 and 3.1, JSON or YAML, from a file or an https URL. Standard error lists what the
document leaves open, with JSON pointers. No rule is public. Rules for MCP servers are not changed.
Exit status: 0 rules were made, or with --check nothing differs, 1 none, or something differs, 2 cannot tell.`,
  options: (command) =>
    command
      .addArgument(new Argument('<format>', 'what to read').choices(['openapi']))
      .argument('<source>', 'the document: a file or an https URL')
      .option('--scope <scope>', 'scope for operations that name none (default: any valid token)')
      .option(
        '--variable <name>',
        `name of the variables with the rules (default: ${VARIABLE}, with --check all)`,
      )
      .option('--check', 'say where the policy and the document differ')
      .option('--config <file>', 'with --check: the file with the policy (default: wrangler.toml)')
      .option('--env <name>', 'with --check: compare this environment'),
  run: ([, source = ''], options) => importOpenApi(source, options),
}

/** Makes rules from an OpenAPI document and prints them. With `check` it says where a policy and the document differ. */
export async function importOpenApi(source: string, options: ImportOptions): Promise<Outcome> {
  const { scope, variable = VARIABLE, check, env } = options
  if (scope !== undefined && !isScopeToken(scope)) return cannotTell('--scope is one scope')
  if (!/^ROUTES(?:_\w+)?$/.test(variable))
    return cannotTell('--variable is ROUTES, or begins with ROUTES_')
  const read = await readRules(source, scope)
  if (!read.ok) return cannotTell(read.reason)
  const { rules, notes, policy } = read.value
  const told = notes.map(noteLine)
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
    if (!file.ok) return file.reason
    const { routePaths: paths = [] } = file.value.vars
    const found = await driftOf(
      { rules, document: policy, policy: file.value.policy, paths },
      options.variable ?? '',
    )
    const drift = found.map((one) => ({ ...one, message: file.value.tell(one.message) }))
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
  const toml = rulesToml(rules, `${env === undefined ? '' : `env.${env}.`}vars.${variable}`)
  const operations = rules.reduce((sum, one) => sum + one.operations.length, 0)
  const summary = `${counted(rules.length, 'rule')} for ${counted(operations, 'operation')}; next: npx edgewarden check`
  return {
    exitCode: EXIT.yes,
    json: { ...json, toml },
    out: toml.trimEnd().split('\n'),
    err: [...told, summary],
  }
}

/** What can be made of the document in a file or at a URL. */
export async function readRules(source: string, scope?: string): Promise<Result<Imported, string>> {
  const document = await readDocument(source)
  if (!document.ok) return document
  const imported = await importRules(document.value, scope === undefined ? [] : [scope])
  return imported.ok ? imported : fail(`${source} ${imported.reason}`)
}

/** One line about something that the document does not say. */
export function noteLine({ pointer, message, isLeftOut }: Note): string {
  return `${isLeftOut ? 'left out' : 'note'}: ${pointer} ${message}`
}
