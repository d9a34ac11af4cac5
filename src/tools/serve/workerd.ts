import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

/**
 * Path of the workerd that a project has: the very binary that its `wrangler dev` runs, or one that is
 * installed without wrangler. Throws where there is none for this machine.
 */
export function findWorkerd(directory: string): string {
  const own = createRequire(join(directory, 'package.json'))
  const path = (from: NodeJS.Require) => from('workerd').default as string
  try {
    return path(createRequire(own.resolve('wrangler')))
  } catch {
    return path(own)
  }
}

/**
 * The ports that workerd says it listens on, by socket, once all `sockets` do; `inspector` where a flag
 * asked for one. Reads what `--control-fd` writes, and throws where that ends before.
 */
export async function listening(events: Readable, sockets: readonly string[]) {
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

/** A workerd that does not outlive the process that started it. */
export interface Workerd {
  readonly child: ChildProcess
  /** Resolves when it has ended, with how: a sentence's end. */
  readonly ended: Promise<string>
  /** Resolves when it listens; rejects when it ends before. */
  readonly ports: Promise<Readonly<Record<string, number>>>
}

/**
 * Starts workerd on a configuration. It writes to this process's own stdout and stderr. It has a process
 * group of its own, so that Ctrl-C in a terminal leaves it to finish, and a shell beside it kills it where this
 * process ends without a word: two on one disk would not know of each other.
 */
export function startWorkerd(
  binary: string,
  config: string,
  sockets: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Workerd {
  const child = spawn(binary, ['serve', config, '--control-fd=3'], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    detached: true,
    env,
  })
  const watch = spawn('/bin/sh', ['-c', 'read -r _; kill -KILL "$1"', 'sh', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  // A machine without a shell is a container, which ends as a whole.
  watch.on('error', () => {})
  const ended = new Promise<string>((done) => {
    child.once('error', (error) => done(String(error)))
    child.once('exit', (code, signal) => done(signal ?? `exit status ${code}`))
  }).finally(() => watch.kill('SIGKILL'))
  const failed = ended.then((how) => Promise.reject(new Error(`workerd ended (${how})`)))
  failed.catch(() => {})
  const ports = Promise.race([listening(child.stdio[3] as Readable, sockets), failed])
  return { child, ended, ports }
}
