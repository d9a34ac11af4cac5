import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, expect, inject, it } from 'vitest'
import { runHere } from '../command/kit.ts'
import { readMetrics } from '../kit/openmetrics.ts'
import { drillGate } from './drill-gate.ts'

const { gate, drill } = await drillGate()
const proxies: Server[] = []
afterAll(() => {
  for (const proxy of proxies) {
    proxy.closeAllConnections()
    proxy.close()
  }
})

interface Spoiling {
  /** Codes of refusals that become a 200. */
  readonly opened?: readonly string[]
  /** Codes of refusals that become one by a rate limit. */
  readonly limited?: readonly string[]
  /** Milliseconds that the proxy waits before it asks for the path of the canaries. */
  readonly delay?: number
  /** Whether streams never end. */
  readonly isEndless?: boolean
  /** The status of what has none of the gate's. */
  readonly ready?: number
}

/** The gate behind a proxy that spoils some of its answers. */
const spoiled = async ({
  opened = [],
  limited = [],
  delay = 0,
  isEndless,
  ready,
}: Spoiling): Promise<string> => {
  const server = createServer((req, res) => {
    const { method, url = '', headers } = req
    if (ready !== undefined && url.endsWith('/ready')) {
      res.writeHead(ready).end()
      return
    }
    const pass = () => {
      const sent = request({ port: gate().port, method, path: url, headers }, async (answer) => {
        const { statusCode = 500 } = answer
        if (statusCode >= 400) {
          const body = await text(answer)
          const { code } = JSON.parse(body)
          if (limited.includes(code)) {
            res.writeHead(429, { 'content-type': 'application/problem+json' })
            res.end('{"code":"rate_limited"}')
            return
          }
          res.writeHead(opened.includes(code) ? 200 : statusCode, answer.headers).end(body)
          return
        }
        res.writeHead(statusCode, answer.headers)
        const isStream = answer.headers['content-type'] === 'text/event-stream'
        answer.pipe(res, { end: !(isEndless && isStream) })
        answer.on('error', () => isEndless || res.destroy())
      })
      sent.on('error', () => res.destroy())
      req.pipe(sent)
    }
    setTimeout(pass, url === '/drill' ? delay : 0)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxies.push(server)
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

it.concurrent('repeats, one line of JSON for each drill', async () => {
  const args = ['--gate', gate().url, '--audience', gate().url, '--every', '1ms', '--json']
  const child = spawn(process.execPath, [
    inject('command'),
    ...['drill', '--key', 'ops.jwk', '--canary', 'canary.jwk', ...args],
  ])
  let seen = 0
  for await (const line of createInterface({ input: child.stdout })) {
    expect(JSON.parse(line)).toMatchObject({ kept: true, gate: gate().url })
    if (++seen === 2) break
  }
  expect(seen).toBe(2)
  child.kill()
  await once(child, 'exit')
})

const PATH = ['--path', '/drill']
const STREAMS = ['--stream', '/events', '--stream', '/strict']
const TIMED = [...PATH, '--public', '/open', '--requests', '3', '--added', '500ms']

it.concurrent.each<{ fault: string; spoiling: Spoiling; args: string[]; broken: string[] }>([
  {
    fault: 'revoked agents are accepted',
    spoiling: { opened: ['token_revoked'] },
    args: PATH,
    broken: ['revocation'],
  },
  {
    fault: 'expired tokens are accepted',
    spoiling: { opened: ['token_expired'] },
    args: PATH,
    broken: ['expiry'],
  },
  {
    fault: 'a forged token is accepted',
    spoiling: { opened: ['signature_invalid'] },
    args: PATH,
    broken: ['forged token'],
  },
  {
    fault: 'an unsigned token is accepted',
    spoiling: { opened: ['algorithm_forbidden'] },
    args: PATH,
    broken: ['unsigned token'],
  },
  {
    fault: 'a token can be used twice',
    spoiling: { opened: ['token_replayed'] },
    args: ['--once', '/once'],
    broken: ['replayed token'],
  },
  { fault: 'the path is slow', spoiling: { delay: 1_000 }, args: TIMED, broken: ['added time'] },
  {
    fault: 'streams do not end',
    spoiling: { isEndless: true },
    args: STREAMS,
    broken: ['strict stream', 'bounded stream'],
  },
  { fault: 'the gate is not ready', spoiling: { ready: 503 }, args: [], broken: ['keys'] },
])('reports that $fault', async ({ spoiling, args, broken }) => {
  const { code, findings } = await drill(args, await spoiled(spoiling))
  const found = findings.filter(({ state }) => state === 'broken').map(({ name }) => name)
  expect({ found, code }, JSON.stringify(findings)).toEqual({ found: broken, code: 1 })
})

it.concurrent.each([
  ['signature_invalid', 'forged token', PATH],
  ['algorithm_forbidden', 'unsigned token', PATH],
  ['token_replayed', 'replayed token', ['--once', '/once']],
  ['token_expired', 'expiry', PATH],
  ['token_revoked', 'revocation', PATH],
] as const)('takes no other refusal for %s', async (code, name, args) => {
  const found = await drill(args, await spoiled({ limited: [code] }))
  expect([found.code, found.states[name]], JSON.stringify(found.findings)).toEqual([2, 'unknown'])
})

it.concurrent('measures a path whose answers are long', async () => {
  const { code, findings } = await drill(['--path', '/large', '--connections', '1'])
  expect(code, JSON.stringify(findings)).toBe(0)
})

it.concurrent.each([
  ['/brief', 'the stream ended by itself'],
  ['/ignoring', 'on_revocation is ignore'],
])('cannot tell whether the gate ends the stream of %s', async (path, says) => {
  const { code, findings } = await drill(['--stream', path])
  const found = findings.find(({ name }) => name === 'bounded stream')
  expect([code, found?.state, found?.says]).toEqual([2, 'unknown', expect.stringContaining(says)])
})

it.concurrent('says one thing about each promise in metrics, also of two streams', async () => {
  const file = ['--metrics', 'streams.prom']
  await drill(['--stream', '/events', '--stream', '/ignoring', ...file])
  const samples = readMetrics(await readFile('streams.prom', 'utf8'))
  const streams = samples.filter(
    ({ name, labels }) => name.endsWith('_measured') && labels.promise === 'bounded stream',
  )
  expect(streams.map(({ value }) => value)).toEqual([0])
})

it.concurrent('tells what it found, also if it cannot write metrics', async () => {
  const file = ['--metrics', 'no-folder/drill.prom']
  const kept = await drill(file)
  expect([kept.code, kept.states.keys]).toEqual([2, 'kept'])
  expect(kept.rest).toMatchObject({ error: expect.stringContaining('no-folder') })
  const broken = await drill(file, await spoiled({ ready: 503 }))
  expect([broken.code, broken.states.keys]).toEqual([1, 'broken'])
})

it.concurrent('cannot tell if the gate refuses the operator: no promise is broken', async () => {
  const access = ['--gate', gate().url, '--key', 'canary.jwk', '--audience', gate().url]
  const { code } = await runHere(['drill', ...access, '--json'])
  expect(code).toBe(2)
})

it.concurrent.each([-2, 2])('blames no expiry on a clock that is wrong by %i s', async (by) => {
  const { findings, rest } = await drill(PATH, gate().url, () => Date.now() / 1000 + by)
  const expiry = findings.find(({ name }) => name === 'expiry')
  expect(expiry?.state, JSON.stringify([findings, rest])).toBe('kept')
})
