import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { problem } from '../../../src/gate/answer/problem.ts'
import type { GateEnv } from '../../../src/gate/app/context.ts'
import type { GatePorts } from '../../../src/gate/app/platform/ports.ts'
import { revocationsApp } from '../../../src/gate/app/revocations.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import type { Decision } from '../../../src/gate/guard/guard.ts'
import type { AdminReach, Issuer } from '../../../src/gate/model/issuer.ts'
import type { Policy } from '../../../src/gate/model/policy.ts'
import type { RevocationStore } from '../../../src/gate/model/ports.ts'
import {
  type Mode,
  type RevocationSubject,
  revocationId,
} from '../../../src/gate/model/revocation.ts'
import type { AccessToken, AgentIdentity } from '../../../src/gate/model/token.ts'
import { createMemoryRevocations } from '../../../src/gate/revocation/memory.ts'
import { anyRooms } from '../../kit/facts.ts'

const NOW = 1_800_000_000
const DAY = 24 * 60 * 60
const TOLERANCE = 5
const OPS = 'https://ops.example'
const ACME = 'https://auth.acme.example'
const LONG = 'https://auth.long.example'

/** Its actors count, its tokens do not. */
const ACTORS = 'https://actors.example'
const delegation = { maxDepth: 3, requireActor: false, issuers: new Set([ACTORS]) }

const issuer = (name: string, maxLifetime: number, admin: AdminReach) =>
  ({
    name,
    issuer: name,
    maxLifetime,
    admin,
    agentPrefix: `${name}#`,
    delegation,
  }) as Partial<Issuer> as Issuer

const policyOf = (admin: AdminReach, longest = 900, finish = 0) =>
  ({
    routes: [{ finishWithin: finish }],
    gate: { clockTolerance: TOLERANCE, lift: new Set<string>() },
    issuers: new Map(
      [issuer(OPS, 60, admin), issuer(ACME, 900, false), issuer(LONG, longest, false)].map(
        (one) => [one.issuer, one],
      ),
    ),
  }) as unknown as Policy

const access: AccessToken = {
  claims: {},
  issuer: OPS,
  entry: issuer(OPS, 60, 'all'),
  subject: 'ops-subject',
  clientId: 'ops-client',
  id: 'ops-token',
  kid: 'ops-key',
  issuedAt: NOW - 10,
  expires: NOW + 50,
  scopes: ['edgewarden:revoke'],
}

const agent: AgentIdentity = {
  id: 'root',
  name: `${OPS}#root`,
  issuer: OPS,
  workflowId: 'ops-run',
  actors: [{ sub: 'helper', issuer: ACME }],
}

interface Setting {
  readonly admin?: AdminReach
  readonly longest?: number
  /** `finish_within` of the rule, in seconds. */
  readonly finish?: number
  readonly store?: RevocationStore
  readonly capacity?: number
}

