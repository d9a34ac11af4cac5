import { claimPathText } from '../../gate/model/claims.ts'
import { PROFILE_NAMES, sharedOf } from '../../gate/policy/keys/profiles.ts'
import { type CommandRow, optionName } from '../base/command.ts'
import { readToken } from '../base/explain-request.ts'
import { counted } from '../base/file-policy.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { tomlTable } from '../base/toml.ts'
import { wranglerPath } from '../base/wrangler-names.ts'
import { CHECKS, type Finding, findingsOf } from './checks.ts'
import { type Facts, factsOf } from './facts.ts'
import { gather } from './gather.ts'
import { doctorMcp } from './mcp.ts'
import { nameOf, OWNER_ID } from './profile.ts'
import { findingLines, findingsJson, reportJson, reportLines, verdictOf } from './report.ts'
import { type IssuerOptions, type TargetFault, targetOfTable, targetOfUrl } from './target.ts'

export interface DoctorOptions extends IssuerOptions {
  /** The wrangler.toml with the issuer's table. */
  readonly config?: string
  readonly env?: string
  /** A sample token: the token, `@FILE` or `-`. */
  readonly token?: string
  /** An MCP server in place of an issuer: its URL, or the path of its rule. */
  readonly mcp?: string
}

export const doctorCommand: CommandRow<DoctorOptions> = {
  usage: 'doctor ISSUER',
  description:
    'Examine an issuer, or with --mcp URL what MCP clients meet, and say how to fix what is wrong.',
  example: 'doctor https://auth.my-company.com',
  help: `
With --mcp it asks an MCP server what clients ask before they log in, and says which can get a token.
It asks from this machine, so it cannot know whether the gate's network reaches the issuer. Other users
of this machine can see a token that is written on the command line: prefer @FILE or -.
Exit status: 0 in order (warnings or not), 1 something is wrong, 2 cannot tell: no answer.`,
  options: (command) =>
    command
      .argument('[issuer]', 'its URL, exactly as iss, or the name of its table in wrangler.toml')
      .option('--token <token>', 'a sample token to try: the token, @FILE, or - for standard input')
      .option('--mcp <url>', 'an MCP server instead: its URL, or the path of its rule')
      .optionsGroup('For an issuer given by URL:')
      .option('--jwks-uri <url>', 'where its keys are, instead of what its metadata says')
      .option('--profile <name>', `its profile: ${PROFILE_NAMES.join(', ')}`)
      .option('--algorithms <names>', 'algorithms to allow, separated by commas')
      .option('--allow-insecure-http', 'as in wrangler.toml; a loopback http URL implies it')
      .optionsGroup('For an issuer of a wrangler.toml:')
      .option('--config <file>', 'the file with the issuer (default: wrangler.toml)')
      .option('--env <name>', 'of this environment'),
  run: ([issuer = ''], options, { stdin }) => doctor(issuer, options, stdin),
}

/** Options that are only for an issuer of a file, and only for one that is given by URL. */
const OF_TABLE = ['config', 'env'] as const
const OF_URL = ['jwksUri', 'profile', 'algorithms', 'allowInsecureHttp'] as const

/**
 * Fetches an issuer's documents as a gate would, and reports how the gate would use them. Exits
 * with 0 if the gate gets keys and there are no problems; warnings do not count.
 */
export async function doctor(
  asked: string,
  options: DoctorOptions,
  stdin: () => Promise<string>,
): Promise<Outcome> {
  const { mcp, token: given } = options
  if ((mcp === undefined) === (asked === '') || (mcp !== undefined && given !== undefined)) {
    return cannotTell('Give an issuer, or --mcp with a URL or a path; --token is for an issuer.')
  }
  const isUrl = mcp === undefined && asked.includes('://')
  const stray = (isUrl ? OF_TABLE : OF_URL).find((name) => options[name] !== undefined)
  if (stray !== undefined) return cannotTell(strayOption(stray, isUrl))
  const { config, env } = options
  if (mcp !== undefined) return doctorMcp(mcp, config, env)
  const token = given === undefined ? undefined : await readToken(given, stdin)
  if (token && !token.ok) return cannotTell(token.reason)
  const target = isUrl
    ? targetOfUrl(asked, options)
    : await targetOfTable(asked, wranglerPath(config ?? 'wrangler.toml'), env)
  if (!target.ok) return faultOutcome(asked, target.reason)
  const facts = await factsOf(target.value, await gather(target.value.issuer), token?.value)
  const findings = findingsOf(facts, CHECKS)
  const { exitCode, summary } = verdictOf(findings, {
    silent: 'the issuer did not answer',
    good: `the gate gets ${counted(facts.keys?.usable ?? 0, 'usable key')}`,
  })
  const toml = tomlOf(facts)
  return {
    exitCode,
    json: reportJson(facts, findings, exitCode, toml),
    out: [...reportLines(facts, toml), '', summary],
    err: [
      ...findingLines(findings),
      ...(token && !facts.token ? ['The sample token was not judged: there is no key.'] : []),
    ],
  }
}

const strayOption = (name: string, isUrl: boolean): string => {
  const option = optionName(name)
  return isUrl
    ? `${option} is for an issuer of a wrangler.toml: give the name of its table instead of its URL.`
    : `${option} is for an issuer that is given by its URL; for a table, write it in the file.`
}

const faultOutcome = (asked: string, fault: TargetFault): Outcome => {
  if (fault.kind === 'usage') return cannotTell(fault.message)
  if (fault.kind === 'file') return fault.outcome
  const findings = fault.messages.map(
    (message): Finding => ({
      level: 'wrong',
      code: 'address_refused',
      message: `No gate accepts this issuer: ${message}`,
      fix: 'An issuer is an https URL on the public internet, and what its tokens name as iss; http is for a loopback host in development',
    }),
  )
  const json = { healthy: false, issuer: asked, ...findingsJson(findings) }
  return { exitCode: EXIT.no, json, out: [], err: findingLines(findings) }
}

/** The issuer's table to paste; empty if it has one, or has no usable key. */
const tomlOf = ({ target, keys, profile }: Facts): readonly string[] => {
  if (target.table !== null || !keys?.usable) return []
  const name = nameOf(target.issuer.issuer)
  const verified = keys.entries.flatMap(({ verifies }) => verifies ?? [])
  const { issuer, jwks_uri, allow_insecure_http } = target.entry
  const shared = sharedOf(target.issuer.issuer)
  return tomlTable(`vars.ISSUERS.${name}`, {
    issuer,
    ...(jwks_uri !== undefined && { jwks_uri }),
    agent_prefix: `${name}/`,
    algorithms: [...new Set(verified)],
    profile,
    ...(profile === 'cognito' && { audiences: ['CLIENT_ID'] }),
    ...(shared && { claims: { [claimPathText(shared.pins[0] ?? [])]: OWNER_ID } }),
    ...(allow_insecure_http === true && { allow_insecure_http }),
  })
}
