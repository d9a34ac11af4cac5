import { type JsonObject, objectOf, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { isLoopback, parseUrl } from '../../gate/base/url.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { PROFILES, type ProfileName } from '../../gate/policy/keys/profiles.ts'
import { parsePolicy } from '../../gate/policy/parse.ts'
import type { PolicyEnv } from '../../gate/policy/reading/env.ts'
import type { PolicyIssue } from '../../gate/policy/reading/issues.ts'
import type { PolicyVars } from '../../gate/policy/reading/vars.ts'
import { readFilePolicy } from '../base/file-policy.ts'
import type { Outcome } from '../base/output.ts'
import { nameOf } from './profile.ts'

/** Options of an issuer given by URL. */
export interface IssuerOptions {
  readonly jwksUri?: string
  readonly profile?: string
  /** Names, separated by commas or spaces. */
  readonly algorithms?: string
  readonly allowInsecureHttp?: boolean
}

/** The issuer to examine, as a gate would configure it. */
export interface Target {
  readonly issuer: Issuer
  /** The name of its table, if from a file. The file's other settings apply too. */
  readonly table: string | null
  /** Whether its profile is known: by an option, or as it is from a file. */
  readonly isProfileGiven: boolean
  /** `GATE.clock_tolerance`, in seconds. */
  readonly tolerance: number
  /** The keys of the entry as written. */
  readonly entry: JsonObject
  /** A policy with a single rule without scopes; `changes` override keys of the entry, `resource` that of GATE. */
  policyWith(changes: JsonObject, resource?: string): Policy | undefined
}

/** The reason for a missing issuer. `refused`: a gate refuses the address. */
export type TargetFault =
  | { readonly kind: 'usage'; readonly message: string }
  | { readonly kind: 'file'; readonly outcome: Outcome }
  | { readonly kind: 'refused'; readonly messages: readonly string[] }

const GATE = { resource: 'https://gate.invalid', origin: 'https://origin.invalid' }
/** All secrets and bindings count as present: the policy is not deployed. */
const ANY_ENV: PolicyEnv = { has: () => true, secret: () => undefined, admitsNobody: true }

/** Parses an entry with the minimal rest of a policy, by the gate's own parser. */
const read = ({ routePaths: _, ...vars }: PolicyVars, name: string, entry: JsonObject) =>
  parsePolicy(
    {
      ...vars,
      ISSUERS: { ...(vars.ISSUERS as JsonObject), [name]: withAudiences(entry) },
      ROUTES: [{ match: 'GET /', scopes: [] }],
    },
    ANY_ENV,
  )

/** The target of an entry, with the policy and the variables that it is in. */
const targetOf = (
  { gate }: Policy,
  issuer: Issuer,
  [name, entry]: readonly [name: string, entry: JsonObject],
  vars: PolicyVars,
  table: string | null,
): Target => ({
  issuer,
  table,
  isProfileGiven: table !== null || own(entry, 'profile') !== undefined,
  tolerance: gate.clockTolerance,
  entry,
  policyWith(changes, resource) {
    const named =
      resource === undefined ? vars : { ...vars, GATE: { ...objectOf(vars.GATE), resource } }
    const changed = read(named, name, { ...entry, ...changes })
    return changed.ok ? changed.value.policy : undefined
  },
})

/** The target of a URL. A loopback http URL is accepted. */
export function targetOfUrl(
  url: string,
  { jwksUri, profile, algorithms, allowInsecureHttp }: IssuerOptions,
): Result<Target, TargetFault> {
  const parsed = parseUrl(url)
  const isLocal = parsed?.protocol === 'http:' && isLoopback(parsed.hostname)
  const entry: JsonObject = {
    issuer: url,
    ...(jwksUri !== undefined && { jwks_uri: jwksUri }),
    ...(algorithms !== undefined && { algorithms: algorithms.split(/[\s,]+/).filter(Boolean) }),
    ...(profile !== undefined && { profile }),
    ...((allowInsecureHttp || isLocal) && { allow_insecure_http: true }),
  }
  const name = nameOf(url)
  const bundle = read({ GATE }, name, entry)
  const issuer = bundle.ok && bundle.value.policy.issuers.get(url)
  return issuer
    ? ok(targetOf(bundle.value.policy, issuer, [name, entry], { GATE }, null))
    : fail(urlFault(`ISSUERS.${name}.`, bundle.ok ? [] : bundle.reason))
}

/** Cognito's entries need audiences, which are unknown here. */
const withAudiences = (entry: JsonObject): JsonObject => {
  const profile = own(entry, 'profile')
  const needed = PROFILES[profile as ProfileName]?.audienceClaim === 'client_id'
  return needed && own(entry, 'audiences') === undefined ? { ...entry, audiences: ['-'] } : entry
}

/** The command line options of an issuer's keys. */
const SPOKEN: Readonly<Record<string, string>> = {
  issuer: 'ISSUER',
  jwks_uri: '--jwks-uri',
  profile: '--profile',
  algorithms: '--algorithms',
  allow_insecure_http: '--allow-insecure-http',
}
/** Keys whose mistakes count as refused addresses; others are usage errors. */
const ADDRESSES: ReadonlySet<string> = new Set(['issuer', 'jwks_uri', 'allow_insecure_http'])

const urlFault = (prefix: string, issues: readonly PolicyIssue[]): TargetFault => {
  const told = issues.map(({ path, message }) => {
    const key = path.startsWith(prefix) ? path.slice(prefix.length).replace(/[.[].*$/, '') : path
    return { key, message: `${SPOKEN[key] ?? path} ${message}` }
  })
  const usage = told.find(({ key }) => !ADDRESSES.has(key))
  return usage
    ? { kind: 'usage', message: usage.message }
    : { kind: 'refused', messages: told.map(({ message }) => message) }
}

/** The target of an issuer's table in a wrangler.toml, which must have a valid policy. */
export async function targetOfTable(
  name: string,
  file: string,
  env: string | undefined,
): Promise<Result<Target, TargetFault>> {
  const found = await readFilePolicy({ file, env })
  if (!found.ok) return fail({ kind: 'file', outcome: found.reason })
  const { policy, vars } = found.value
  const issuer = [...policy.issuers.values()].find((one) => one.name === name)
  const tables = vars.ISSUERS as Readonly<Record<string, JsonObject>>
  if (!issuer) {
    const names = Object.keys(tables).join(', ') || 'none'
    return fail({
      kind: 'usage',
      message: `${file} has no issuer "${name}"; those it has: ${names}. An issuer that is in no file is given by its URL.`,
    })
  }
  return ok(targetOf(policy, issuer, [name, tables[name] ?? {}], vars, name))
}