const gate = ({ admin = 'all', longest, finish, store, capacity }: Setting = {}) => {
  let now = NOW * 1000
  const clock = { now: () => now }
  const kept = store ?? createMemoryRevocations({ clock, ...(capacity && { capacity }) })
  const app = new Hono<GateEnv>()
    .use(async (c, next) => {
      c.set('policy', policyOf(admin, longest, finish))
      c.set('decision', { outcome: 'passed', known: {}, waits: {} } as unknown as Decision)
      const revocations = createMemoryRevocations({ clock })
      c.set('ports', { store: kept, revocations, clock, bodies: anyRooms } as unknown as GatePorts)
      c.set('access', access)
      c.set('agent', agent)
      c.set('deny', (denial, extra) =>
        problem(denial, { requestId: 'test', method: c.req.method }, extra),
      )
      await next()
    })
    .route('/gate', revocationsApp)
  const call = async (method: string, path = '', init: RequestInit = {}) => {
    const response = await app.request(`/gate/revocations${path}`, { method, ...init })
    const text = await response.text()
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
    return { status: response.status, headers: response.headers, text, body }
  }
  return {
    call,
    post: (body: unknown, headers: Record<string, string> = {}) =>
      call('POST', '', {
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    setNow: (seconds: number) => {
      now = seconds * 1000
    },
  }
}

const token = (value: string, more: object = {}) => ({
  kind: 'token',
  issuer: ACME,
  value,
  ...more,
})
const idOf = (subject: RevocationSubject, mode: Mode = 'block') => revocationId(subject, mode)
const paths = (body: Record<string, unknown>) =>
  (body.problems as { path: string }[]).map(({ path }) => path)

describe('POST /revocations', () => {
  it('answers with the entry as it is kept', async () => {
    const { post } = gate()
    const { status, headers, body } = await post(token('t1', { reason: 'stolen' }))
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      revocations: [
        {
          id: await idOf({ kind: 'token', issuer: ACME, value: 't1' }),
          kind: 'token',
          issuer: ACME,
          value: 't1',
          mode: 'block',
          expires: NOW + DAY,
          reason: 'stolen',
          created: NOW,
          created_by: `${OPS} root`,
          reach: 'all',
        },
      ],
      shards: { total: 1, acknowledged: 1 },
    })
  })

  const LATER = 2 * DAY
  it.each<[string, object, number | undefined, object]>([
    ['a token: a day', token('x'), undefined, { expires: NOW + DAY }],
    [
      'a token: the longest life and the clocks',
      token('x'),
      LATER,
      { expires: NOW + LATER + 2 * TOLERANCE },
    ],
    [
      'a token: its own, and as long as some gate takes it',
      token('x', { expires: NOW + 1 }),
      LATER,
      { expires: NOW + 66 },
    ],
    [
      'before: a day after at',
      { kind: 'agent', issuer: ACME, value: 'x', mode: 'before', at: NOW - 100 },
      undefined,
      { at: NOW - 100, expires: NOW - 100 + DAY },
    ],
    ['an agent: for good', { kind: 'agent', issuer: ACME, value: 'x' }, LATER, {}],
  ])('fills in %s', async (_, entry, longest, expected) => {
    const { post } = gate({ ...(longest && { longest }) })
    const { status, body } = await post(entry)
    expect(status).toBe(200)
    const [stored] = body.revocations as Record<string, unknown>[]
    const { id: _id, created: _c, created_by: _b, name: _n, reach, ...rest } = stored ?? {}
    expect(reach).toBe('all')
    const { kind, issuer, value, mode = 'block' } = entry as Record<string, unknown>
    expect(rest).toEqual({ kind, issuer, ...(value !== undefined && { value }), mode, ...expected })
  })

  it('takes a list, all or nothing', async () => {
    const { post, call } = gate({ capacity: 2 })
    expect((await post({ revocations: [token('a'), token('b')] })).body.revocations).toHaveLength(2)
    const full = await post({ revocations: [token('a'), token('c')] })
    expect([full.status, full.body.code]).toEqual([507, 'revocations_full'])
    expect(full.headers.get('retry-after')).not.toBeNull()
    const bad = await post({ revocations: [token('a'), token('c', { at: 1 })] })
    expect([bad.status, bad.body.code, paths(bad.body)]).toEqual([
      400,
      'revocation_invalid',
      ['revocations[1].at'],
    ])
    expect((await call('GET')).body.revocations).toHaveLength(2)
  })

  it.each<[string, unknown, readonly string[]]>([
    ['no JSON', '{', ['']],
    ['two members of one name', '{"kind":"token","kind":"agent"}', ['']],
    ['nothing', {}, ['kind', 'issuer']],
    [
      'an unknown key in a list',
      { revocations: [token('x', { force: true })] },
      ['revocations[0].force'],
    ],
    ['no list', { revocations: token('x') }, ['revocations']],
    ['an unknown issuer', token('x', { issuer: `${ACME}/` }), ['issuer']],
    ['an empty value', token(''), ['value']],
    ['milliseconds', token('x', { expires: NOW * 1000 }), ['expires']],
    ['a long reason', token('x', { reason: 'x'.repeat(LIMITS.revocationReason + 1) }), ['reason']],
  ])('refuses %s', async (_, body, expected) => {
    const { post, call } = gate()
    const answer = await post(body)
    expect([answer.status, answer.body.code]).toEqual([400, 'revocation_invalid'])
    expect(paths(answer.body)).toEqual(expected)
    expect((await call('GET')).body.revocations).toEqual([])
  })

  it.each<[string, object]>([
    ['its issuer', { kind: 'issuer', issuer: OPS }],
    ['itself', { kind: 'token', issuer: OPS, value: 'ops-token' }],
    ['its workflow', { kind: 'workflow', issuer: OPS, value: 'ops-run' }],
    ['all issued until now', { kind: 'issuer', issuer: OPS, mode: 'before' }],
  ])('revokes the asking token only by force: %s', async (_, entry) => {
    const { post, call } = gate()
    const answer = await post(entry)
    expect([answer.status, answer.body.code]).toEqual([409, 'would_lock_out'])
    const inList = await post({ revocations: [token('x'), entry] })
    expect(inList.status).toBe(409)
    expect((await post({ ...entry, force: false })).status).toBe(409)
    expect((await call('GET')).body.revocations).toEqual([])
    expect((await post({ ...entry, force: true })).status).toBe(200)
    expect((await post({ revocations: [entry], force: true })).status).toBe(200)
  })
})

