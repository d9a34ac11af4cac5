import { spawn } from 'node:child_process'
import { Option } from 'commander'
import { own } from '../../gate/base/json.ts'
import { parseUrl } from '../../gate/base/url.ts'
import { type CommandRow, type Process, withGate } from '../base/command.ts'
import { isSecure } from '../base/gate-client.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { AGENTS_SCOPE, APPROVE_SCOPE, callAs, type GateOptions } from './access.ts'

const READS = 'edgewarden:read edgewarden:audit:read edgewarden:metrics'

const ACTS = `${READS} edgewarden:revoke ${AGENTS_SCOPE} ${APPROVE_SCOPE}`

/** The scopes of each role. */
const ROLES = {
  viewer: READS,
  operator: ACTS,
  administrator: `${ACTS} edgewarden:audit:erase`,
} as const

interface ConsoleOptions extends GateOptions {
  readonly role: keyof typeof ROLES
  readonly open: boolean
}

export const consoleCommand: CommandRow<ConsoleOptions> = {
  usage: 'console',
  description: 'Sign in to the console of a running gate, in the browser.',
  example: 'console --gate https://api.my-company.com --key ops.jwk',
  options: (command) =>
    withGate(command, 'that of --role')
      .addOption(
        new Option('--role <role>', 'with --key: what the console may do')
          .choices(Object.keys(ROLES))
          .default('operator'),
      )
      .option('--no-open', 'only print the address'),
  help: `
The address has a code that works once, within 60 seconds. Key and token do not go to the browser.
On a machine with other users give --no-open: they can see the arguments of a program that starts.`,
  run: (_, options, process) => signIn(options, process),
}

const signIn = async (options: ConsoleOptions, around: Process): Promise<Outcome> => {
  const scopes = ROLES[options.role]
  const answer = await callAs(options, scopes, around, '/console', { method: 'POST' })
  if (!answer.ok) {
    const { reason } = answer
    const isAbsent = reason.refused && [404, 503].includes(reason.refused.status)
    const advice = 'Is GATE.console set, and is the Worker edgewarden/worker-with-console?'
    return isAbsent ? { ...reason, err: [...reason.err, advice] } : reason
  }
  const { body } = answer.value
  const url = parseUrl(String(own(body, 'url')))
  if (!url || !isSecure(url))
    return cannotTell('The answer of the gate has no address of a console.')
  // Nobody is at the terminal of a script.
  if (options.open && around.converse) openUrl(url.href)
  return { exitCode: EXIT.yes, json: body, out: [url.href], err: [] }
}

const OPENERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/** Opens the browser, as far as there is one; the address is printed all the same. */
export function openUrl(url: string): void {
  const [program, ...rest] = OPENERS[process.platform] ?? ['xdg-open']
  const child = spawn(program, [...rest, url], { stdio: 'ignore', detached: true })
  child.once('error', () => {})
  child.unref()
}
