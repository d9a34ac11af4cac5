import { readdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type PlacedIssue, type PlaceOf, readToml } from '../../compare/wrangler/places.ts'
import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { TEAM_KEYS } from '../../gate/policy/keys/team-keys.ts'
import {
  type PolicyIssue,
  pathText,
  quoteAll,
  type Report,
} from '../../gate/policy/reading/issues.ts'
import { readTable } from '../../gate/policy/reading/table.ts'
import { readText, writeText } from './files.ts'
import { wranglerPath } from './wrangler-names.ts'

/** The rules of teams, which each have a file of their own: `routes/NAME.toml` beside the wrangler file. */
export interface Teams {
  /** Their rules as the Worker gets them: a variable `ROUTES_NAME` for each team. */
  readonly vars: JsonObject
  readonly issues: readonly PlacedIssue[]
  /** Where something is written: a rule of a team in the team's file, anything else in the wrangler file. */
  readonly placeOf: PlaceOf
}

/** Where the files of teams are, beside the wrangler file. */
export const FOLDER = 'routes'
const MODULE = 'edgewarden/policy'
const WHERE = './.wrangler/edgewarden/policy.mjs'
const COMMAND = 'npx edgewarden check --write'
const HEADER = '// Written by edgewarden check --write.\n'

/** The files of teams among names of files. */
export function teamFiles(names: readonly string[]): readonly string[] {
  return names.filter((name) => name.endsWith('.toml')).sort()
}

/**
 * Reads the files of the teams that the top level of a wrangler file names under TEAMS. A file of no team, a team
 * without a file, a rule outside the team's paths or hosts, and anything that is not a rule are mistakes.
 */
