import OpenAI, { toFile } from 'openai'
import { FormData as UndiciForm, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../kit/port.ts'
import { createProject, type Project, type Served } from '../kit/serve.ts'
import { policyOf, type Setting, startSetting } from './setting.ts'

const SIZES = { '20 KB': 20_000, '1 MB': 1_000_000, '5 MB': 5_000_000 }
const TIMES = 20

interface Asked {
  /** `http://127.0.0.1:port`. */
  readonly at: string
  readonly token: string
  readonly size: number
}

const file = (size: number) => new Blob([new Uint8Array(size)])
const told = async (response: { readonly status: number; json(): Promise<unknown> }) => {
  const { code } = (await response.json()) as { readonly code?: string }
  return `${response.status} ${code}`
}
const post = (token: string, body: unknown) => ({
  method: 'POST',
  headers: { authorization: `Bearer ${token}` },
  body,
  duplex: 'half',
})

/** Real clients that upload: what each tells of the answer. */
const CLIENTS: Readonly<Record<string, (asked: Asked) => Promise<string>>> = {
  async 'fetch, a form'({ at, token, size }) {
    const body = new FormData()
    body.set('file', file(size), 'a.bin')
    return told(await fetch(`${at}/v1/files`, post(token, body) as RequestInit))
  },
  async 'undici, a form'({ at, token, size }) {
    const body = new UndiciForm()
    body.set('file', file(size), 'a.bin')
    return told(await undiciFetch(`${at}/v1/files`, post(token, body) as object))
  },
  async 'fetch, JSON'({ at, token, size }) {
    const body = JSON.stringify('x'.repeat(size))
    return told(await fetch(`${at}/v1/files`, post(token, body) as RequestInit))
  },
  async 'fetch, in chunks'({ at, token, size }) {
    return told(await fetch(`${at}/v1/files`, post(token, file(size).stream()) as RequestInit))
  },
  async 'openai files.create'({ at, token, size }) {
    const client = new OpenAI({ apiKey: token, baseURL: `${at}/v1`, maxRetries: 0 })
    const upload = { purpose: 'assistants' as const, file: await toFile(file(size), 'a.bin') }
    const error = await client.files.create(upload).then(
      () => undefined,
      (thrown: unknown) => thrown as InstanceType<typeof OpenAI.APIError>,
    )
    return `${error?.status} ${error?.code}`
  },
}

let setting: Setting
let project: Project
let served: Served
const places: Record<string, string> = {}
let token: string

beforeAll(async () => {
  ;[setting, project] = await Promise.all([startSetting(), createProject()])
  const { issuer, origin, gate } = setting
  const now = Math.floor(Date.now() / 1_000)
  token = await setting.token({ iat: now - 900, exp: now - 600 })
  // `serve` refuses the placeholders that other gates here are asked by.
  const own = { resource: 'https://api.acme.dev', hosts: ['127.0.0.1'] }
  await project.write(policyOf({ gate: own }, issuer, origin))
  const port = await freePort()
  served = project.serve(['--listen', `127.0.0.1:${port}`])
  await served.says('is served at')
  Object.assign(places, { workerd: gate.url, serve: `http://127.0.0.1:${port}` })
})
afterAll(async () => {
  served?.child.kill('SIGTERM')
  await Promise.all([served?.ended(), setting?.close()])
  await project?.remove()
})

describe.each(['workerd', 'serve'])('a refused upload in %s', (place) => {
  const rows = Object.keys(CLIENTS).flatMap((client) =>
    Object.entries(SIZES).map(([name, size]) => ({ client, name, size })),
  )
  it.each(rows)('tells $client of $name why', async ({ client, size }) => {
    const seen: string[] = []
    for (let i = 0; i < TIMES; i++) {
      const asked = { at: places[place] ?? '', token, size }
      seen.push((await CLIENTS[client]?.(asked).catch((error) => `${error.cause}`)) ?? '')
    }
    expect(seen).toEqual(Array(TIMES).fill('401 token_expired'))
  })
})
