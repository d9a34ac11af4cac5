import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from '../../test/kit/bundle.ts'
import { rawRequest } from '../../test/kit/raw.ts'
import { LOCAL_ISSUER, startCostGate, startOutside } from './costs/gate.ts'
import { HEADERS, type Kind } from './kinds.ts'
import { idle } from './load.ts'
import { createMint } from './tokens.ts'

/** What uploads of strangers cost, of so many bytes each, where the gate reads the rest of a body and where not. */
export interface RefusedUploads {
  readonly bytes: number
  /** `read`: with the default `unread_body`. `left`: with `max_body = 0`, which answers at once. */
  readonly by: Readonly<Record<'read' | 'left', UploadCost>>
}

export interface UploadCost {
  /** Microseconds of workerd's processor time for an upload. */
  readonly cpu: number
  /** Bytes of memory that workerd has more after the flood. */
  readonly memory: number
  /** The part of the uploads whose sender read the whole refusal. */
  readonly arrived: number
}

const KIB = 1024
const SIZES = [0, 16 * KIB, 64 * KIB, KIB * KIB, 5 * KIB * KIB]
/** Uploads of each size, and how many at the same time. */
const MANY = 600
const AT_ONCE = 12

const KIND: Kind = {
  ...{ id: 'upload', title: 'an upload without a token', method: 'POST', path: '/v1/uploads' },
  body: '',
  rule: { match: 'POST /v1/uploads', scopes: [] },
}

/** Floods a gate with uploads that have no token, of each size, and measures what that costs. */
export const measureUploads = async (): Promise<readonly RefusedUploads[]> => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-uploads-'))
  const { keys } = await createMint(LOCAL_ISSUER)
  const outside = await startOutside(keys)
  const bundle = await build(join(directory, 'wrangler'))
  const costsOf = async (gate: Record<string, unknown>) => {
    const configuration = { id: 'upload', title: KIND.title, kind: KIND, gate, hasAudit: true }
    const { server, port, stop } = await startCostGate(configuration, outside, bundle)
    try {
      await flood(port, 0, MANY)
      const costs: UploadCost[] = []
      for (const bytes of SIZES) {
        const [cpu, memory] = [await idle(server, STORED), server.memory()]
        const arrived = await flood(port, bytes, MANY)
        const used = ((await idle(server, STORED)) - cpu) * 1e6
        costs.push({
          cpu: used / MANY,
          memory: server.memory() - memory,
          arrived: arrived / MANY,
        })
      }
      return costs
    } finally {
      await stop()
    }
  }
  try {
    const left = await costsOf({ unread_body: { max_body: 0 } })
    const read = await costsOf({})
    return SIZES.map((bytes, i) => ({
      bytes,
      by: { read: read[i] as UploadCost, left: left[i] as UploadCost },
    }))
  } finally {
    outside.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Milliseconds within which the gate has stored its records. */
const STORED = 1_350

/** Sends uploads, a connection for each, and counts the refusals that arrive whole. */
const flood = async (port: number, bytes: number, count: number): Promise<number> => {
  const headers = [...Object.entries(HEADERS), ['content-length', `${bytes}`] as const]
  const body = new Uint8Array(bytes)
  const request = rawRequest({ method: 'POST', target: KIND.path, headers, body })
  let [begun, arrived] = [0, 0]
  const send = () =>
    new Promise<void>((done, failed) => {
      const socket = connect({ port, host: '127.0.0.1' })
      let text = ''
      socket.setEncoding('latin1').on('data', (more: string) => {
        text += more
        if (!text.includes('"code"')) return
        if (!text.includes('"credential_missing"')) failed(new Error(text))
        arrived++
        socket.destroy()
      })
      socket.on('error', () => {}).once('close', () => done())
      socket.write(request)
    })
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (begun++ < count) await send()
    }),
  )
  return arrived
}
