import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'
import { createProject, type Project, type Served } from '../kit/serve.ts'
import type { Members } from '../kit/signing.ts'

const HOST = 'api.acme.dev'
const RESOURCE = `https://${HOST}`
const KILLS = 10
/** Requests a second, all the while. */
const RATE = 200
const TICK_MS = 50
/** How long the gate runs between two kills, at least. */
const RUN_MS = 2_000

let issuer: Issuer
let origin: Origin
let project: Project
let port: number
let served: Served | undefined
beforeAll(async () => {
  const all = [createIssuer(), startOrigin(), createProject(), freePort()] as const
  ;[issuer, origin, project, port] = await Promise.all(all)
  await project.write({
    GATE: { resource: RESOURCE, origin: origin.url, insecure_http: true },
    ISSUERS: {
      acme: {
        issuer: issuer.issuer,
        jwks_uri: issuer.jwksUri,
        allow_insecure_http: true,
        admin: 'all',
      },
    },
    ROUTES: [
      { match: 'GET /bounded/*', scopes: ['chat:write'] },
      { match: 'GET /strict/*', scopes: ['chat:write'], revocation: 'strict' },
    ],
  })
})
afterAll(async () => {
  served?.child.kill('SIGKILL')
  await Promise.all([issuer?.close(), origin?.close(), project?.remove()])
})

const callers = new Agent({ keepAlive: true })

interface Answer {
  /** 0 where there was none. */
  readonly status: number
  /** Of a denial. */
  readonly code?: string
}

const ask = (path: string, token?: string, body?: object, id: string = randomUUID()) =>
  new Promise<Answer>((done) => {
    const none = () => done({ status: 0 })
    const headers = {
      host: HOST,
      'x-request-id': id,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    }
    const method = body ? 'POST' : 'GET'
    request({ host: '127.0.0.1', port, path, agent: callers, headers, method }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('error', none).on('end', () => {
        const isDenial = response.headers['content-type'] === 'application/problem+json'
        done({ status: response.statusCode ?? 0, ...(isDenial && JSON.parse(text)) })
      })
    })
      .on('error', none)
      .end(body && JSON.stringify(body))
  })

const mint = (claims: Members) => issuer.mint({ aud: RESOURCE, ...claims })
const agent = (id: string) => mint({ sub: id, client_id: id })

const start = async () => {
  const args = ['--listen', `127.0.0.1:${port}`, '--data', 'data']
  served = project.serve(args)
  await served.says('is served at')
  return served
}

it(`killed and started again ${KILLS} times under ${RATE} requests a second, it forwards nothing undecided and loses no revocation`, async () => {
  const gates = [await start()]
  const good = await agent('good')
  const poor = await mint({ sub: 'good', client_id: 'good', scope: 'other' })
  const operator = await mint({ sub: 'ops', client_id: 'ops', scope: 'edgewarden:revoke' })
  /** Agents that were revoked, with a token each, and the gate that was asked to. */
  const revoked: { readonly id: string; readonly token: string; readonly by: Served }[] = []

  // Four in ten are allowed. Paths are told apart, so that the origin sees what it should not have got.
  let sent = 0
  const wrong: string[] = []
  const allowed: string[] = []
  const statuses = new Map<number, number>()
  const inFlight = new Set<Promise<void>>()
  const send = () => {
    const n = sent++
    const kind = n % 5 < 2 ? 'good' : (['none', 'poor', 'revoked'] as const)[(n % 5) - 2]
    const last = revoked[n % Math.max(1, revoked.length)]
    const token = { good, none: undefined, poor, revoked: last?.token }[kind ?? 'none']
    // The gate that was asked to revoke may go on for some seconds where the rule is bounded, until it is gone.
    const isFresh = kind === 'revoked' && last?.by === gates.at(-1)
    const rule = n % 2 === 0 || isFresh ? 'strict' : 'bounded'
    const id = `request-${n}`
    const call = ask(`/${rule}/${kind}/${n}`, token, undefined, id).then(({ status, code }) => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (status === 200) allowed.push(id)
      if (status === 200 && kind !== 'good') wrong.push(`${kind} ${n}: ${status}`)
      if (kind === 'good' && [401, 403].includes(status)) wrong.push(`good ${n}: ${code}`)
    })
    inFlight.add(call)
    call.finally(() => inFlight.delete(call))
  }
  const begun = performance.now()
  const due = () => ((performance.now() - begun) / 1000) * RATE
  const load = setInterval(() => {
    while (sent < due()) send()
  }, TICK_MS)

  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await wait(RUN_MS)
      const id = `agent-${kill}`
      const token = await agent(id)
      expect(await ask('/strict/before', token), id).toMatchObject({ status: 200 })
      const entry = { kind: 'agent', issuer: issuer.issuer, value: id }
      const answer = await ask('/.edgewarden/revocations', operator, entry)
      // As soon as the gate has said so, the process is gone.
      const by = served as Served
      by.child.kill('SIGKILL')
      expect(answer).toMatchObject({ status: 200 })
      revoked.push({ id, token, by })
      gates.push(await start())
      for (const one of revoked) {
        for (const rule of ['strict', 'bounded']) {
          const after = await ask(`/${rule}/after`, one.token)
          expect(after, `${one.id} after kill ${kill + 1}`).toMatchObject({
            status: 401,
            code: 'token_revoked',
          })
        }
      }
      expect(await ask('/strict/good/after', good)).toMatchObject({ status: 200 })
    }
    await wait(RUN_MS)
  } finally {
    clearInterval(load)
  }
  await Promise.all(inFlight)
  const { stderr, ended } = served as Served
  served?.child.kill('SIGTERM')
  expect(await ended(), stderr()).toBe(0)

  const told = JSON.stringify(Object.fromEntries(statuses))
  console.log(`${sent} requests, by status: ${told}`)
  expect(wrong).toEqual([])
  // Each that was allowed has its line in the journal of a gate, killed or not.
  const lines = gates.map((gate) => gate.stdout()).join('\n')
  const isWritten = (id: string) => lines.includes(`"request_id":"${id}","decision":"allowed"`)
  expect(allowed.filter((id) => !isWritten(id))).toEqual([])
  expect(statuses.get(200)).toBeGreaterThan((KILLS * RATE) / 2)
  const forwarded = origin.requests.map(({ url, header }) => ({
    url,
    agent: header('x-agent-id'),
    isSigned: header('x-agent-assertion') !== undefined,
    token: header('authorization'),
  }))
  const undecided = forwarded.filter(
    ({ url, agent: id, isSigned, token }) =>
      !/^\/(?:strict|bounded)\/(?:good\/|before$)/.test(url) ||
      !/^(?:good|agent-\d)$/.test(id ?? '') ||
      !isSigned ||
      token !== undefined,
  )
  expect(undecided).toEqual([])
})
