import { env as bindings } from 'cloudflare:workers'
import * as v from 'valibot'
import { comparePolicies } from '../../compare/compare.ts'
import { createPace } from '../../compare/pace.ts'
import { type Environment, environmentsOf } from '../../compare/wrangler/environments.ts'
import { environmentParts } from '../../compare/wrangler/reading.ts'
import { type Admin, answer, ownIssuer, refuse } from '../../gate/app/context.ts'
import { type Problem, readAdminJson, readValue, strict, text } from '../../gate/app/request.ts'
import type { Env } from '../../gate/app/workerd/env.ts'
import { isObject, type JsonObject, objectOf, own } from '../../gate/base/json.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { type Parts, spread } from '../../gate/base/parts.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { workerEnv } from '../../gate/policy/reading/env.ts'
import { type Path, pathText } from '../../gate/policy/reading/issues.ts'
import { isPolicyVariable, readVars, SERVE_DEFAULTS } from '../../gate/policy/reading/vars.ts'
import { variablesOf } from '../../gate/revocation/object/variables.ts'
import { consoleDenials as deny } from './session.ts'

const env = bindings as unknown as Env

/**
 * Bounds of one comparison. `bytes`: of the request. `entries`: of each list and table of the pasted policy. `segments`: of
 * the path of a rule. `ms`: until another comparison may begin.
 */
const MOST = {
  bytes: 256 * 1024,
  entries: 1_000,
  segments: 100,
  samples: 100_000,
  problems: 50,
  ms: 60_000,
}

/** Steps to read a rule: most if it has many mistakes. */
const RULE = 500

const ASKED = strict({
  file: v.custom<JsonObject>(isObject, 'must be an object'),
  environment: v.exactOptional(text(200)),
})

/**
 * `POST /console/diff`: what changes if the policy of a wrangler file replaces the one in force. The caller has read the
 * file's TOML or JSONC. The file is not stored, and no value of a secret is compared. The guard has checked token and
 * scope. An isolate does one comparison at a time, and serves other requests between its parts.
 */
export async function diffOfFile(c: Admin): Promise<Response> {
  if (ownIssuer(c) !== undefined) refuse(c, deny('console_diff_reach'))
  const invalid = deny('console_diff_invalid')
  const given = await readAdminJson(c, invalid, MOST.bytes)
  const asked = readValue(c, ASKED, given, invalid)
  // The share of one owner, so a second comparison has no room. It ends even if the caller has gone.
  const room = c.get('ports').bodies.open('console_diff', MOST.ms)
  if (!room.take(LIMITS.heldBodies.ofOne)) return refuse(c, deny('console_diff_busy'))
  try {
    const pace = createPace(pause)
    const between = () => pace(RULE)
    const after = await spread(filePolicy(asked), between)
    if (!after.ok) return refuse(c, invalid, { problems: after.reason })
    await pause()
    before ??= await spread(runningPolicy(), between)
    await pause()
    const effort = { most: MOST.samples, pause }
    const compared = await comparePolicies(before, after.value, effort)
    return compared.ok ? answer(c, compared.value) : refuse(c, deny('console_diff_too_large'))
  } finally {
    room.leave()
  }
}

/** Most of the time is for other requests: each of them may have to wait for several parts. */
const pause = () => new Promise<void>((done) => setTimeout(done, 5))

/** The policy in force, which does not change in an isolate. */
let before: Policy | undefined

function* runningPolicy(): Parts<Policy> {
  const [running] = environmentsOf({ vars: variablesOf(env) })
  const read = running && (yield* readVarsOf(running))
  if (!read?.parsed.ok) throw new Error('the policy in force cannot be read')
  return read.parsed.value.policy
}

/** Reads the policy of an environment. An environment without bindings has those of this Worker. */
const readVarsOf = (one: Environment) => {
  // A text in another variable may be a secret.
  const kept = Object.entries(one.vars).filter(
    ([name, value]) => isPolicyVariable(name) || typeof value !== 'string',
  )
  const isBound = Object.keys(one.bound).length > 0 ? undefined : workerEnv(env).has
  // Warnings are not compared.
  const warn = () => {}
  return environmentParts({ ...one, vars: Object.fromEntries(kept) }, undefined, isBound, warn)
}

/** The policy in a wrangler file, or its mistakes. */
function* filePolicy({
  file,
  environment,
}: v.InferOutput<typeof ASKED>): Parts<Result<Policy, readonly Problem[]>> {
  // Each environment copies the lists of the top level. So only the wanted environment is read.
  const tables = Object.entries(objectOf(own(file, 'env')))
  const env = Object.fromEntries(tables.filter(([name]) => name === environment))
  const all = environmentsOf({ ...file, env })
  const found = all.find(({ name }) => name === environment)
  if (!found) return fail([{ path: 'environment', message: 'is not in the file' }])
  const tooLong = tooLongIn(own(file, 'env'), found.vars)
  if (tooLong.length > 0) return fail(tooLong)
  const vars = { ...besideFile(all[0]), ...found.vars }
  const { variableIssues, parsed } = yield* readVarsOf({ ...found, vars })
  const issues = [...found.issues, ...variableIssues, ...(parsed.ok ? [] : parsed.reason)]
  if (parsed.ok && issues.length === 0) return ok(parsed.value.policy)
  return fail(issues.slice(0, MOST.problems))
}

/** Lists and tables with too many entries: environments, variables, and what the variables have. */
const tooLongIn = (environments: unknown, given: JsonObject): readonly Problem[] => {
  const outer = [...longIn(environments, ['env'], 1), ...longIn(given, ['vars'], 1)]
  if (outer.length > 0) return outer
  const { routePaths, grantPaths, ...vars } = readVars(given).vars
  return [...longIn(vars, [], LEVELS)]
}

/** Levels of lists and tables that a policy has. */
const LEVELS = 8

function* longIn(value: unknown, path: Path, levels: number): Generator<Problem> {
  const long = (count: number, what: string, most: number): Problem => ({
    path: pathText('', path),
    message: `has ${count} ${what}, over ${most}; run npx edgewarden diff OLD NEW on your machine`,
  })
  if (typeof value === 'string' && path.at(-1) === 'match') {
    const segments = value.split('/').length - 1
    if (segments > MOST.segments) yield long(segments, 'segments', MOST.segments)
  }
  if (levels === 0 || typeof value !== 'object' || value === null) return
  const { length } = Object.keys(value)
  if (length > MOST.entries) {
    yield long(length, 'entries', MOST.entries)
    return
  }
  for (const [name, inner] of Object.entries(value)) {
    yield* longIn(inner, [...path, Array.isArray(value) ? Number(name) : name], levels - 1)
  }
}

/** Variables that are not in the file and stay as they are: rules of teams, which have files of their own, and what `serve` adds. */
const besideFile = (top: Environment | undefined): JsonObject => {
  const teams = objectOf(own(top?.vars ?? {}, 'TEAMS'))
  const names = [SERVE_DEFAULTS, ...Object.keys(teams).map((team) => `ROUTES_${team}`)]
  return Object.fromEntries(
    Object.entries(variablesOf(env)).filter(([name]) => names.includes(name)),
  )
}