describe('reach', () => {
  it.each<[AdminReach, string, number]>([
    ['all', ACME, 200],
    ['own', OPS, 200],
    ['own', ACME, 403],
    ['own', 'https://nobody.example', 403],
    [false, OPS, 403],
  ])('%s on %s: %i', async (admin, issuer, status) => {
    const { post, call } = gate({ admin })
    const answer = await post({ revocations: [token('x', { issuer })] })
    expect(answer.status).toBe(status)
    if (status === 403) expect(answer.body.code).toBe('admin_reach')
    expect((await call('GET', `?issuer=${encodeURIComponent(issuer)}`)).status).toBe(status)
  })

  it.each<[AdminReach, string, number, string?]>([
    ['all', 'agent', 200],
    ['all', 'token', 400, 'revocation_invalid'],
    ['all', 'subject', 400, 'revocation_invalid'],
    ['own', 'agent', 403, 'admin_reach'],
  ])('%s on a %s of an issuer of actors: %i', async (admin, kind, status, code) => {
    const answer = await gate({ admin }).post(token('x', { kind, issuer: ACTORS }))
    expect([answer.status, answer.body.code]).toEqual([status, code])
  })

  it('refuses a list with one entry beyond it', async () => {
    const { post, call } = gate({ admin: 'own' })
    const own = token('x', { issuer: OPS })
    expect((await post({ revocations: [own, token('y')] })).status).toBe(403)
    expect((await call('GET')).body.revocations).toEqual([])
  })

  it('hides and keeps what is beyond it', async () => {
    const kept = createMemoryRevocations({ clock: { now: () => NOW * 1000 } })
    const all = gate({ store: kept })
    await all.post({ revocations: [token('x'), token('y', { issuer: OPS })] })
    const own = gate({ admin: 'own', store: kept })
    const listed = (await own.call('GET')).body.revocations as { value: string }[]
    expect(listed.map(({ value }) => value)).toEqual(['y'])
    const id = await idOf({ kind: 'token', issuer: ACME, value: 'x' })
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await own.call(method, `/${id}`)
      expect([status, body.code]).toEqual([404, 'revocation_unknown'])
    }
    expect((await all.call('GET', `/${id}`)).status).toBe(200)
    const none = gate({ admin: false, store: kept })
    expect((await none.call('GET')).status).toBe(403)
  })
})

describe('GET and DELETE /revocations', () => {
  it('filters and pages', async () => {
    const { post, call } = gate()
    await post({
      revocations: [
        token('a'),
        token('b'),
        token('c'),
        { kind: 'agent', issuer: ACME, value: 'a' },
      ],
    })
    const values = async (query: string) => {
      const { body, headers } = await call('GET', query)
      expect(headers.get('cache-control')).toBe('no-store')
      return (body.revocations as { value: string }[]).map(({ value }) => value)
    }
    expect(await values('?kind=token')).toEqual(['a', 'b', 'c'])
    expect(await values('?value=a')).toEqual(['a', 'a'])
    expect(await values(`?kind=agent&value=a&issuer=${encodeURIComponent(ACME)}`)).toEqual(['a'])
    const { body } = await call('GET', '?limit=3')
    expect(body.cursor).toEqual(expect.any(String))
    const rest = await call('GET', `?limit=3&cursor=${body.cursor}`)
    expect(rest.body.revocations).toEqual([expect.objectContaining({ kind: 'agent' })])
    expect(rest.body).not.toHaveProperty('cursor')
  })

  it.each([
    ['?kind=registration', 'kind'],
    ['?kind=token&kind=agent', 'kind'],
    ['?limit=0', 'limit'],
    ['?limit=1e2', 'limit'],
  ])('refuses %s', async (query, path) => {
    const { status, body } = await gate().call('GET', query)
    expect([status, body.code, paths(body)]).toEqual([400, 'revocation_invalid', [path]])
  })

  it('shows and lifts one entry', async () => {
    const { post, call } = gate()
    const made = await post(token('x'))
    const [entry] = made.body.revocations as { id: string }[]
    const path = `/${entry?.id}`
    expect((await call('GET', path)).body).toEqual({
      revocation: entry,
      shards: { total: 1, acknowledged: 1 },
    })
    const lifted = await call('DELETE', path)
    expect([lifted.status, lifted.text, lifted.headers.get('cache-control')]).toEqual([
      204,
      '',
      'no-store',
    ])
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await call(method, path)
      expect([status, body.code]).toEqual([404, 'revocation_unknown'])
    }
  })
})
