import { type JsonObject, own } from '../../core/json.ts'
import type { Issuer } from '../../core/model/issuer.ts'
import type { Policy } from '../../core/model/policy.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { isLoopback, parseUrl } from '../../core/url.ts'
import type { PolicyEnv } from '../../policy/env.ts'
import type { PolicyIssue } from '../../policy/issues.ts'
import { parsePolicy } from '../../policy/parse.ts'
import { PROFILES, type ProfileName } from '../../policy/profiles.ts'
import type { PolicyVars } from '../../policy/vars.ts'
import { type FileFault, readFilePolicy } from '../cli/file-policy.ts'
import { nameOf } from './profile.ts'

/** Options that describe an issuer that is given by its URL. */
export interface IssuerOptions {
  readonly jwksUri?: string
  readonly profile?: string
  /** Names, separated by commas or spaces. */
  readonly algorithms?: string
  readonly allowInsecureHttp?: boolean
}

/** The issuer to look at, as a gate would have it. */
export interface Target {
  readonly issuer: Issuer
  /** Where it is a table of a file: the rest of what the gate reads is from there too. */
  readonly table: string | null
  /** Whether the profile was said, and is not only the default. */
  readonly isProfileGiven: boolean
  /** `GATE.clock_tolerance`, in seconds. */
  readonly tolerance: number
  /** Keys of the entry, as they are written. */
  readonly entry: JsonObject
  /** The policy of a gate whose one rule asks for no scope, with these keys laid over the entry. */
  policyWith(changes: JsonObject): Policy | undefined
}

/** Why there is no issuer to look at. `refused`: an address that no gate takes. */
export type TargetFault =
  | { readonly kind: 'usage'; readonly message: string }
  | { readonly kind: 'file'; readonly fault: FileFault }
  | { readonly kind: 'refused'; readonly messages: readonly string[] }

const GATE = { resource: 'https://gate.invalid', origin: 'https://origin.invalid' }
/** What a secret or binding is was never asked: nothing here serves. */
const ANY_ENV: PolicyEnv = { has: () => true, secret: () => undefined }

/** An entry beside the least that a policy needs, read by the gate's own reader. */
const read = (vars: PolicyVars, name: string, entry: JsonObject) =>
  parsePolicy(
    {
      ...vars,
      ISSUERS: { ...(vars.ISSUERS as JsonObject), [name]: entry },
      ROUTES: [{ match: 'GET /', scopes: [] }],
    },
    ANY_ENV,
  )

/** An issuer by its URL. An http URL of a host only this machine can reach is taken as it is. */
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
  const policyOf = (changes: JsonObject) =>
    read({ GATE }, name, withAudiences({ ...entry, ...changes }))
  const bundle = policyOf({})
  const issuer = bundle.ok && bundle.value.policy.issuers.get(url)
  if (issuer) {
    return ok({
      issuer,
      table: null,
      isProfileGiven: profile !== undefined,
      tolerance: bundle.value.policy.gate.clockTolerance,
      entry,
      policyWith(changes) {
        const changed = policyOf(changes)
        return changed.ok ? changed.value.policy : undefined
      },
    })
  }
  return fail(urlFault(`ISSUERS.${name}.`, bundle.ok ? [] : bundle.reason))
}

/** Cognito's entries must say for whom tokens are; that is not known here. */
const withAudiences = (entry: JsonObject): JsonObject => {
  const profile = own(entry, 'profile')
  const needed = PROFILES[profile as ProfileName]?.audienceClaim === 'client_id'
  return needed && own(entry, 'audiences') === undefined ? { ...entry, audiences: ['-'] } : entry
}

/** What the issuer's keys are called where they are given on the command line. */
const SPOKEN: Readonly<Record<string, string>> = {
  issuer: 'ISSUER',
  jwks_uri: '--jwks-uri',
  profile: '--profile',
  algorithms: '--algorithms',
  allow_insecure_http: '--allow-insecure-http',
}
/** Mistakes in what a table would hold for good, unlike those in how the command is called. */
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

/** An issuer by the name of its table in a wrangler.toml, whose policy must be in order. */
export async function targetOfTable(
  name: string,
  file: string,
  env: string | undefined,
): Promise<Result<Target, TargetFault>> {
  const found = await readFilePolicy({ file, env })
  if (!found.ok) return fail({ kind: 'file', fault: found.reason })
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
  const entry = tables[name] ?? {}
  // Where each rule was written is not where this one is.
  const { routePaths: _, ...others } = vars
  return ok({
    issuer,
    table: name,
    isProfileGiven: own(entry, 'profile') !== undefined,
    tolerance: policy.gate.clockTolerance,
    entry,
    policyWith(changes) {
      const changed = read(others, name, { ...entry, ...changes })
      return changed.ok ? changed.value.policy : undefined
    },
  })
}
