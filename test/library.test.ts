import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import {
  createGuard,
  createMemoryLimits,
  createMemoryReplays,
  forward,
  type Guard,
  parsePolicy,
  refusalOf,
} from '../src/index.ts'
import { reply } from './kit/answers.ts'
import { createProofKey, proofOf } from './kit/dpop.ts'
import { eventually } from './kit/eventually.ts'
import { createIssuer, type Issuer } from './kit/issuer.ts'
import { type Origin, startOrigin } from './kit/origin.ts'

/** What the library counts and remembers in memory, or by ports of its user. */

const RESOURCE = 'https://api.example.com'
const clock = { now: () => Date.now() }

let issuer: Issuer
let other: Issuer
let origin: Origin
beforeAll(async () => {
  ;[issuer, other, origin] = await Promise.all([createIssuer(), createIssuer(), startOrigin()])
})
afterAll(() => Promise.all([issuer.close(), other.close(), origin.close()]))

const guardOf = (
  route: object,
  gate: object = {},
  options: Parameters<typeof createGuard>[1] = {},
) => {
  const read = parsePolicy(
    {
      GATE: { resource: RESOURCE, origin: origin.url, ...gate },
      ISSUERS: {
        acme: { issuer: issuer.issuer, allow_insecure_http: true, agent_prefix: 'a/' },
        beta: { issuer: other.issuer, allow_insecure_http: true, agent_prefix: 'b/' },
      },
      ROUTES: [{ match: 'GET /v1/*', scopes: [], ...route }],
    },
    { rateLimits: ['RL'] },
  )
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  return createGuard(read.value.policy, options)
}
const requestBy = (token: string, path = 'x') =>
  new Request(`${RESOURCE}/v1/${path}`, { headers: { authorization: `Bearer ${token}` } })
const appOf = (guard: Guard) => new Hono<{ Variables: AgentVariables }>().use(agentGuard(guard))
const forwarded = async (guard: Guard, token: string, isFollowed?: boolean) => {
  const request = requestBy(token)
  return forward(request, await guard(request, { isFollowed }))
}
const codeOf = async (guard: Guard, token: string) =>
  refusalOf(await guard(requestBy(token)))?.code ?? 'passed'
const told = ({ status, headers }: Response) => [status, headers.get('ratelimit')]

describe('a rate limit', () => {
  const TWO = { rate_limit: { limit: 2, period: '1d' } }

  it('is counted in memory, and told by forward', async () => {
    const guard = guardOf(TWO)
    const token = await issuer.mint()
    origin.on('*', reply(200, { ratelimit: '"origin";r=9' }, 'x'))
    expect(told(await forwarded(guard, token))).toEqual([200, '"agent";r=1;t=43200'])
    await forwarded(guard, token)
    const refused = await forwarded(guard, token)
    expect(told(refused)).toEqual([429, expect.stringMatching(/^"agent";r=0;t=\d+$/)])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(40_000)
  })

  it.each<[string, () => Response]>([
    ['that is made', () => new Response('x', { headers: { ratelimit: '"handler";r=9' } })],
    ['that cannot be changed', () => Response.redirect('https://elsewhere.example/')],
  ])('is told on an answer of a handler %s', async (_, handler) => {
    const app = appOf(guardOf(TWO)).all('*', handler)
    const first = await app.fetch(requestBy(await issuer.mint()))
    expect(told(first)).toEqual([handler().status, '"agent";r=1;t=43200'])
  })

  it('may be counted elsewhere, and so may that of a binding', async () => {
    const asked: unknown[] = []
    const limits = {
      ...createMemoryLimits({ clock }),
      take: async (limit: unknown) => {
        asked.push(limit)
        return { ok: false, reason: { retryAfter: 7 } } as const
      },
    }
    const guard = guardOf({ rate_limit: { binding: 'RL' } }, {}, { limits })
    const answer = await forwarded(guard, await issuer.mint())
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '7'])
    expect(asked).toEqual([{ kind: 'approximate', per: 'agent', binding: 'RL' }])
  })

  it('of addresses is held where the caller is known', async () => {
    const guard = guardOf({}, { address_limit: { limit: 1, period: '1m' } })
    const codeFor = async (caller?: string) =>
      refusalOf(await guard(new Request(`${RESOURCE}/v1/x`), { caller }))?.code
    expect(await codeFor('192.0.2.1')).toBe('credential_missing')
    expect(await codeFor('192.0.2.1')).toBe('address_limited')
    expect(await codeFor()).toBe('credential_missing')
    expect(await codeFor('2001:db8::1')).toBe('credential_missing')
    expect(await codeFor('2001:db8::2')).toBe('address_limited')
  })
})

