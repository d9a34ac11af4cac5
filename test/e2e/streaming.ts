import type { ServerResponse } from 'node:http'
import type { Gate } from '../kit/gate.ts'
import { revoking } from './revoking.ts'
import type { Setting } from './setting.ts'

/**
 * `max_staleness` in milliseconds: streams end within it, and for another reason where the set does not
 * answer in two fifths of it, as on a busy machine.
 */
export const BOUND = 5_000

/** A gate whose streams are cut soon. */
export const STREAMING = {
  gate: {
    clock_tolerance: '0s',
    on_expiry: 'cut',
    revocation: { consistency: 'bounded', max_staleness: `${BOUND / 1_000}s` },
  },
  issuer: { admin: 'all' },
  routes: [
    { match: 'GET /v1/strict', scopes: [], revocation: 'strict' },
    { match: 'GET,POST /v1/shadow', scopes: [], mode: 'shadow' },
    { match: 'GET /v1/optional', access: 'optional', scopes: [] },
    { match: 'GET,HEAD,POST /v1/*', scopes: [] },
    { match: 'GET,POST /all/*', scopes: [], on_revocation: 'end-all' },
    { match: 'GET,POST /ignored/*', scopes: [], on_revocation: 'ignore' },
    { match: 'GET /public', access: 'public' },
  ],
} as const

export const SSE = { 'content-type': 'text/event-stream; charset=utf-8' }

/** What an event stream ends with. */
export const lastEvent = (code: string) =>
  `:\nevent: edgewarden.closed\ndata: {"code":"${code}"}\n\n`

let agents = 0
/** An agent that nobody has revoked. */
export const newAgent = () => `streaming-${++agents}`

/**
 * Tries with a token that ends soon, and with one that lives longer where the machine is so busy that it has
 * ended before what the test is about (`undefined`).
 */
export const withShortToken = async <T>(
  mint: (claims: { readonly exp: number }) => Promise<string>,
  attempt: (token: string, exp: number) => Promise<T | undefined>,
): Promise<T> => {
  for (let seconds = 3; seconds < 60; seconds *= 2) {
    const exp = Math.floor(Date.now() / 1000) + seconds
    const found = await attempt(await mint({ exp }), exp)
    if (found !== undefined) return found
  }
  throw new Error('a token of half a minute has ended too soon')
}

/** Revokes an agent. */
export const revoke = (setting: Setting, agent: string, gate: Gate = setting.gate) =>
  revoking(setting, gate).revoke({ kind: 'agent', value: agent })

/** What becomes of a stream: told by its end, or by its error. */
export const fate = async (response: Response) => {
  const begun = Date.now()
  const chunks: Uint8Array[] = []
  let error = false
  try {
    for await (const chunk of response.body ?? []) chunks.push(chunk)
  } catch {
    error = true
  }
  return { bytes: Buffer.concat(chunks), error, ms: Date.now() - begun }
}

/**
 * What streams end with, of the first attempt in which the set of revocations has answered in time: on a busy
 * machine it may not.
 */
export const endsInTime = async (
  attempt: () => Promise<readonly string[]>,
): Promise<readonly string[]> => {
  for (let i = 0; i < 4; i++) {
    const ends = await attempt()
    if (!ends.includes(lastEvent('revocations_unavailable'))) return ends
  }
  throw new Error('the set of revocations has never answered in time')
}

/** Answers with headers and some bytes, and then nothing; gives the first answer, to be ended. */
export const hanging = (
  { origin }: Setting,
  path: string,
  headers: Record<string, string | number>,
  begin = '',
): Promise<ServerResponse> => {
  const answer = Promise.withResolvers<ServerResponse>()
  origin.on(path, (_req, res) => {
    res.writeHead(200, headers)
    res.flushHeaders()
    if (begin !== '') res.write(begin)
    answer.resolve(res)
  })
  return answer.promise
}
