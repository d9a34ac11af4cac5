import type { Command } from 'commander'
import { DEFAULT_PREFIX } from '../../gate/policy/keys/gate.ts'
import type { Outcome } from './output.ts'

/** The parts that all commands share. */

/** What a command that calls a gate needs of its process. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Seconds since the epoch. */
  readonly now: () => number
}

/** How a command waits. */
export interface Waiting {
  /** Milliseconds on a monotonic clock. */
  readonly elapsed: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Called with what the command waits for. */
  readonly tell: (line: string) => void
}

/** Asks a person a question; `undefined` if there is no more input. */
export type Ask = (question: string) => Promise<string | undefined>

/** All that a command may need of its process. */
export interface Process extends Surroundings {
  /** Standard input to its end. */
  readonly stdin: () => Promise<string>
  readonly waiting: Waiting
  /** Writes a line on standard output, before the outcome. */
  readonly print: (line: string) => void
  /** Asks the person at the terminal; absent if there is none. */
  readonly converse?: (dialogue: (ask: Ask) => Promise<void>) => Promise<void>
}

/** A command: its row in the documentation, its help, and what it does. */
export interface CommandRow<Options extends object = object> {
  /** Its name, and the arguments and options that it usually needs. */
  readonly usage: string
  /** What it does: one sentence of `--help`, and of docs/commands.md. */
  readonly description: string
  /** The command line after `npx edgewarden`. */
  readonly example: string
  /** What `--help` says below the options. */
  readonly help?: string
  /** Adds its arguments and options. */
  options(command: Command): Command
  /** Does it, with the arguments in their order. */
  run(args: readonly (string | undefined)[], options: Options, process: Process): Promise<Outcome>
}

export const TOKEN_VARIABLE = 'EDGEWARDEN_TOKEN'

/** Collects the values of an option that may be repeated. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** The members that have a value. */
export function given<Members extends object>(
  members: Members,
): { readonly [Name in keyof Members]?: Exclude<Members[Name], undefined> } {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Members
}

/** The name of a command. */
export function nameOf({ usage }: Pick<CommandRow, 'usage'>): string {
  return usage.replace(/ .*/, '')
}

/** An option as it is written on the command line, by the name that commander gives it. */
export function optionName(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** The options of a command that calls a gate; `scope` is what its token needs. */
export function withAccess(command: Command, scope: string): Command {
  return command
    .option('--prefix <path>', `path of the gate's own endpoints (default: ${DEFAULT_PREFIX})`)
    .option(
      '--token-env <name>',
      `environment variable that contains a token (default: ${TOKEN_VARIABLE})`,
    )
    .option('--token-file <file>', 'file that contains a token')
    .option(
      '--key <file>',
      'sign a token for this call with the key in this file, which keygen made',
    )
    .option('--audience <resource>', 'with --key: the resource of the gate')
    .addHelpText(
      'after',
      `\n
With --key the command signs a token for this call. Its scope is ${scope}.
It is valid for 60 seconds, or for 300 at the audit. Its audience is --audience, or the resource that
GATE/.well-known/oauth-protected-resource names. That resource must have the same origin as --gate, or both
must be on this machine.`,
    )
}

/** The options of a command that always calls a gate. */
export function withGate(command: Command, scope = 'edgewarden:revoke'): Command {
  return withAccess(command.requiredOption('--gate <url>', 'scheme and host of the gate'), scope)
}

/** {@link withGate}, for a command that may be for several gates. */
export function withGates(command: Command, scope = 'edgewarden:revoke'): Command {
  return withAccess(
    command.requiredOption(
      '--gate <url>',
      'scheme and host of the gate; may be repeated for several gates',
      collect,
    ),
    scope,
  )
}
