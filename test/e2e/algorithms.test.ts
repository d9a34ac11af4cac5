import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { type Algorithm, createKey, type SigningKey } from '../kit/signing.ts'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

/** Under this flag workerd's WebCrypto has the algorithms of FIPS 204. */
const FLAG = 'webcrypto_modern_algorithms'

const LATTICE = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const satisfies readonly Algorithm[]
const EDWARDS = ['Ed25519', 'EdDSA'] as const

/** By the algorithm that the key set says; those of Ed25519 differ in its name only. */
const keys = new Map<string, SigningKey>()
let setting: Setting
/** Where the runtime has ML-DSA, and where not. */
let modern: Gate
let plain: Gate

beforeAll(async () => {
  const allowing = (alg: string) => ({ issuer: { algorithms: ['ES256', alg, ...LATTICE] } })
  setting = await startSetting({
    ...allowing('Ed25519'),
    compatibilityFlags: [FLAG],
    beside: [{ ...allowing('EdDSA'), compatibilityFlags: [] }],
  })
  modern = setting.gate
  plain = setting.gate.beside[0] as Gate
  for (const alg of ['ES256', ...LATTICE] as const) keys.set(alg, await createKey(alg, alg))
  for (const alg of EDWARDS) keys.set(alg, await createKey('Ed25519', alg))
  setting.issuer.setKeys([...keys].map(([alg, { jwk }]) => ({ ...jwk, alg })))
})
afterAll(() => setting?.close())

const keyOf = (alg: string) => {
  const key = keys.get(alg)
  if (!key) throw new Error(alg)
  return key
}

/** What comes of a token signed with this key, whatever its header says. */
const answer = async (gate: Gate, key: SigningKey, header: object = {}) => {
  const token = await setting.issuer.mint({}, { ...header }, { key })
  return { ...(await outcome(await askGate(gate, '/v1/x', { token }))), token }
}

const PASSED = { status: 200, code: undefined }
const denied = (code: string) => ({ status: 401, code })

describe('Ed25519, by its old name and the new one', () => {
  const all = EDWARDS.flatMap((key) => EDWARDS.map((alg) => [key, alg] as const))
  it.each(all)('a key for %s passes with a token of %s, whichever is allowed', async (key, alg) => {
    for (const gate of [modern, plain]) {
      expect(await answer(gate, keyOf(key), { alg })).toMatchObject(PASSED)
    }
  })
})

describe('ML-DSA', () => {
  it.each(LATTICE)('%s passes where the runtime has it', async (alg) => {
    const { token, ...passed } = await answer(modern, keyOf(alg))
    expect(passed).toEqual(PASSED)
    const [header, payload, signature = ''] = token.split('.')
    const first = signature.startsWith('A') ? 'B' : 'A'
    const forged = [header, payload, `${first}${signature.slice(1)}`].join('.')
    const refused = await askGate(modern, '/v1/x', { token: forged })
    expect(await outcome(refused)).toEqual(denied('signature_invalid'))
  })

  it.each(LATTICE)('%s is refused by its own code where it has not', async (alg) => {
    expect(await answer(plain, keyOf(alg))).toMatchObject(denied('algorithm_unsupported'))
  })
})
