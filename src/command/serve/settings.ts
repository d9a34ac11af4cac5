import { dirname, join } from 'node:path'
import { parseEnv } from 'node:util'
import { readEnvironment } from '../../compare/wrangler/reading.ts'
import {
  isObject,
  type JsonObject,
  listOf,
  objectOf,
  own,
  ownText,
  parseJsonObject,
} from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { ASSERTION_SECRET } from '../../gate/policy/keys/assertion.ts'
import { ALERTS_SECRET, AUDIT_BINDING } from '../../gate/policy/keys/audit.ts'
import { issueIf, type PolicyIssue } from '../../gate/policy/reading/issues.ts'
import { SERVE_DEFAULTS } from '../../gate/policy/reading/vars.ts'
import { readText } from '../base/files.ts'
import type { WranglerEnvironment } from '../base/wrangler-file.ts'

/** The settings of a gate off Cloudflare. */
export interface Settings {
  readonly policy: Policy
  readonly vars: JsonObject
  readonly secrets: Readonly<Record<string, string>>
  /** Binding name → class name. */
  readonly objects: Readonly<Record<string, string>>
  /** Binding names of KV namespaces. */
  readonly namespaces: readonly string[]
  /** The binding with the version of the deployment, if there is one. */
  readonly versionBinding?: string
  readonly main: string
  readonly compatibilityDate: string
  readonly compatibilityFlags: readonly string[]
  /** The shards of revocations that the policy asks for, if more than one. */
  readonly unusedShards?: number
  /** Whether the policy does not say where the caller's address is, so that the address of the connection is used. */
  readonly isAddressAssumed: boolean
}

/** Why nothing is served. */
export interface Refusal {
  readonly issues: readonly PolicyIssue[]
  /** Names of secrets that are needed and not set. */
  readonly unset: readonly string[]
}

/** Several shards would share one process and one disk. */
const ONE_SHARD = { shards: 1 }
/** workerd ends no request by itself, and sets no header with the caller's address. */
const OFF_CLOUDFLARE = { timeout: '10m', client_ip: 'connection', revocation: ONE_SHARD }
/** On a disk, written rows cost nothing. */
const AUDIT_OFF_CLOUDFLARE = { rows_a_day: 'unlimited' }

/**
 * Reads the settings of an environment and of the top level that it inherits from. Secrets come from `variables` (of
 * the process), else from `.dev.vars` beside the file; `madeUp` gives those that the policy needs
 * and that are in neither. Fails with all mistakes at once.
 */
export async function readSettings(
  file: string,
  environment: WranglerEnvironment,
  top: WranglerEnvironment,
  variables: Readonly<Record<string, string | undefined>>,
  madeUp?: (name: string) => string,
): Promise<Result<Settings, Refusal>> {
  const reading = readEnvironment(environment)
  const required = requiredSecrets(environment)
  const optional = [ASSERTION_SECRET, ALERTS_SECRET]
  const names = [...reading.secrets, ...required, ...optional]
  const devVars = await readDevVars(file, environment.name)
  const secrets = Object.fromEntries(
    names.flatMap((name) => {
      const otherwise = optional.includes(name) ? undefined : madeUp?.(name)
      const value = variables[name] ?? own(devVars, name) ?? otherwise
      return typeof value === 'string' ? [[name, value] as const] : []
    }),
  )
  const isSet = (key: string) => own(objectOf(reading.vars.GATE), key) !== undefined
  const shards = Number(own(objectOf(own(objectOf(reading.vars.GATE), 'revocation')), 'shards'))
  const defaults = Object.entries(OFF_CLOUDFLARE).filter(([key]) => !isSet(key))
  const plain = Object.entries(environment.vars).filter(([name]) => !Object.hasOwn(secrets, name))
  const audit = own(environment.vars, 'AUDIT') ?? {}
  const isAudited = environment.bindings.durable_object.has(AUDIT_BINDING) && isObject(audit)
  const vars = {
    [SERVE_DEFAULTS]: Object.fromEntries(defaults),
    ...Object.fromEntries(plain.map(([name, value]) => [name, inOneShard(name, value)])),
    ...(isAudited && { AUDIT: { ...AUDIT_OFF_CLOUDFLARE, ...audit } }),
  }
  const known = readEnvironment({ ...environment, vars }, secrets)
  const inherited = (key: string) => own(environment.table, key) ?? own(top.table, key)
  const [main, date] = ['main', 'compatibility_date'].map((key) => textOf(inherited(key)))
  const versionBinding = ownText(objectOf(own(environment.table, 'version_metadata')), 'binding')
  const unset = (name: string) => !Object.hasOwn(secrets, name)
  const missing = required.filter((name) => unset(name) && !reading.secrets.has(name))
  const issues = [
    ...known.variableIssues,
    ...(known.parsed.ok ? [] : known.parsed.reason),
    ...missing.map((path) => ({ path, message: 'is a required secret, and is not set' })),
    ...foreign(environment, versionBinding),
    ...(known.parsed.ok ? elsewhere(known.parsed.value.policy) : []),
    ...issueIf(main === undefined, 'main', 'must name the entry of the Worker'),
    ...issueIf(date === undefined, 'compatibility_date', 'must be set'),
  ]
  if (!known.parsed.ok || main === undefined || date === undefined || issues.length > 0) {
    return fail({ issues, unset: [...new Set([...reading.secrets, ...missing])].filter(unset) })
  }
  return ok({
    policy: known.parsed.value.policy,
    vars,
    secrets,
    objects: Object.fromEntries(
      [...environment.bindings.durable_object].map(([name, one]) => [name, one.className ?? '']),
    ),
    namespaces: [...environment.bindings.kv],
    ...(versionBinding !== undefined && { versionBinding }),
    main,
    compatibilityDate: date,
    compatibilityFlags: listOf(inherited('compatibility_flags')).filter(
      (flag) => typeof flag === 'string',
    ),
    ...(shards > 1 && { unusedShards: shards }),
    isAddressAssumed: !isSet('client_ip'),
  })
}

