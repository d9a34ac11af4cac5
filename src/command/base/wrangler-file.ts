import { type Environment, environmentsOf } from '../../compare/wrangler/environments.ts'
import { type Place, type PlaceOf, readJsonc, readToml } from '../../compare/wrangler/places.ts'
import { isObject, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { readText } from './files.ts'
import { readTeams, type Teams } from './teams.ts'
import { wranglerPath } from './wrangler-names.ts'

/** An environment, with the file that it is in and the rules of teams beside it. */
export interface WranglerEnvironment extends Environment {
  /** Where it is written: the file's path, and the place in it of a key of the policy or of a table. */
  readonly file: string
  readonly placeOf: PlaceOf
  readonly teams: Teams
}

/** Why there are no environments to look at. `broken`: the file can be read, and has a mistake. */
export interface WranglerFault extends Partial<Place> {
  readonly kind: 'unreadable' | 'broken'
  readonly message: string
}

/**
 * Reads a wrangler.toml, or a wrangler.json or .jsonc where that is named or there is no wrangler.toml: the top level
 * first, then each `[env.x]` with what wrangler inherits into it. Judges the names of tables only, not what they
 * say.
 */
export async function readWranglerFile(
  path: string,
): Promise<Result<readonly WranglerEnvironment[], WranglerFault>> {
  const file = wranglerPath(path)
  const text = await readText(file)
  if (!text.ok) return fail({ kind: 'unreadable', message: text.reason })
  const read = /\.jsonc?$/i.test(file) ? readJsonc(text.value) : readToml(text.value)
  if ('mistake' in read) {
    const { mistake, place, form } = read
    const message = `${file}:${place.line}:${place.column}: not valid ${form}: ${mistake}`
    return fail({ kind: 'broken', message, ...place })
  }
  const environments = environmentsOf(isObject(read.value) ? read.value : {})
  const teams = await readTeams(file, environments[0]?.vars ?? {}, read.placeOf)
  return ok(
    environments.map((one) => ({
      ...one,
      file,
      placeOf: teams.placeOf,
      teams,
      vars: { ...teams.vars, ...one.vars },
      issues: [
        ...one.issues,
        ...teams.issues,
        ...Object.keys(teams.vars)
          .filter((path) => own(one.vars, path) !== undefined)
          .map((path) => ({ path, message: 'would replace the rules of that team' })),
      ],
    })),
  )
}
