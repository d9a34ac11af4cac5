import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { findWorkerd, listening } from '../../src/command/serve/workerd.ts'
import { ROOT } from '../../test/kit/repository.ts'

/** A running `workerd serve` whose console.log nobody reads. */
export interface Server {
  /** Socket name → port; `inspector` is there when a flag asked for one. */
  readonly ports: Readonly<Record<string, number>>
  /** Processor time it has used so far in seconds; not a number where the system does not tell. */
  cpu(): number
  /** Bytes of memory it has now; not a number where the system does not tell. */
  memory(): number
  /** What it wrote to stderr, the last of it. */
  errors(): string
  stop(): Promise<void>
}

const KEPT = 20_000

/**
 * Starts workerd and resolves when all `sockets` listen. Its stdout goes to /dev/null: a pipe
 * would make the process that measures drain the journal.
 */
export const serve = async (
  configPath: string,
  sockets: readonly string[],
  flags: readonly string[] = [],
): Promise<Server> => {
  const child = spawn(findWorkerd(ROOT), ['serve', configPath, '--control-fd=3', ...flags], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  let errors = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-KEPT)
  })
  const ended = new Promise<void>((done) => child.once('close', () => done()))
  const ports = await Promise.race([
    listening(child.stdio[3] as Readable, sockets),
    ended.then(() => Promise.reject(new Error(`workerd ended\n${errors}`))),
  ])
  return {
    ports,
    cpu: () => processorTime(child),
    memory: () => residentBytes(child),
    errors: () => errors,
    async stop() {
      kill()
      await ended
      process.off('exit', kill)
    },
  }
}

/**
 * Of all threads, in seconds: the first field of a thread's schedstat is in nanoseconds, where
 * proc_pid_stat(5) counts in hundredths of a second.
 */
const processorTime = ({ pid }: ChildProcess): number => {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) return Number.NaN
  const times = readdirSync(tasks).map((task) => {
    const [used] = readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ')
    return Number(used)
  })
  return times.reduce((sum, time) => sum + time, 0) / 1e9
}

const residentBytes = ({ pid }: ChildProcess): number => {
  const status = `/proc/${pid}/status`
  if (!existsSync(status)) return Number.NaN
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(status, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}
