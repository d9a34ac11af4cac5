import { describe, expect, it, vi } from 'vitest'
import { ok } from '../../../src/gate/base/result.ts'
import { proofName, replay, replayName } from '../../../src/gate/guard/stages/replay.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import type { AccessToken } from '../../../src/gate/model/token.ts'
import { accessOf, codeOf, ISSUER, NOW, routeOf } from '../../kit/facts.ts'

const needs = (route: Partial<Route> = {}, access: Partial<AccessToken> = {}) => ({
  route: routeOf('GET /x', { singleUse: true, ...route }),
  access: accessOf(access),
  proof: undefined,
})

const storeOf = (claimed: unknown = false) => ({
  claim: vi.fn(() => (claimed === false) as boolean),
  isClaimed: vi.fn(() => claimed as boolean),
})

describe('replay', () => {
  it.each([
    [NOW + 600, NOW + 665],
    [NOW + 0.5, NOW + 66],
    [NOW - 4, NOW + 61],
  ])('claims the token for as long as any gate may take it: exp %d', async (expires, until) => {
    const replays = storeOf()
    const name = await replayName(ISSUER, 'token-1')
    const used = { name, expires: until }
    expect(await replay.run(needs({}, { expires }), { replays })).toEqual(ok({ used }))
    expect(replays.claim).toHaveBeenCalledExactlyOnceWith(name, until)
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('unreachable'))],
    ['knows nothing', () => Promise.resolve(undefined)],
  ])('denies a used token also where the store %s of its request', async (_, failureOf) => {
    const denied = await replay.run(needs(), { replays: { ...storeOf(true), failureOf } })
    expect(denied).toMatchObject({ ok: false, reason: { code: 'token_replayed' } })
    expect(denied).not.toHaveProperty('reason.params')
  })

  it.each([undefined, 1, 'yes'])('takes %j for no yes', async (said) => {
    const replays = { claim: () => said as never, isClaimed: () => said as never }
    for (const mode of ['enforce', 'shadow'] as const) {
      expect(codeOf(await replay.run(needs({ mode }), { replays }))).toBe('token_replayed')
    }
  })

  it.each<[string, () => never | Promise<never>]>([
    ['rejects', () => Promise.reject(new Error('unreachable'))],
    [
      'throws',
      () => {
        throw new Error('unreachable')
      },
    ],
  ])('denies where the store %s', async (_, broken) => {
    const replays = { claim: broken, isClaimed: broken }
    for (const mode of ['enforce', 'shadow'] as const) {
      expect(await replay.run(needs({ mode }), { replays })).toMatchObject({
        reason: { code: 'single_use_unavailable', detail: { error: 'Error: unreachable' } },
      })
    }
  })

  it.each([
    [false, 'ok'],
    [true, 'token_replayed'],
  ])('only looks in shadow mode (%j)', async (claimed, code) => {
    const replays = storeOf(claimed)
    expect(codeOf(await replay.run(needs({ mode: 'shadow' }), { replays }))).toBe(code)
    expect(replays.claim).not.toHaveBeenCalled()
  })
})

describe('a proof', () => {
  const PROOF = {
    jkt: 'K'.repeat(43),
    jti: 'proof-1',
    htu: 'https://a.example/x',
    expires: NOW + 125,
  }
  const proved = (route: Partial<Route> = {}) => {
    const { singleUse: _, ...plain } = needs(route).route
    return { ...needs(), route: { ...plain, ...route }, proof: PROOF }
  }

  it('is claimed until no gate accepts it, at the object of its key', async () => {
    const replays = storeOf()
    expect(await replay.run(proved(), { replays })).toEqual(ok({}))
    const name = await proofName(PROOF)
    expect(name).toMatch(/^K[A-Za-z0-9_-]{43}$/)
    expect(replays.claim).toHaveBeenCalledExactlyOnceWith(name, PROOF.expires)
  })

  it('has another name for another key, id or URL', async () => {
    const changes = [{}, { jkt: 'KX' }, { jti: 'proof-2' }, { htu: 'https://a.example/y' }]
    const names = await Promise.all(changes.map((one) => proofName({ ...PROOF, ...one })))
    expect(new Set(names).size).toBe(changes.length)
  })

  it('that was used is refused, and an unreachable store is not passed over', async () => {
    expect(codeOf(await replay.run(proved(), { replays: storeOf(true) }))).toBe('proof_replayed')
    const down = () => Promise.reject(new Error('down'))
    const replays = { claim: down, isClaimed: down }
    expect(codeOf(await replay.run(proved(), { replays }))).toBe('replay_unavailable')
  })

  it('is only looked for in shadow mode', async () => {
    const replays = storeOf(true)
    expect(codeOf(await replay.run(proved({ mode: 'shadow' }), { replays }))).toBe('proof_replayed')
    expect(replays.claim).not.toHaveBeenCalled()
  })

  it('costs no call with `window`', () => {
    const replays = storeOf()
    expect(replay.run(proved({ replay: 'window' }), { replays })).toEqual(ok({}))
    expect(replays.claim).not.toHaveBeenCalled()
  })
})

describe('the name of a use', () => {
  const nameOf = async (access: Partial<AccessToken>, route: Partial<Route> = {}) => {
    const claim = vi.fn((_name: string) => true)
    await replay.run(needs(route, access), { replays: { claim, isClaimed: () => false } })
    return claim.mock.calls[0]?.[0]
  }

  it('is of one id of one issuer, and says neither', async () => {
    const names = await Promise.all([
      nameOf({}),
      nameOf({ id: 'token-2' }),
      nameOf({ issuer: 'https://other.example' }),
      nameOf({ issuer: `${ISSUER}","token-1`, id: '' }),
    ])
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{43}$/)
  })
})
