import { request } from 'node:http'
import process from 'node:process'
import { durationMs } from '../../gate/base/duration.ts'
import { type CommandRow, collect, type Process } from '../base/command.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { STOP_PATH } from './gate-config.ts'
import { readServed, type Started, type StartOptions, startGate } from './start.ts'

export interface ServeOptions extends StartOptions {
  readonly grace: string
}

export const serveCommand: CommandRow<ServeOptions> = {
  usage: 'serve',
  description: 'Run the gate off Cloudflare: the same bundle, on workerd, with its data on disk.',
  example: 'serve --listen "*:8443" --cert tls.crt --key tls.key',
  help: `
Checks the policy as check does, and does not start where check finds a mistake. Secrets that the policy
names come from the environment of this process, or else from .dev.vars beside the file. A changed policy
needs a restart. SIGTERM ends it: requests in progress may finish within --grace.
Exit status: 0 it was stopped, 1 the policy has a mistake, 2 it cannot run.`,
  options: (command) =>
    command
      .argument('[file]', 'the file with the policy', 'wrangler.toml')
      .option('--env <name>', 'run the policy of this environment')
      .option('--listen <address>', 'host:port, or *:port for every address', '127.0.0.1:8787')
      .option('--data <folder>', 'where revocations, keys and counts are kept', '.edgewarden')
      .option('--cert <file>', 'certificate chain in PEM; with --key it speaks https')
      .option('--key <file>', 'private key of the certificate, in PEM')
      .option('--ca <file>', 'certificates of issuers and origins to trust as well', collect)
      .option(
        '--protocol-header <name>',
        'header with the original scheme, from a proxy that ends TLS: X-Forwarded-Proto',
      )
      .option('--bundle <file>', 'a bundle that wrangler deploy --dry-run made')
      .option('--grace <duration>', 'how long requests may finish after SIGTERM', '25s'),
  run: ([file = 'wrangler.toml'], options, around) => serve(file, options, around),
}

/**
 * Runs the gate until a signal stops it. Starts nothing where the policy has a mistake. Does not look whether
 * issuers and origins answer; `PREFIX/ready` tells.
 */
export async function serve(
  file: string,
  options: ServeOptions,
  around: Process,
): Promise<Outcome> {
  const { env } = options
  const graceMs = durationMs(options.grace)
  if (graceMs === undefined) return cannotTell('--grace must be a duration, such as 25s.')
  const served = await readServed(file, env, around)
  if (!served.ok) return served.reason
  const started = await startGate(served.value.file, served.value.settings, options, around)
  if (started.ok) return untilStopped(started.value, graceMs, around)
  // Each line of wrangler's output becomes one line of the report.
  return { ...cannotTell(started.reason), err: started.reason.trimEnd().split('\n') }
}

/** Milliseconds after which a stop goes on, even if records are not stored yet. */
const STOP_MS = 5_000
/** Milliseconds between renewals of issuers' keys, as the cron trigger of a deploy has it. */
const CRON_MS = 300_000

/** Calls the cron trigger now and then, and ends workerd at a signal: gently, within `graceMs`. */
const untilStopped = async (
  { workerd, lock, told }: Started,
  graceMs: number,
  { waiting }: Process,
): Promise<Outcome> => {
  const { child, ended } = workerd
  const call = (path = '/') =>
    new Promise<unknown>((done) => {
      request({ socketPath: lock, method: 'POST', path }, (answer) => answer.resume())
        // The gate's own log says what failed.
        .on('error', done)
        .on('close', done)
        .end()
    })
  call()
  const timer = setInterval(call, CRON_MS)
  let stoppedBy: string | undefined
  let kill: NodeJS.Timeout | undefined
  let isEnding = false
  const end = () => {
    if (!isEnding) child.kill('SIGTERM')
    isEnding = true
  }
  const stop = (signal: string) => {
    if (stoppedBy !== undefined) return child.kill('SIGKILL')
    stoppedBy = signal
    waiting.tell(
      `${signal}: records are stored, then the gate stops; requests in progress may finish`,
    )
    kill = setTimeout(() => child.kill('SIGKILL'), graceMs)
    // Records are stored first: workerd does not wait for them.
    const late = setTimeout(end, STOP_MS)
    void call(STOP_PATH)
      .then(() => clearTimeout(late))
      .then(end)
    return true
  }
  process.on('SIGTERM', stop).on('SIGINT', stop)
  waiting.tell(told)
  const how = await ended
  process.off('SIGTERM', stop).off('SIGINT', stop)
  clearInterval(timer)
  clearTimeout(kill)
  if (stoppedBy === undefined) return cannotTell(`workerd ended by itself: ${how}`)
  const isCut = how === 'SIGKILL'
  return {
    exitCode: EXIT.yes,
    json: { stopped: stoppedBy, cut: isCut },
    out: [],
    err: isCut ? ['Not every request finished in time.'] : [],
  }
}