/** A variable of GATE with one shard in place of those that it asks for; any other unchanged. */
const inOneShard = (name: string, value: unknown): unknown => {
  if (!/^GATE(?:_|$)/.test(name)) return value
  const gate = typeof value === 'string' ? parseJsonObject(value) : value
  const revocation = isObject(gate) ? own(gate, 'revocation') : undefined
  return isObject(gate) && isObject(revocation)
    ? { ...gate, revocation: { ...revocation, ...ONE_SHARD } }
    : value
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined

/** `[secrets] required`, which a deploy asks for. */
const requiredSecrets = ({ table }: WranglerEnvironment): readonly string[] =>
  listOf(own(objectOf(own(table, 'secrets')), 'required')).filter(
    (name) => typeof name === 'string',
  )

/** The file that `wrangler dev` reads: that of the environment if it exists, else the common one. */
const readDevVars = async (file: string, env: string | undefined): Promise<JsonObject> => {
  const names = env === undefined ? ['.dev.vars'] : [`.dev.vars.${env}`, '.dev.vars']
  for (const name of names) {
    const text = await readText(join(dirname(file), name))
    if (text.ok) return parseEnv(text.value)
  }
  return {}
}

/** Jurisdictions, which only Cloudflare has. */
const elsewhere = ({ gate, audit }: Policy): readonly PolicyIssue[] =>
  Object.entries({
    'GATE.revocation.jurisdiction': gate.placement.jurisdiction,
    'AUDIT.jurisdiction': audit?.jurisdiction,
  }).flatMap(([path, place]) =>
    issueIf(place, path, 'is for Cloudflare, and serve keeps the data on this disk; leave it out'),
  )

/** Bindings that only Cloudflare provides. */
const foreign = (
  { bound, bindings }: WranglerEnvironment,
  versionBinding: string | undefined,
): readonly PolicyIssue[] =>
  Object.keys(bound).flatMap((name) => {
    const object = bindings.durable_object.get(name)
    if (bindings.kv.has(name) || name === versionBinding) return []
    if (object && object.scriptName === undefined) return []
    return [{ path: `bindings.${name}`, message: foreignAdvice(name, bindings, object) }]
  })

const foreignAdvice = (
  name: string,
  { service, fetcher, ratelimit }: WranglerEnvironment['bindings'],
  object: unknown,
): string => {
  const only = 'and serve runs the gate off Cloudflare'
  if (service.has(name)) {
    return `is a service binding, ${only}, where it has no other Worker to call; write the origin's URL in place of "service:${name}", in an environment of its own if both are to run`
  }
  if (ratelimit.has(name)) {
    return `is a rate limit binding of Cloudflare, ${only}; write limit and period in place of binding = "${name}"`
  }
  if (object) return `is a Durable Object of another Worker, ${only}; leave out script_name`
  const table = fetcher.get(name) ?? 'a table of Cloudflare'
  return `is bound by ${table}, ${only}; leave it out, in an environment of its own if both are to run`
}
