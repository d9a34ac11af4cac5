import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

/**
 * Path of a project's workerd: the binary that its `wrangler dev` runs, else one that is installed without wrangler.
 * Throws if there is none for this machine.
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
 * The ports on which workerd listens, by socket, once all `sockets` listen; also `inspector` if a flag asked for it.
 * Reads the output of `--control-fd`, and throws if that ends too early.
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
  /** Resolves when it has ended, with the reason as the end of a sentence. */
  readonly ended: Promise<string>
  /** Resolves when it listens; rejects when it ends before. */
  readonly ports: Promise<Readonly<Record<string, number>>>
}

/**
 * Starts workerd with a configuration, on this process's stderr, and on its stdout unless that is ignored. It has a
 * process group of its own, so that Ctrl-C in a terminal does not stop it at once. A shell beside it kills it if this
 * process is killed: two workerd on one disk would not know of each other.
 */
export function startWorkerd(
  binary: string,
  config: string,
  sockets: readonly string[],
  stdout: 'inherit' | 'ignore',
  env: Readonly<Record<string, string | undefined>>,
): Workerd {
  const child = spawn(binary, ['serve', config, '--control-fd=3'], {
    stdio: ['ignore', stdout, 'inherit', 'pipe'],
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
