import { mkdir, mkdtemp, realpath, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { besideName, cronName, type GateOptions, gateConfig } from './gate-config.ts'
import { type Kv, kvAt } from './kv.ts'
import { type RawResponse, sendRaw } from './raw.ts'
import { KEPT_DATA } from './repository.ts'
import { request } from './request.ts'
import { PATIENCE } from './wait.ts'
import { serve, type Workerd } from './workerd.ts'

export { type GateOptions, VERSION } from './gate-config.ts'

/** A gate that runs in plain workerd, as a self-hosted one does. */
export interface Gate {
  /** `http://127.0.0.1:port`, without a path. */
  readonly url: string
  readonly port: number
  /** Of its workerd. */
  readonly pid: number
  /** `127.0.0.1:port`. */
  readonly host: string
  /** The KV namespace; using it is an error where `kv` is false. */
  readonly kv: Kv
  /** `127.0.0.1:port` of its KV namespace, which other gates may have. */
  readonly kvHost: string | undefined
  /** The gates beside it, in the order of the options. */
  readonly beside: readonly Gate[]
  /** Runs its cron trigger, to the end. */
  cron(): Promise<void>
  /** Calls a method of one of its objects, as the gate does: arguments and answer are JSON. */
  call(binding: string, object: string, method: string, ...given: unknown[]): Promise<unknown>
  /** Every line of console.log so far that is a JSON object. */
  journal(): readonly Record<string, unknown>[]
  /** The first such line that fits, waited for; a line may come later than its answer. */
  journalLine(
    fits: (line: Record<string, unknown>) => boolean,
    timeoutMs?: number,
  ): Promise<Record<string, unknown>>
  /** All that workerd and the Worker have written. */
  output(): string
  /** See `request`: exact path, settable Host, nothing followed, nothing decompressed. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** Sends exactly these bytes over a connection of their own. */
  raw(bytes: string | Uint8Array, timeoutMs?: number): Promise<RawResponse>
  /** Ends the process: gently, or by SIGKILL as a crash would. Twice is fine. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** Starts a gate; it listens, its code is loaded, and it has seen no request. */
export async function startGate(options: GateOptions): Promise<Gate> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'edgewarden-gate-')))
  const kept = KEPT_DATA && (await mkdtemp(join(KEPT_DATA, 'gate-')))
  const disk = resolve(options.dataDir ?? kept ?? join(directory, 'data'))
  await mkdir(disk, { recursive: true })
  const { text, sockets } = gateConfig(options, directory, disk)
  const path = join(directory, 'config.capnp')
  // Secrets stand in it.
  await writeFile(path, text, { mode: 0o600 })
  return gateOf(await serve(path, sockets, directory), options)
}

function gateOf(workerd: Workerd, { kv = true, beside = [] }: GateOptions, name = 'gate'): Gate {
  const { [name]: port = 0, kv: kvPort, objects: objectsPort } = workerd.ports
  const lines: Record<string, unknown>[] = []
  let read = 0
  const journal = () => {
    for (; read < workerd.lines.length; read++) {
      const line = objectOf(workerd.lines[read] ?? '')
      if (line !== undefined) lines.push(line)
    }
    return lines
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: workerd.pid,
    host: `127.0.0.1:${port}`,
    get kv() {
      if (typeof kv === 'object') return kv.kv
      if (kvPort === undefined) throw new Error('this gate has no KV namespace')
      return kvAt(kvPort)
    },
    kvHost: kvPort === undefined ? undefined : `127.0.0.1:${kvPort}`,
    beside: beside.map((_, index) => gateOf(workerd, { vars: {}, kv }, besideName(index))),
    async cron() {
      const cronPort = workerd.ports[cronName(name)]
      if (cronPort === undefined) throw new Error("this gate's cron trigger is out of reach")
      const { status } = await request(cronPort, '/', { method: 'POST' })
      if (status !== 200) throw new Error(`the cron trigger failed: ${status}`)
    },
    async call(binding, object, method, ...given) {
      if (objectsPort === undefined) throw new Error("this gate's objects are out of reach")
      const body = JSON.stringify({ binding, name: object, method, given })
      const response = await request(objectsPort, '/', { method: 'POST', body })
      const { answer, error } = (await response.json()) as { answer?: unknown; error?: string }
      if (error !== undefined) throw new Error(error)
      return answer
    },
    journal,
    journalLine: (fits, timeoutMs = PATIENCE) =>
      workerd.until(
        () => journal().find(fits),
        timeoutMs,
        () => `no such line in the journal\n${workerd.output()}`,
      ),
    output: workerd.output,
    fetch: (path, init) => request(port, path, init),
    raw: (bytes, timeoutMs) => sendRaw(port, bytes, timeoutMs),
    stop: workerd.stop,
  }
}

function objectOf(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
