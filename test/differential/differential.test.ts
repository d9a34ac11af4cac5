import { compactDecrypt, decodeProtectedHeader, jwtVerify } from 'jose'
import { expect, it } from 'vitest'
import type { Count } from './compare.ts'
import { KEYS, keyOf } from './material.ts'
import { run } from './run.ts'
import { secondsOf } from './words.ts'

it('the gate and the second implementation say the same, and jose takes each token that passes', async () => {
  const passed: Parameters<Count>[0][] = []
  const { disagreements, coverage } = await run({
    seed: 1,
    decisions: 1_000,
    count(decision) {
      const { outcome, code, issuer } = decision.said
      if (outcome === 'forwarded' && code === undefined && issuer) passed.push(decision)
    },
  })
  expect(disagreements).toEqual([])
  expect(coverage.decisions).toBeGreaterThanOrEqual(1_000)
  // Of those that pass there are enough.
  expect(coverage.said.get('forwarded')).toBeGreaterThan(120)
  expect(passed.length).toBeGreaterThan(80)
  for (const { vars, sent } of passed) {
    const { token = '', request } = sent
    const isEncrypted = token.split('.').length === 5
    const opened = isEncrypted
      ? await compactDecrypt(token, keyOf('decrypt').privateKey)
      : undefined
    const plain = opened ? new TextDecoder().decode(opened.plaintext) : token
    const { alg } = decodeProtectedHeader(plain)
    const terms = {
      currentDate: new Date(request.now),
      clockTolerance: secondsOf(vars.GATE.clock_tolerance, 5),
      requiredClaims: ['exp', 'sub'],
    }
    const verified = Object.values(KEYS)
      .filter((key) => key.alg === alg)
      .map((key) => jwtVerify(plain, key.publicKey, terms))
    await expect(Promise.any(verified)).resolves.toBeDefined()
  }
})
