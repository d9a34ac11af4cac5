import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import type { Members } from '../kit/signing.ts'
import { askGate, outcome } from './setting.ts'
import { withShortToken } from './streaming.ts'
import { type Sender, startWorld, type World } from './world.ts'

const LIVE = '/.edgewarden/decisions/live'
const SCOPE = 'edgewarden:audit:read'

let world: World
let sharded: Sender

beforeAll(async () => {
  world = await startWorld({
    gate: { clock_tolerance: '0s' },
    start: { durableObjects: WITH_AUDIT },
    beside: [{ vars: { AUDIT: { shards: 3 } } }],
  })
  sharded = world.beside[0] as Sender
})
afterAll(() => world.close())

const reader = (claims: Members = {}) => world.ops.mint({ scope: SCOPE, ...claims })

interface Asked {
  readonly token?: string
  readonly after?: string
  readonly gate?: Gate
}

/** Asks until the gate has found out what is revoked: on a busy machine it may give up before. */
const ask = async (rest = '', { token, after, gate = world.gate }: Asked = {}, init = {}) => {
  const by = token ?? (await reader())
  const headers = after === undefined ? {} : { 'last-event-id': after }
  return eventually(async () => {
    const response = await askGate(gate, LIVE + rest, { token: by, headers, ...init })
    if (response.status === 503) throw new Error(await response.text())
    return response
  })
}

