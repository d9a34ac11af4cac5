import { Hono } from 'hono'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import { createGuard, forward, parsePolicy } from '../src/index.ts'
import { eventually } from './kit/eventually.ts'
import { createIssuer, type Issuer } from './kit/issuer.ts'
import { type Origin, startOrigin } from './kit/origin.ts'

const RESOURCE = 'https://api.example.com'

let issuer: Issuer
let origin: Origin
beforeAll(async () => {
  ;[issuer, origin] = await Promise.all([createIssuer(), startOrigin()])
})
afterAll(() => Promise.all([issuer.close(), origin.close()]))

const guardOf = (issuers = [issuer], most: object = { in_flight: 1 }) => {
  const read = parsePolicy({
    GATE: { resource: RESOURCE, origin: origin.url, in_flight: 1 },
    ISSUERS: Object.fromEntries(
      issuers.map(({ issuer }, i) => [
        `issuer-${i}`,
        { issuer, allow_insecure_http: true, agent_prefix: `${i}/` },
      ]),
    ),
    ROUTES: [{ match: 'GET /v1/*', scopes: [], ...most }],
  })
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  return createGuard(read.value.policy)
}
const requestBy = (token: string, path = 'x') =>
  new Request(`${RESOURCE}/v1/${path}`, { headers: { authorization: `Bearer ${token}` } })

it('is counted by the middleware while a handler works, also where it throws', async () => {
  let release = () => {}
  const works = new Promise<void>((done) => {
    release = done
  })
  const app = new Hono<{ Variables: AgentVariables }>()
    .use(agentGuard(guardOf()))
    .get('/v1/slow', async (c) => {
      await works
      return c.text('done')
    })
    .get('/v1/fails', () => {
      throw new Error('broken')
    })
    .get('/v1/x', (c) => c.text('x'))
    .onError((_, c) => c.text('failed', 500))
  const token = await issuer.mint()
  const ask = async (path: string) => (await app.fetch(requestBy(token, path))).status
  const first = ask('slow')
  await eventually(async () => expect(await ask('x')).toBe(429))
  release()
  expect(await first).toBe(200)
  expect([await ask('fails'), await ask('fails'), await ask('x')]).toEqual([500, 500, 200])
})

it('is counted by forward until a stream ends, if the guard is told so', async () => {
  const guard = guardOf()
  const token = await issuer.mint()
  const ask = async (isFollowed?: boolean) => {
    const request = requestBy(token, 'events')
    return forward(request, await guard(request, { isFollowed }))
  }
  origin.on('/v1/events', (_, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: x\n\n')
  })
  const open = await ask(true)
  expect(open.status).toBe(200)
  expect((await ask(true)).status).toBe(429)
  // Who does not say when a request ends must not fill the room.
  const uncounted = await ask()
  expect(uncounted.status).toBe(200)
  await Promise.all([open.body?.cancel(), uncounted.body?.cancel()])
  await eventually(async () => {
    const again = await ask(true)
    expect(again.status).toBe(200)
    await again.body?.cancel()
  })
})

it.each([{}, { in_flight: 1 }])('is counted for each issuer by itself, with %j', async (most) => {
  const other = await createIssuer()
  try {
    const guard = guardOf([issuer, other], most)
    const [own, others] = await Promise.all([issuer.mint(), other.mint()])
    const ask = (token: string) => guard(requestBy(token), { isFollowed: true })
    const [first, second] = [await ask(own), await ask(others)]
    expect([first.outcome, second.outcome]).toEqual(['passed', 'passed'])
    expect((await ask(own)).outcome).toBe('denied')
    for (const { leave } of [first, second]) leave?.()
  } finally {
    await other.close()
  }
})
