import { describe, expect, it, vi } from 'vitest'
import { ok } from '../../../src/gate/base/result.ts'
import { address } from '../../../src/gate/guard/stages/address.ts'
import { createAddressLimits } from '../../../src/gate/limit/memory.ts'
import type { AddressLimit } from '../../../src/gate/model/limit.ts'
import type { Limits } from '../../../src/gate/model/ports.ts'
import { clock, codeOf, gateOf, policyOf } from '../../kit/facts.ts'

const LIMIT: AddressLimit = { kind: 'memory', limit: 2, period: 60_000 }
const LIMITED = policyOf([], { gate: gateOf({ addressLimit: LIMIT }) })

const run = (
  limits: Pick<Limits, 'takeAddress'>,
  caller: string | undefined,
  { policy = LIMITED, isPreflight = false } = {},
) => address.run({ policy, caller, isPreflight }, { limits })

describe('address', () => {
  it.each([
    ['the gate has no limit', '192.0.2.1', { policy: policyOf([]) }],
    ['the address is not known', undefined, {}],
  ] as const)('counts nothing where %s', (_, caller, given) => {
    const takeAddress = vi.fn(() => ok({}))
    expect(run({ takeAddress }, caller, given)).toEqual(ok({}))
    expect(takeAddress).not.toHaveBeenCalled()
  })

  it('denies what is too much, without a wait, and says when to come again', () => {
    const limits = createAddressLimits({ clock })
    expect(run(limits, '192.0.2.1')).toEqual(ok({}))
    expect(run(limits, '192.0.2.1')).toEqual(ok({}))
    expect(run(limits, '192.0.2.1')).toMatchObject({
      ok: false,
      reason: { code: 'address_limited', params: { retryAfter: 30 } },
    })
    expect(run(limits, '192.0.2.2')).toEqual(ok({}))
  })

  it.each<[boolean, string, string]>([
    [true, '2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff'],
    [false, '2001:db8:1:2::1', '2001:db8:1:3::1'],
    [true, '::ffff:192.0.2.7', '192.0.2.7'],
    [true, '::ffff:c000:207', '192.0.2.7'],
    [false, '192.0.2.7', '192.0.2.8'],
    [true, 'fe80::1%eth0', 'fe80::2'],
  ])('%s that two are one: %s, %s', async (isOne, first, second) => {
    const limits = createAddressLimits({ clock })
    run(limits, first)
    run(limits, first)
    expect(codeOf(await run(limits, second))).toBe(isOne ? 'address_limited' : 'ok')
  })

  it('ends the line for a preflight, which counts as well', async () => {
    const limits = createAddressLimits({ clock })
    for (let i = 0; i < 2; i++) {
      const outcome = run(limits, '192.0.2.1', { isPreflight: true })
      expect(outcome).toEqual({ ok: true, end: true, value: {} })
    }
    expect(codeOf(await run(limits, '192.0.2.1', { isPreflight: true }))).toBe('address_limited')
    expect(run(limits, undefined, { isPreflight: true })).toMatchObject({ end: true })
  })

  it('denies where a binding cannot be asked', async () => {
    const outcome = await run({ takeAddress: () => Promise.reject(new Error('down')) }, '192.0.2.1')
    expect(codeOf(outcome)).toBe('address_limit_unavailable')
    expect(outcome).toMatchObject({ reason: { detail: { error: 'Error: down' } } })
  })
})
