import { describe, expect, it } from 'vitest'
import { lift, list } from '../../../src/command/operate/revocations.ts'
import { ENTRY, recordingGate } from './recording-gate.ts'

const { origin: gate, requests, state } = await recordingGate()

const around = { env: { EDGEWARDEN_TOKEN: 'token.of.env' }, now: () => 1_790_000_000 }

describe('lift', () => {
  it('deletes by id', async () => {
    state.answer = () => ({ status: 204 })
    const outcome = await lift(ENTRY.id, { gate }, around)
    expect(outcome).toMatchObject({ exitCode: 0, out: [`Lifted ${ENTRY.id}`] })
    expect(requests[0]).toMatchObject({
      method: 'DELETE',
      url: `/.edgewarden/revocations/${ENTRY.id}`,
    })
  })

  it.each(['', '..', 'a/b', 'a?b'])('does not send %j as an id', async (id) => {
    expect(await lift(id, { gate }, around)).toMatchObject({ exitCode: 2 })
    expect(requests).toEqual([])
  })

  it('lifts all that its options name, page by page', async () => {
    state.answer = ({ url }) => ({
      status: 200,
      body: { revocations: [ENTRY], ...(!url?.includes('cursor') && { cursor: '7' }) },
    })
    const filters = { issuer: ENTRY.issuer, reach: 'own', createdBy: 'a b' }
    const outcome = await lift(undefined, { gate, ...filters }, around)
    const line = `Lifted agent "a7" of ${ENTRY.issuer}, until lifted, id ${ENTRY.id}`
    expect(outcome).toMatchObject({ exitCode: 0, out: [line, line], err: [] })
    expect(outcome.json).toEqual({ lifted: [ENTRY, ENTRY] })
    const query = `issuer=${encodeURIComponent(ENTRY.issuer)}&created_by=a+b&reach=own&limit=1000`
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `DELETE /.edgewarden/revocations?${query}`,
      `DELETE /.edgewarden/revocations?${query}&cursor=7`,
    ])
  })

  it('says what it has lifted where it cannot go on', async () => {
    state.answer = ({ url }) =>
      url?.includes('cursor')
        ? { status: 500 }
        : { status: 200, body: { revocations: [ENTRY], cursor: '7' } }
    const outcome = await lift(undefined, { gate, kind: 'agent' }, around)
    expect(outcome).toMatchObject({ exitCode: 2, out: [expect.stringMatching(/^Lifted/)] })
    expect(outcome.err[0]).toBe('1 lifted before this:')
    state.answer = () => ({ status: 200, body: { revocations: [] } })
    const none = await lift(undefined, { gate, kind: 'agent' }, around)
    expect(none).toMatchObject({ exitCode: 0, out: ['There is nothing to lift.'] })
  })

  it.each<[string | undefined, object]>([
    [undefined, {}],
    [ENTRY.id, { kind: 'agent' }],
  ])('asks nothing of a gate for %j and %j', async (id, filters) => {
    expect(await lift(id, { gate, ...filters }, around)).toMatchObject({ exitCode: 2 })
    expect(requests).toEqual([])
  })
})

describe('list', () => {
  it('shows one entry per line', async () => {
    const before = { ...ENTRY, kind: 'issuer', value: undefined, mode: 'before', at: 60 }
    state.answer = () => ({
      status: 200,
      body: {
        revocations: [
          { ...ENTRY, name: 'acme/a7' },
          { ...before, expires: 3600, reason: 'theft' },
        ],
      },
    })
    const outcome = await list({ gate, kind: 'agent', value: 'a&b=c' }, around)
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    expect(outcome.out).toEqual([
      `agent "a7" (X-Agent-Id "acme/a7") of ${ENTRY.issuer}, until lifted, id ${ENTRY.id}`,
      `issuer of ${ENTRY.issuer}, tokens issued up to 1970-01-01 00:01:00 UTC, until 1970-01-01 01:00:00 UTC, id ${ENTRY.id}, reason: theft`,
    ])
    expect(requests[0]?.url).toBe('/.edgewarden/revocations?kind=agent&value=a%26b%3Dc')
  })

  it('says when there are more, and reads every page when asked', async () => {
    state.answer = ({ url }) => ({
      status: 200,
      body: url?.includes('cursor=7')
        ? { revocations: [{ ...ENTRY, id: 'B' }] }
        : { revocations: [ENTRY], cursor: '7' },
    })
    expect((await list({ gate }, around)).err).toEqual(['There are more: add --all.'])
    const all = await list({ gate, all: true }, around)
    expect(all.json).toEqual({ revocations: [ENTRY, { ...ENTRY, id: 'B' }] })
    expect(requests.slice(1).map(({ url }) => url)).toEqual([
      '/.edgewarden/revocations?limit=1000',
      '/.edgewarden/revocations?limit=1000&cursor=7',
    ])
  })

  it('ends where a gate goes round in circles', async () => {
    state.answer = () => ({ status: 200, body: { revocations: [], cursor: '7' } })
    expect(await list({ gate, all: true }, around)).toMatchObject({ exitCode: 2 })
    expect(requests).toHaveLength(2)
  })

  it('says that there are none', async () => {
    state.answer = () => ({ status: 200, body: { revocations: [] } })
    expect((await list({ gate }, around)).out).toEqual(['Nothing is revoked.'])
  })
})
