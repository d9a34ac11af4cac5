#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Argument, Command, CommanderError, Option } from 'commander'
import { KINDS, MODES } from '../../core/model/revocation.ts'
import { DEFAULT_PREFIX } from '../../policy/gate.ts'
import { PROFILE_NAMES } from '../../policy/profiles.ts'
import { type DoctorOptions, doctor } from '../doctor/doctor.ts'
import { type GateOptions, TOKEN_VARIABLE } from './access.ts'
import { type CheckOptions, check } from './check.ts'
import { type DiffOptions, diff } from './diff.ts'
import { type ExplainOptions, explain } from './explain.ts'
import { readStdin } from './explain-request.ts'
import { type Filters, filtered } from './filters.ts'
import { DIFF_HELP, DOCTOR_HELP, EXPLAIN_HELP, keyHelp, REVOKE_HELP, ROUTES_HELP } from './help.ts'
import { type KeygenOptions, keygen } from './keygen.ts'
import { type MintOptions, mint } from './mint.ts'
import { cannotTell, EXIT, type Outcome, printable, render } from './output.ts'
import { type ListOptions, lift, list } from './revocations.ts'
import { type RevokeOptions, revoke } from './revoke.ts'
import { type RoutesOptions, routes } from './routes.ts'

const wantsJson = process.argv.includes('--json')
const now = () => Date.now() / 1000
const around = { env: process.env, now }
const waiting = {
  elapsed: () => performance.now(),
  sleep: (ms: number) => sleep(ms),
  tell: (line: string) => void (wantsJson || process.stderr.write(`${printable(line)}\n`)),
}

// A reader that leaves early (`| head`) or a full disk: what was asked for was not delivered.
process.stdout.on('error', () => {
  process.exitCode = EXIT.unknown
})
// What is said beside the answer does not change it.
process.stderr.on('error', () => {})

const print = (outcome: Outcome): void => {
  const { stdout, stderr } = render(outcome, wantsJson)
  if (stdout !== '') process.stdout.write(stdout)
  if (stderr !== '') process.stderr.write(stderr)
  process.exitCode = outcome.exitCode
}

const { version } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
) as { version: string }

const program = new Command('edgewarden')
  .version(version)
  .description('Commands for a gate in front of AI APIs and MCP servers.')
  .exitOverride()
  .configureOutput({ outputError: () => {} })
  .addHelpText('after', '\nExit status: 0 yes, 1 the answer is no, 2 cannot tell.')

const collect = (value: string, before: readonly string[] = []) => [...before, value]

const command = (name: string, description: string, example: string): Command =>
  program
    .command(name)
    .description(description)
    .option('--json', 'print one JSON document on standard output')
    .addHelpText('after', `\nExample:\n  npx edgewarden ${example}`)

const withAccess = (one: Command, scope: string): Command =>
  one
    .option('--prefix <path>', `path of the gate's own endpoints (default: ${DEFAULT_PREFIX})`)
    .option('--token-env <name>', `environment variable with a token (else ${TOKEN_VARIABLE})`)
    .option('--token-file <file>', 'file with a token')
    .option('--key <file>', 'key file of keygen: sign a token for this call')
    .option('--audience <resource>', 'with --key: the resource of the gate')
    .addHelpText('after', keyHelp(scope))

const gateCommand = (
  name: string,
  description: string,
  example: string,
  scope = 'edgewarden:revoke',
): Command =>
  withAccess(
    command(name, description, example).requiredOption(
      '--gate <url>',
      'scheme and host of the gate',
    ),
    scope,
  )

command('check', 'Validate wrangler.toml and all its environments.', 'check --env staging')
  .argument('[file]', 'the file to check', 'wrangler.toml')
  .option('--env <name>', 'only this environment')
  .option('--examples <file>', 'example tokens for conditions (default: edgewarden.examples.json)')
  .action(async (file: string, options: CheckOptions) => print(await check({ ...options, file })))

command('routes', 'List the rules of wrangler.toml and what each needs.', 'routes --env staging')
  .argument('[file]', 'the file to read', 'wrangler.toml')
  .option('--env <name>', 'of this environment')
  .optionsGroup('Only what an agent could reach:')
  .option('--agent-type <type>', 'its agent type')
  .option('--scopes <scopes>', 'its scopes, separated by spaces')
  .option('--issuer <name>', 'the table of the issuer of its tokens')
  .option('--workflow <id>', 'the workflow its tokens are for')
  .addHelpText('after', ROUTES_HELP)
  .action(async (file: string, options: RoutesOptions) => print(await routes({ ...options, file })))

command(
  'diff',
  'Tell who gains and who loses which rule when one policy takes the place of another.',
  'diff deployed.toml wrangler.toml --env staging',
)
  .argument('<old>', 'the wrangler.toml with the policy that is in force')
  .argument('<new>', 'the one with the policy that is to be')
  .option('--env <name>', 'of this environment')
  .addHelpText('after', DIFF_HELP)
  .action(async (old: string, next: string, options: DiffOptions) =>
    print(await diff(old, next, options)),
  )

command(
  'keygen',
  'Make a signing key: prints the issuer table for wrangler.toml, writes the private key.',
  'keygen --issuer ops >> wrangler.toml',
)
  .requiredOption('--issuer <name>', 'name of the table under [vars.ISSUERS]')
  .option('--out <file>', 'where the private key goes (default: NAME.jwk); never overwritten')
  .option('--url <url>', 'the issuer (default: https://NAME.ops.invalid)')
  .action(async (options: KeygenOptions) => print(await keygen(options)))