export async function readTeams(file: string, vars: JsonObject, placeOf: PlaceOf): Promise<Teams> {
  const declared = own(vars, 'TEAMS')
  const folder = join(dirname(file), FOLDER)
  const files = teamFiles(await readdir(folder).catch(() => []))
  const issues: PlacedIssue[] = []
  const report: Report = (steps, message) => {
    const path = pathText('', steps)
    issues.push({ path, message, file, ...placeOf(path) })
  }
  if (declared !== undefined && !isObject(declared)) report(['TEAMS'], 'must be a table of teams')
  const teams = new Map(Object.entries(isObject(declared) ? declared : {}))
  for (const name of files.map((one) => one.slice(0, -'.toml'.length))) {
    if (teams.has(name)) continue
    const message = `is the file of no team; write [vars.TEAMS.${name}] with owner and paths`
    issues.push({ path: '', message, file: join(folder, `${name}.toml`), line: 1, column: 1 })
  }
  const rules: Record<string, unknown> = {}
  const places = new Map<string, PlaceOf>()
  for (const [name, table] of teams) {
    const team = readTable(TEAM_KEYS, table, (path, message) =>
      report(['TEAMS', name, ...path], message),
    )
    if (!files.includes(`${name}.toml`)) {
      report(['TEAMS', name], `has no file ${join(folder, name)}.toml`)
      continue
    }
    const read = await readTeam(join(folder, `${name}.toml`), team)
    rules[`ROUTES_${name}`] = read.rules
    issues.push(...read.issues)
    places.set(`ROUTES_${name}`, read.placeOf)
  }
  return {
    vars: rules,
    issues,
    placeOf: (path, env) => {
      const [, variable = '', rest] = /^(ROUTES_[^[]*)(\[.*)$/s.exec(path) ?? []
      return places.get(variable)?.(`routes${rest}`) ?? placeOf(path, env)
    },
  }
}

type Limits = Partial<{ owner: string; paths: readonly string[]; hosts: readonly string[] }>

const readTeam = async (file: string, { owner, paths, hosts }: Limits) => {
  const of = { file, ...(owner !== undefined && { owner }) }
  const start = { line: 1, column: 1 }
  const broken = (message: string, place = start) => ({
    rules: [],
    issues: [{ path: '', message, ...of, ...place }],
    placeOf: () => ({ ...of, ...place }),
  })
  const text = await readText(file)
  if (!text.ok) return broken(text.reason)
  const read = readToml(text.value)
  if ('mistake' in read) return broken(`not valid TOML: ${read.mistake}`, read.place)
  const placeOf = (path: string) => ({ path, ...of, ...read.placeOf(path) })
  const issues: PlacedIssue[] = []
  const report = (path: string, message: string) => issues.push({ message, ...placeOf(path) })
  const table = isObject(read.value) ? read.value : {}
  for (const key of Object.keys(table)) {
    if (key !== 'routes')
      report(pathText('', [key]), 'is not read: the file may have only [[routes]]')
  }
  const written = own(table, 'routes') ?? []
  if (!Array.isArray(written)) report('routes', 'must be a list of tables: [[routes]]')
  const rules = listOf(written)
  for (const [i, rule] of rules.entries()) {
    const [match, host] = ['match', 'host'].map((key) => isObject(rule) && own(rule, key))
    const path = typeof match === 'string' ? match.split(' ')[1] : undefined
    const isBelow = (one: string) => path === one || path?.startsWith(`${one}/`)
    if (paths && path !== undefined && !paths.some(isBelow)) {
      report(`routes[${i}].match`, `is outside the paths of this team: ${quoteAll(paths)}`)
    }
    if (hosts && !hosts.some((one) => one === host)) {
      report(`routes[${i}].host`, `must be a host of this team: ${quoteAll(hosts)}`)
    }
  }
  return { rules, issues, placeOf }
}

/** The parts of an environment that are read here. */
interface Built {
  readonly table: JsonObject
  readonly file: string
  readonly teams: Teams
}

const moduleIn = ({ table }: Built): string | undefined =>
  ownText(objectOf(own(table, 'alias')), MODULE)

/** Whether a command of `[build]` writes the rules of this file, and fails if they cannot be written. */
const isWriting = (command: string, file: string): boolean => {
  const [, text = ''] = /\bedgewarden check((?: +[^\s&|;]+)*) *(?:$|&&)/.exec(command) ?? []
  const words = text.replace(/ --(?:env|since) +\S+/g, '').split(' ')
  const named = words.find((word) => /^[^-]/.test(word))
  return words.includes('--write') && basename(named ?? usualName(file)) === basename(file)
}

/** The file beside this one that commands read where none is named. */
const usualName = (file: string): string => wranglerPath(join(dirname(file), 'wrangler.toml'))

/** Why deploys of an environment could lack the rules of teams. */
export function* undelivered(environment: Built): Iterable<PolicyIssue> {
  const name = basename(environment.file)
  const wanted = `${COMMAND}${name === basename(usualName(environment.file)) ? '' : ` ${name}`}`
  const command = ownText(objectOf(own(environment.table, 'build')), 'command') ?? ''
  const isTaken = moduleIn(environment) !== undefined
  const hasRules = Object.keys(environment.teams.vars).length > 0
  if (hasRules && !isTaken) {
    const message = `lacks "${MODULE}": the Worker would not get the rules in ${FOLDER}/; write [alias] with "${MODULE}" = "${WHERE}"`
    yield { path: 'alias', message }
  }
  if ((hasRules || isTaken) && !isWriting(command, environment.file)) {
    const message = `does not run ${wanted}: a deploy would use old rules in ${FOLDER}/; write [build] with command = "${wanted}"`
    yield { path: 'build.command', message }
  }
}

/**
 * Writes the rules of teams where `[alias]` of an environment takes them from, and returns the paths. Overwrites no file
 * of somebody else.
 */
export async function writeTeams(
  environments: readonly Built[],
): Promise<Result<readonly string[], string>> {
  const written = new Set<string>()
  for (const environment of environments) {
    const module = moduleIn(environment)
    if (module === undefined || written.has(module)) continue
    const path = resolve(dirname(environment.file), module)
    const before = await readText(path)
    if (before.ok && !before.value.startsWith(HEADER)) {
      return fail(`${path} was not written by check, and is not overwritten.`)
    }
    const text = `${HEADER}export const variables = ${JSON.stringify(environment.teams.vars)}\n`
    const made = await writeText(path, text, { isDeep: true })
    if (!made.ok) return made
    written.add(module)
  }
  return ok([...written])
}
