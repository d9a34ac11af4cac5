import { generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { type SigningPorts, signing } from '../../src/gate/guard/stages/assertion.ts'
import type { SigningKey } from '../../src/gate/model/ports.ts'
import type { Route } from '../../src/gate/model/route.ts'
import { codeOf, gateOf, policyOf, routeOf } from '../kit/facts.ts'

const { privateKey: key } = await generateKeyPair('ES256')
const KEY: SigningKey = { kid: 'key-1', algorithm: 'ES256', key }
const ASSERTION = {
  binding: 'identity',
  algorithm: 'ES256',
  maxBody: 1,
  operatorKeys: [],
  withdrawn: [],
} as const

const needs = (signs = true, route: Partial<Route> = {}) => ({
  route: routeOf('GET /x', route),
  policy: policyOf([], { gate: gateOf(signs ? { assertion: ASSERTION } : {}) }),
})

const run = (
  told: ReturnType<SigningPorts['signingKeys']['signing']>,
  { signs = true, route = {} }: { readonly signs?: boolean; readonly route?: Partial<Route> } = {},
) => {
  let asked = 0
  const outcome = signing.run(needs(signs, route), {
    signingKeys: {
      signing() {
        asked++
        return told
      },
    },
  })
  return { outcome, asked }
}

describe('signing', () => {
  it('has the key at hand, without a wait where it is there', () => {
    const { outcome, asked } = run(KEY)
    expect(outcome).toEqual({ ok: true, value: { signing: KEY } })
    expect(asked).toBe(1)
  })

  it('waits for one that comes', async () => {
    const { outcome } = run(Promise.resolve(KEY))
    expect(outcome).toBeInstanceOf(Promise)
    expect(await outcome).toEqual({ ok: true, value: { signing: KEY } })
  })

  it.each([
    ['nothing is signed', { signs: false }],
    ["the gate's own endpoint answers", { route: { endpoint: 'revocations' } }],
  ] as const)('asks for none where %s', (_, given) => {
    const { outcome, asked } = run(KEY, given)
    expect(outcome).toEqual({ ok: true, value: { signing: undefined } })
    expect(asked).toBe(0)
  })

  it('denies where there is none, whatever the fault', async () => {
    const { outcome } = run(Promise.reject(new Error('unreachable')))
    const denied = await outcome
    expect(codeOf(denied)).toBe('assertion_unavailable')
    expect(denied).toMatchObject({ reason: { detail: { error: 'Error: unreachable' } } })
  })

  it('shows which key it is, and nothing more of it', () => {
    expect(signing.found?.({ ...needs(), signing: KEY })).toEqual({ kid: 'key-1' })
    expect(signing.found?.({ ...needs(), signing: undefined })).toEqual({})
  })
})