command(
  'mint',
  'Sign an access token for development.',
  `mint --key ops.jwk --audience https://api.my-company.com --scope "chat:write"`,
)
  .requiredOption('--key <file>', 'key file of keygen')
  .requiredOption('--audience <resource>', 'resource the token is for (aud)')
  .option('--scope <scopes>', 'scopes, separated by spaces')
  .option('--subject <sub>', 'subject (default: the client)')
  .option('--client <id>', 'client_id', 'edgewarden-cli')
  .option('--lifetime <duration>', 'how long it lives, at most 24h', '5m')
  .option('--claim <name=json>', 'a further claim; may be repeated', collect)
  .action(async (options: MintOptions) => print(await mint(options, now())))

gateCommand(
  'revoke',
  'Revoke a token, agent, subject, client, workflow, key or issuer at a running gate.',
  'revoke agent agent-7 --issuer https://auth.my-company.com --reason "leaked key" --wait \\\n    --gate https://api.my-company.com --key ops.jwk',
  'edgewarden:revoke and edgewarden:read',
)
  .addArgument(new Argument('<kind>', 'what kind of thing').choices(KINDS))
  .argument(
    '[value]',
    'which one: jti, agent id, sub, client_id, workflow id or kid; not for issuer',
  )
  .option('--issuer <iss>', 'the issuer it belongs to, as in iss')
  .addOption(
    new Option('--mode <mode>', 'block, or before: tokens issued up to --at')
      .choices(MODES)
      .default('block'),
  )
  .option('--at <seconds>', 'with --mode before: seconds since the epoch (default: now)')
  .option('--for <duration>', 'how long it lasts, such as 1h')
  .option('--expires <moment>', 'when it ends: seconds since the epoch, or a duration such as 24h')
  .option('--reason <text>', 'why, for those who list it')
  .option('--force', 'also when it covers the token of this call')
  .option('--wait', 'end once it is in effect everywhere, and tell how long it took')
  .addHelpText('after', REVOKE_HELP)
  .action(async (kind: string, value: string | undefined, options: Omit<RevokeOptions, 'kind'>) =>
    print(
      await revoke({ ...options, kind, ...(value !== undefined && { value }) }, around, waiting),
    ),
  )

filtered(gateCommand)(
  'lift',
  'Lift a revocation at a running gate, or all that the options name.',
  'lift 2hT1Zs0yX3kq8bN5vC7m9A --gate https://api.my-company.com --key ops.jwk',
)
  .argument('[id]', 'its id, as list shows it')
  .action(async (id: string | undefined, options: GateOptions & Filters) =>
    print(await lift(id, options, around)),
  )

filtered(gateCommand)(
  'list',
  'List the revocations of a running gate.',
  'list --gate https://api.my-company.com --key ops.jwk --kind agent --all',
)
  .option('--all', 'every page')
  .action(async (options: ListOptions) => print(await list(options, around)))

withAccess(
  command(
    'explain',
    'Tell how a request is decided, stage by stage: by wrangler.toml, or by a running gate.',
    'explain GET https://api.my-company.com/v1/documents/7 --token @token.txt',
  )
    .argument('<method>', 'method of the request')
    .argument('<url>', 'its whole URL, exactly as it is sent')
    .option('--token <token>', 'the token to explain: @FILE, - for standard input, or itself')
    .option('--header <name: value>', 'a further header of the request; may be repeated', collect)
    .option('--mcp <json>', 'what is asked of an MCP server: method, name, arguments, revision')
    .option('--connection <json>', 'where it comes from: ip, country, asn, colo, tls, bot_score')
    .optionsGroup('To judge by wrangler.toml:')
    .option('--config <file>', 'the file to judge by (default: wrangler.toml)')
    .option('--env <name>', 'of this environment')
    .option('--jwks <file>', "file with the JWK set of the token's issuer")
    .option('--at <time>', 'judge as of then: seconds since the epoch, or 2026-11-01T12:00:00Z')
    .optionsGroup('To ask a running gate:')
    .option('--gate <url>', 'scheme and host of the gate')
    .addHelpText('after', EXPLAIN_HELP),
  'edgewarden:read',
).action(async (method: string, url: string, options: ExplainOptions) =>
  print(await explain(method, url, options, { ...around, stdin: readStdin })),
)

command(
  'doctor',
  'Ask an issuer for its keys as a gate would, and tell what is wrong and how to mend it.',
  'doctor https://auth.my-company.com',
)
  .argument('<issuer>', 'its URL, exactly as iss, or the name of its table in wrangler.toml')
  .option('--token <token>', 'a sample token to try: @FILE, - for standard input, or itself')
  .optionsGroup('Of an issuer that is given by its URL:')
  .option('--jwks-uri <url>', 'where its keys are, instead of what its metadata says')
  .option('--profile <name>', `its profile: ${PROFILE_NAMES.join(', ')}`)
  .option('--algorithms <names>', 'algorithms to allow, separated by commas')
  .option('--allow-insecure-http', 'as in wrangler.toml; a loopback http URL implies it')
  .optionsGroup('Of an issuer of a wrangler.toml:')
  .option('--config <file>', 'the file that has it (default: wrangler.toml)')
  .option('--env <name>', 'of this environment')
  .addHelpText('after', DOCTOR_HELP)
  .action(async (issuer: string, options: DoctorOptions) =>
    print(await doctor(issuer, options, readStdin)),
  )

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) {
    print(cannotTell('Something in this command itself is broken; please report it.'))
  } else if (error.exitCode === 0) {
    process.exitCode = EXIT.yes
  } else if (error.code === 'commander.help') {
    process.exitCode = EXIT.unknown
  } else {
    // What is given to a misspelt option may be a token.
    const message = error.message.replace(/^error: /, '').replace(/('--[^'=]+)=[^']*/, '$1')
    print(cannotTell(`${message.replaceAll('\n', ' ')} (see: npx edgewarden --help)`))
  }
}
