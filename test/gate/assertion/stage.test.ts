import { generateKeyPair } from 'jose'
import { expect, it } from 'vitest'
import { type SigningPorts, signing } from '../../../src/gate/guard/stages/assertion.ts'
import type { SigningKey } from '../../../src/gate/model/ports.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import { codeOf, gateOf, policyOf, routeOf } from '../../kit/facts.ts'

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

it.each([
  ['nothing is signed', { signs: false }],
  ["the gate's own endpoint answers", { route: { endpoint: 'revocations' } }],
] as const)('asks for no key to sign with where %s', (_, given) => {
  const { outcome, asked } = run(KEY, given)
  expect([outcome, asked]).toEqual([{ ok: true, value: { signing: undefined } }, 0])
})

it('refuses where there is no key, whatever the fault', async () => {
  const denied = await run(Promise.reject(new Error('unreachable'))).outcome
  expect(codeOf(denied)).toBe('assertion_unavailable')
  expect(denied).toMatchObject({ reason: { detail: { error: 'Error: unreachable' } } })
})

it('shows which key signs, and nothing more of it', () => {
  expect(run(KEY).outcome).toEqual({ ok: true, value: { signing: KEY } })
  expect(signing.found?.({ ...needs(), signing: KEY })).toEqual({ kid: 'key-1' })
  expect(signing.found?.({ ...needs(), signing: undefined })).toEqual({})
})
