import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { HEADERS, KINDS, type Kind } from '../kinds.ts'
import { ISSUER } from '../policy.ts'
import { authorized, type Credential, type Mint } from '../tokens.ts'
import { arenaOf, askOnce, gateRow } from './measure.ts'
import { type Growth, type Means, seriesOf, sizesFor } from './report.ts'

/** The workflow of all agents, each of which has a stream: it is revoked. */
const WORKFLOW = 'wf-of-streams'
/** Seconds in which open streams are watched: some pulls of the set. */
const WATCHED = { quick: 5, else: 7.5 }
/** Seconds until which all must be cut; `max_staleness` is five. */
const MOST = 15
/** Streams that are opened at the same time. */
const TOGETHER = 50

const STREAM: Kind = { ...KINDS.get, headers: { accept: 'text/event-stream' } }

/** More and more streams that are open in one isolate, and have nothing to say. */
export const measureStreams = async (mint: Mint, means: Means): Promise<Growth> => {
  const found = new Map<number, readonly number[]>()
  for (const size of sizesFor(means, 100, [1, 10, 100, 1_000, 2_000])) {
    found.set(size, await measureSome(mint, means, size))
    means.note(`${size} streams`)
  }
  const lines = [
    { what: 'the process in each second', unit: 's' },
    { what: 'a revocation until the last stream is cut', unit: 's' },
    { what: 'the whole process', unit: 'B' },
  ] as const
  return { name: 'streams', of: 'open streams', series: seriesOf(lines, found) }
}

const measureSome = async (mint: Mint, means: Means, size: number): Promise<readonly number[]> => {
  const { keys } = mint
  const issuer = { issuer: ISSUER, agent_prefix: 'acme/', jwks: { keys }, max_lifetime: '60m' }
  const row = gateRow('streams', {
    kind: STREAM,
    vars: { ISSUERS: { acme: { ...issuer, admin: 'all' } } },
  })
  const tokens = await mint.mintEach(size, () => ({ workflow_id: WORKFLOW }))
  const [admin = { token: '' }] = await mint.mintEach(1, () => ({ scope: 'edgewarden:revoke' }))
  const arena = await arenaOf(mint, [row])
  const agent = new Agent({ keepAlive: true })
  try {
    const { server } = arena
    const port = server.ports[row.id] ?? 0
    const ends: Promise<void>[] = []
    for (let from = 0; from < size; from += TOGETHER) {
      const some = tokens.slice(from, from + TOGETHER)
      ends.push(
        ...(await Promise.all(some.map((token) => openStream(agent, port, token)))).map(
          ({ ended }) => ended,
        ),
      )
    }
    // The audit has stored the requests by then, and the registry knows of them.
    await setTimeout(5_000)
    const before = server.cpu()
    const begin = performance.now()
    await setTimeout((means.quick ? WATCHED.quick : WATCHED.else) * 1000)
    const each = (server.cpu() - before) / ((performance.now() - begin) / 1000)
    const memory = server.memory()
    const called = performance.now()
    await askOnce(server, row, admin, {
      method: 'POST',
      path: '/.edgewarden/revocations',
      body: JSON.stringify({ kind: 'workflow', issuer: ISSUER, value: WORKFLOW }),
    })
    const late = setTimeout(MOST * 1000, 'late', { ref: false })
    if ((await Promise.race([Promise.all(ends), late])) === 'late') {
      throw new Error(`of ${size} streams some are open ${MOST} s after the revocation`)
    }
    return [each, (performance.now() - called) / 1000, memory]
  } finally {
    agent.destroy()
    await arena.close()
  }
}

/** Opens a stream and resolves with its first event; `ended` when it is over, in whatever way. */
const openStream = async (
  agent: Agent,
  port: number,
  token: Credential,
): Promise<{ readonly ended: Promise<void> }> => {
  const headers = { ...HEADERS, ...STREAM.headers, ...authorized(token) }
  const sent = request({ agent, host: '127.0.0.1', port, path: STREAM.path, headers })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`a stream is answered ${response.statusCode}`)
  const ended = new Promise<void>((done) => response.once('close', () => done()))
  // A stream that is cut is an error to Node.
  response.on('error', () => undefined)
  await once(response, 'data')
  return { ended }
}