/** Opens a stream, and reads it until it is closed. */
const open = async (rest?: string, asked?: Asked) => {
  const stop = new AbortController()
  const response = await ask(rest, asked, { signal: stop.signal })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  let text = ''
  const read = async () => {
    const decoder = new TextDecoder()
    try {
      for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true })
    } catch (error) {
      if (!stop.signal.aborted) throw error
    }
  }
  const over = read()
  const texts = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}: (.*)$`, 'gm'))].map(([, value]) => String(value))
  return {
    requests: () => texts('data').map((data) => JSON.parse(data).request_id),
    texts,
    /** The ids of the records; other ids tell only how far the stream has come. */
    recordIds: () => [...text.matchAll(/^id: (.*)\ndata: /gm)].map(([, id]) => id),
    lastId: () => texts('id').at(-1) ?? '',
    over,
    close: async () => {
      stop.abort()
      await over
    },
  }
}

let agents = 0
const newAgent = () => `live-${++agents}`

/** Sends requests of an agent, one after the other. */
const act = async (agent: string, ids: readonly string[], { send }: Sender = world) => {
  const token = await world.token({ client_id: agent })
  for (const id of ids) await send({ token, headers: [['X-Request-Id', `${agent}-${id}`]] })
}
const idsOf = (agent: string, ids: readonly string[]) => ids.map((id) => `${agent}-${id}`)

const stored = async (query: string, count: number) =>
  eventually(async () => {
    const answer = await askGate(world.gate, `/.edgewarden/decisions?${query}`, {
      token: await reader(),
    })
    const { decisions } = (await answer.json()) as { decisions: readonly Members[] }
    expect(decisions).toHaveLength(count)
    return decisions
  })

describe.concurrent('GET /decisions/live', () => {
  it('sends what is decided from then on, within the filters', async () => {
    const [agent, other] = [newAgent(), newAgent()]
    await act(agent, ['before'])
    await stored(`agent=${agent}`, 1)
    const live = await open(`?agent=${agent}&issuer=acme`)
    await act(other, ['x'])
    await act(agent, ['1', '2', '3'])
    await eventually(() => expect(live.requests()).toEqual(idsOf(agent, ['1', '2', '3'])))
    expect(live.texts('retry')).toEqual(['2000'])
    await live.close()
  })

  it('sends no call of the gate itself with own=false', async () => {
    const agent = newAgent()
    const [all, others] = await Promise.all([open(), open('?own=false')])
    const token = await reader()
    await askGate(world.gate, '/.edgewarden/decisions?limit=1', {
      token,
      headers: { 'x-request-id': `${agent}-read` },
    })
    await act(agent, ['1'])
    await eventually(() =>
      expect(all.requests()).toEqual(expect.arrayContaining(idsOf(agent, ['read', '1']))),
    )
    await eventually(() => expect(others.requests()).toContain(`${agent}-1`))
    expect(others.requests()).not.toContain(`${agent}-read`)
    await Promise.all([all.close(), others.close()])
  })

  it('goes on after Last-Event-ID, without a gap and without a record twice', async () => {
    const agent = newAgent()
    const got: unknown[] = []
    let after: string | undefined
    for (let round = 0; round < 4; round++) {
      const live = await open(`?agent=${agent}&issuer=acme`, after === undefined ? {} : { after })
      await act(agent, [`${round}-while`])
      await eventually(() => expect(live.requests()).toContain(`${agent}-${round}-while`))
      got.push(...live.requests())
      after = live.lastId()
      await live.close()
      await act(agent, [`${round}-between-1`, `${round}-between-2`])
    }
    const live = await open(`?agent=${agent}&issuer=acme`, after === undefined ? {} : { after })
    const sent = [0, 1, 2, 3].flatMap((round) =>
      idsOf(agent, [`${round}-while`, `${round}-between-1`, `${round}-between-2`]),
    )
    await eventually(() => expect([...got, ...live.requests()]).toEqual(sent))
    await live.close()
  })

  it('sends the records of all shards, and goes on in each', async () => {
    const agent = newAgent()
    const gate = sharded.gate
    const token = await reader()
    // Records of one isolate are in one shard: these are put into each.
    const live = await open(`?agent=${agent}&issuer=acme`, { gate, token })
    await act(agent, ['1', '2'], sharded)
    await act(agent, ['3'])
    await eventually(() =>
      expect(live.requests().toSorted()).toEqual(idsOf(agent, ['1', '2', '3'])),
    )
    const after = live.lastId()
    await live.close()
    await act(agent, ['4'], sharded)
    await act(agent, ['5'])
    const again = await open(`?agent=${agent}&issuer=acme`, { gate, token, after })
    await eventually(() => expect(again.requests().toSorted()).toEqual(idsOf(agent, ['4', '5'])))
    await again.close()
  })

  it('says nothing of the records of other issuers, by events or by positions', async () => {
    const agent = newAgent()
    const token = await world.acme.mint({ scope: SCOPE })
    const live = await open(`?agent=${agent}&issuer=acme`, { token })
    const began = performance.now()
    await act(agent, ['first'])
    await eventually(() => expect(live.requests()).toEqual(idsOf(agent, ['first'])))
    for (const id of ['1', '2', '3']) {
      const foreign = await world.beta.mint({ client_id: agent })
      const headers = [['X-Request-Id', `${agent}-foreign-${id}`]] as const
      await world.send({ token: foreign, headers })
      await stored(`request_id=${agent}-foreign-${id}`, 1)
    }
    await act(agent, ['last'])
    await eventually(() => expect(live.requests()).toEqual(idsOf(agent, ['first', 'last'])))
    // One at the beginning, two for each page with a record, and those that come at fixed times.
    const beats = Math.floor((performance.now() - began) / 15_000) + 1
    await eventually(() => expect(live.texts('id').length).toBeGreaterThanOrEqual(5))
    expect(live.texts('id').length).toBeLessThanOrEqual(5 + beats)
    await live.close()
    const query = `?issuer=${encodeURIComponent(world.acme.issuer)}&limit=1`
    const pages = await Promise.all(
      ['one', 'another'].map(() =>
        askGate(world.gate, `/.edgewarden/decisions${query}`, { token }),
      ),
    )
    const cursors = await Promise.all(pages.map((page) => page.json() as Promise<Members>))
    const all = [...live.texts('id'), ...cursors.map(({ cursor }) => String(cursor))]
    expect(new Set(all).size).toBe(all.length)
    expect(new Set(all.map(({ length }) => length)).size).toBe(1)
    for (const one of all) expect(one).toMatch(/^[\w-]{70,}$/)
    // A position of a list is none of a stream.
    const after = String(cursors[0]?.cursor)
    expect((await ask('', { token, after })).status).toBe(400)
  })

  it('ends when the token of its reader is revoked', async () => {
    const jti = 'live-revoked-1'
    const live = await open('', { token: await reader({ jti }) })
    const revoked = await askGate(world.gate, '/.edgewarden/revocations', {
      method: 'POST',
      token: await world.admin(),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'token', issuer: world.ops.issuer, value: jti }),
    })
    expect(revoked.status).toBe(200)
    await live.over
    expect(live.texts('event').at(-1)).toBe('edgewarden.closed')
    expect(live.texts('data').at(-1)).toBe('{"code":"token_revoked"}')
  })

  it('ends when the token of its reader expires', async () => {
    const last = await withShortToken(
      (claims) => reader(claims),
      async (token) => {
        const response = await ask('', { token })
        const text = await response.text()
        return response.status === 200 ? text : undefined
      },
    )
    expect(last).toMatch(/event: edgewarden\.closed\ndata: \{"code":"token_expired"\}\n\n$/)
  })

  it.each([
    ['?by=agent', undefined],
    ['?until=1', undefined],
    ['', '1.0~x'],
  ])('refuses the query "%s" after %s', async (rest, after) => {
    const answer = await ask(rest, after === undefined ? {} : { after })
    expect(await outcome(answer)).toEqual({ status: 400, code: 'decision_query_invalid' })
  })

  it('is for who may', async () => {
    expect((await askGate(world.gate, LIVE)).status).toBe(401)
    const other = await reader({ scope: 'edgewarden:read' })
    expect((await ask('', { token: other })).status).toBe(403)
    const plain = await world.plain.mint({ scope: SCOPE })
    expect((await ask('', { token: plain })).status).toBe(403)
    const own = await world.acme.mint({ scope: SCOPE })
    const foreign = `?issuer=${encodeURIComponent(world.beta.issuer)}`
    expect(await outcome(await ask(foreign, { token: own }))).toEqual({
      status: 403,
      code: 'decision_reach',
    })
  })
})
