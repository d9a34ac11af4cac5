import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { afterAll, beforeAll, inject, onTestFinished } from 'vitest'
import { nameOf } from '../../src/command/base/command.ts'
import { render, shownLine } from '../../src/command/base/output.ts'
import { COMMANDS } from '../../src/command/commands.ts'

/** A folder that is gone after the test that asks for it; asked for outside of tests, after those of the file. */
export const folder = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'edgewarden-cli-'))
  const remove = () => rm(path, { recursive: true, force: true })
  try {
    onTestFinished(remove)
  } catch {
    afterAll(remove)
  }
  return path
}

/** Writes a file into a folder and returns its path. */
export const write = async (directory: string, name: string, text: string): Promise<string> => {
  const path = join(directory, name)
  await writeFile(path, text)
  return path
}

/** A wrangler.toml without a mistake, in parts that a test can leave out or replace. */
export const PARTS = {
  top: 'name = "gate"\nmain = "src/worker.ts"\ncompatibility_date = "2026-11-01"',
  kv: '[[kv_namespaces]]\nbinding = "JWKS_CACHE"',
  objects: `[durable_objects]
bindings = [
  { name = "REVOCATIONS", class_name = "RevocationShard" },
  { name = "KEY_SERVICE", class_name = "KeyService" },
  { name = "ASSERTION_KEY_SERVICE", class_name = "AssertionKeyService" },
]
[triggers]
crons = ["*/5 * * * *"]`,
  classes: `[exports.RevocationShard]
type = "durable-object"
storage = "sqlite"
[exports.KeyService]
type = "durable-object"
storage = "sqlite"
[exports.AssertionKeyService]
type = "durable-object"
storage = "sqlite"`,
  gate: '[vars.GATE]\nresource = "https://api.acme.dev"\norigin = "https://origin.acme.dev"\nassertion = "identity"',
  issuer:
    '[vars.ISSUERS.acme]\nissuer = "https://auth.acme.dev"\nalgorithms = ["ES256"]\nadmin = "own"',
  route: '[[vars.ROUTES]]\nmatch = "GET /a"\nscopes = ["a:read"]',
  more: '',
} as const

export const toml = (changes: Partial<Record<keyof typeof PARTS, string>> = {}): string =>
  `${Object.values({ ...PARTS, ...changes }).join('\n\n')}\n`

/** The tables of an environment that has everything the top level has and does not hand down. */
export const environmentToml = (name: string): string =>
  [PARTS.kv, PARTS.objects, PARTS.gate, PARTS.issuer, PARTS.route]
    .join('\n\n')
    .replace(/^(\[+)/gm, `$1env.${name}.`)
    .replace('//api.acme.dev', `//${name}.acme.dev`)

/** What the command is compiled to is kept, as vitest.config.ts says. */
const { NODE_COMPILE_CACHE = '' } = process.env
const CACHING = { NODE_COMPILE_CACHE }

/** What the command said, and its exit status. */
export interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** Runs the command as a process of its own: for what a process is, as its streams, and for mistakes in its usage. */
export const run = (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> =>
  new Promise((done, failed) => {
    execFile(
      process.execPath,
      [inject('command'), ...args],
      { env: { ...CACHING, ...env, NO_COLOR: '1' }, cwd: tmpdir() },
      (error, stdout, stderr) => {
        if (error && typeof error.code !== 'number') failed(error)
        else done({ code: Number(error?.code ?? 0), stdout, stderr })
      },
    )
  })

/**
 * Runs the command in the process of the tests, by the rows and the printer that `main.ts` has: a process of
 * its own takes a tenth of a second of a processor. It reads files from the folder where the tests are.
 * Rejects where it is called in a wrong way.
 */
export async function runHere(
  args: readonly string[],
  env: Environment = { USER: 'maria' },
  { now = () => Date.now() / 1000, stdin = '' }: { now?: () => number; stdin?: string } = {},
): Promise<Run> {
  const asJson = args.includes('--json')
  let told = ''
  let printed = ''
  let run: Run | undefined
  const program = new Command('edgewarden').exitOverride()
  for (const row of COMMANDS) {
    const command = program.command(nameOf(row)).option('--json')
    row.options(command).action(async () => {
      const outcome = await row.run(command.processedArgs, command.opts(), {
        env,
        now,
        stdin: async () => stdin,
        waiting: {
          elapsed: () => performance.now(),
          sleep: (ms) => sleep(ms),
          tell: (line) => {
            if (!asJson) told += `${shownLine(line)}\n`
          },
        },
        print: (line) => {
          printed += `${shownLine(line)}\n`
        },
      })
      const { stdout, stderr } = render(outcome, asJson)
      run = { code: outcome.exitCode, stdout: printed + stdout, stderr: told + stderr }
    })
  }
  await program.parseAsync(args, { from: 'user' })
  if (run === undefined) throw new Error(`no command ran: ${args.join(' ')}`)
  return run
}

/** Lets the tests of a file run in a folder, so that commands are told its files by their names. */
export function inFolder(directory: string): void {
  const before = process.cwd()
  beforeAll(() => process.chdir(directory))
  afterAll(() => process.chdir(before))
}

/** An inline ES256 key, so that an issuer needs no fetch. */
export const KEY =
  '{ kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }'
