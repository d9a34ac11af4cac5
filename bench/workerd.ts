import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Readable } from 'node:stream'

/** A running `workerd serve` whose console.log nobody reads. */
export interface Server {
  /** Socket name → port; `inspector` is there when a flag asked for one. */
  readonly ports: Readonly<Record<string, number>>
  /** Processor time it has used so far in seconds, where the system tells. */
  cpu(): number | undefined
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
  const child = spawn(workerdPath(), ['serve', configPath, '--control-fd=3', ...flags], {
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
    errors: () => errors,
    async stop() {
      kill()
      await ended
      process.off('exit', kill)
    },
  }
}

const listening = async (events: Readable, sockets: readonly string[]) => {
  const ports: Record<string, number> = {}
  let rest = ''
  for await (const text of events.setEncoding('utf8')) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { event, socket, port } = JSON.parse(line)
      if (event === 'listen') ports[socket] = port
      if (event === 'listen-inspector') ports.inspector = port
    }
    if (sockets.every((name) => ports[name] !== undefined)) return ports
  }
  throw new Error('workerd does not listen')
}

/** Clock ticks of user and system time (proc_pid_stat(5)), 100 a second. */
const processorTime = ({ pid }: ChildProcess): number | undefined => {
  if (process.platform !== 'linux') return undefined
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const workerdPath = (): string => {
  // Wrangler's own copy: the very binary that `wrangler dev` runs.
  const fromWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler'))
  return fromWrangler('workerd').default
}
