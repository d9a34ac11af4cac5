import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { findWorkerd } from '../../src/command/serve/workerd.ts'
import { noteLog } from './evidence.ts'
import { ROOT } from './repository.ts'
import { changes, PATIENCE } from './wait.ts'

/** A running `workerd serve`. */
export interface Workerd {
  readonly pid: number
  /** Socket name of the configuration → the port it listens on. */
  readonly ports: Readonly<Record<string, number>>
  /** Complete lines of stdout so far: console.log, info and debug. */
  readonly lines: readonly string[]
  /** stdout and stderr (console.warn and error, workerd's own words) as they came. */
  output(): string
  /** As `Changes.until`, asked again at each line; rejects when the process ends meanwhile. */
  until<T>(probe: () => T | undefined, ms: number, what: () => string): Promise<T>
  /** Ends the process and waits for it; SIGTERM lets it close its connections for 300 ms. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/**
 * Starts workerd on a configuration file and resolves when all of `sockets` listen: the Worker is
 * compiled by then, and has seen no request. Rejects with workerd's own words when it cannot.
 * `directory` is deleted when the process has ended.
 */
export async function serve(
  configPath: string,
  sockets: readonly string[],
  directory: string,
): Promise<Workerd> {
  const child = spawn(findWorkerd(ROOT), ['serve', configPath, '--control-fd=3'], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  remember(child, directory)
  const news = changes()
  const ports: Record<string, number> = {}
  const lines: string[] = []
  let output = ''
  let exit: string | undefined
  onText(child.stdout, (text) => {
    output += text
  })
  onText(child.stderr, (text) => {
    output += text
  })
  onLines(child.stdout, (line) => {
    lines.push(line)
    news.notify()
  })
  onLines(child.stdio[3] as Readable, (line) => {
    const { event, socket, port } = JSON.parse(line)
    if (event === 'listen') ports[socket] = port
    news.notify()
  })
  const over = (reason: string) => {
    exit = reason
    news.notify()
  }
  child.once('error', (error) => over(String(error)))
  child.once('close', (code, signal) => over(`workerd ended (${signal ?? code})`))

  const running: Workerd = {
    pid: child.pid ?? 0,
    ports,
    lines,
    output: () => output,
    until(probe, ms, what) {
      const alive = () => {
        const value = probe()
        if (value === undefined && exit !== undefined) throw new Error(`${exit}\n${output}`)
        return value
      }
      return news.until(alive, ms, what)
    },
    async stop(signal = 'SIGTERM') {
      if (exit === undefined) {
        child.kill(signal)
        const kill = setTimeout(() => child.kill('SIGKILL'), 300)
        await news.until(
          () => exit,
          PATIENCE,
          () => 'workerd does not end',
        )
        clearTimeout(kill)
      }
      forget(child)
      log?.forget()
    },
  }
  let log: ReturnType<typeof noteLog> | undefined
  try {
    const up = () => sockets.every((name) => ports[name] !== undefined) || undefined
    await running.until(up, PATIENCE, () => `workerd does not listen\n${output}`)
  } catch (error) {
    await running.stop('SIGKILL')
    throw error
  }
  log = noteLog(ports[sockets[0] ?? ''] ?? 0, running.output)
  return running
}

function onText(stream: Readable | null, use: (text: string) => void): void {
  stream?.setEncoding('utf8').on('data', use)
}

function onLines(stream: Readable | null, use: (line: string) => void): void {
  let rest = ''
  onText(stream, (text) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) use(line)
  })
}

const children = new Map<ChildProcess, string>()

function remember(child: ChildProcess, directory: string): void {
  if (children.size === 0) {
    process.on('exit', killAll)
    for (const signal of SIGNALS) process.on(signal, dieOf)
  }
  children.set(child, directory)
}

function forget(child: ChildProcess): void {
  const directory = children.get(child)
  if (directory === undefined) return
  children.delete(child)
  rmSync(directory, { recursive: true, force: true })
  if (children.size > 0) return
  process.off('exit', killAll)
  for (const signal of SIGNALS) process.off(signal, dieOf)
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

function killAll(): void {
  for (const child of [...children.keys()]) {
    child.kill('SIGKILL')
    forget(child)
  }
}

/** A signal ends a process without `exit` being emitted; so clean up, then let it do its work. */
function dieOf(signal: NodeJS.Signals): void {
  killAll()
  process.kill(process.pid, signal)
}