describe('a limit of requests in flight', () => {
  const ONE = { in_flight: 1 }

  it('counts a request while a handler works, also where that throws', async () => {
    let release = () => {}
    const works = new Promise<void>((done) => {
      release = done
    })
    const app = appOf(guardOf(ONE))
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

  it('counts a stream of forward until it ends, if the guard is told so', async () => {
    const guard = guardOf(ONE)
    const token = await issuer.mint()
    const ask = (isFollowed?: boolean) => forwarded(guard, token, isFollowed)
    origin.on('/v1/x', (_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: x\n\n')
    })
    const open = await ask(true)
    expect([open.status, (await ask(true)).status]).toEqual([200, 429])
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

  it.each([{}, ONE])('counts the agents of each issuer by themselves, with %j', async (route) => {
    const guard = guardOf(route, ONE)
    const [own, others] = await Promise.all([issuer.mint(), other.mint()])
    const ask = (token: string) => guard(requestBy(token), { isFollowed: true })
    const [first, second] = [await ask(own), await ask(others)]
    expect([first.outcome, second.outcome]).toEqual(['passed', 'passed'])
    expect((await ask(own)).outcome).toBe('denied')
  })
})

it('a proof is taken once, and the next nonce is told on an answer that no cache keeps', async () => {
  const nonces = {
    issue: async () => 'first',
    check: async (nonce: string) => ({ isGood: nonce === 'first', next: 'second' }),
  }
  const app = appOf(guardOf({}, { dpop_nonce: true }, { nonces })).all('*', (c) => {
    c.header('Cache-Control', 'public, max-age=60')
    return c.text('x')
  })
  const key = await createProofKey()
  const token = await issuer.mint({ cnf: { jkt: key.jkt } })
  const url = `${RESOURCE}/v1/x`
  const ask = async (dpop: string) => {
    const headers = { authorization: `DPoP ${token}`, dpop }
    const { status, headers: told } = await app.request(url, { headers })
    return [status, told.get('dpop-nonce'), told.get('cache-control')]
  }
  const proof = (nonce?: string) => proofOf(key, { url, token, claims: { nonce } })
  expect(await ask(await proof())).toEqual([401, 'first', 'no-store'])
  const good = await proof('first')
  expect(await ask(good)).toEqual([200, 'second', 'no-store'])
  expect(await ask(good)).toEqual([401, null, 'no-store'])
})

describe('a token that is taken once', () => {
  const ONCE = { single_use: true }

  it('is remembered in memory, by all guards that have one store', async () => {
    const replays = createMemoryReplays({ clock })
    const [one, two] = [guardOf(ONCE, {}, { replays }), guardOf(ONCE, {}, { replays })]
    const token = await issuer.mint()
    expect(await codeOf(one, token)).toBe('passed')
    expect(await codeOf(two, token)).toBe('token_replayed')
    expect(await codeOf(guardOf(ONCE), token)).toBe('passed')
  })

  it('may be remembered elsewhere, for as long as any gate may take it', async () => {
    const claimed: unknown[] = []
    const claim = async (...given: unknown[]) => claimed.push(given) === 1
    const guard = guardOf(ONCE, {}, { replays: { claim, isClaimed: () => false } })
    const exp = Math.floor(Date.now() / 1000) + 60
    expect(await codeOf(guard, await issuer.mint({ exp }))).toBe('passed')
    expect(await codeOf(guard, await issuer.mint({ exp }))).toBe('token_replayed')
    expect(claimed).toEqual([1, 2].map(() => [expect.stringMatching(/^[\w-]{43}$/), exp + 65]))
  })

  it.each(['enforce', 'shadow'])('passes no rule (%s) where it is not known', async (mode) => {
    const down = () => Promise.reject(new Error('down'))
    const guard = guardOf({ ...ONCE, mode }, {}, { replays: { claim: down, isClaimed: down } })
    expect(await guard(requestBy(await issuer.mint()))).toMatchObject({
      denial: { code: 'single_use_unavailable', answer: 'unavailable' },
    })
  })
})
