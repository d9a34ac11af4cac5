import { describe, expect, it } from 'vitest'
import { revocationId } from '../../../src/gate/model/revocation.ts'
import { ISSUER } from '../../kit/facts.ts'

describe('the id of a revocation', () => {
  it('is 22 characters, of which the first begins no option of a command', async () => {
    const values = Array.from({ length: 500 }, (_, i) => `agent-${i}`)
    const ids = await Promise.all(
      values.map((value) => revocationId({ kind: 'agent', issuer: ISSUER, value }, 'block')),
    )
    expect(new Set(ids).size).toBe(500)
    for (const id of ids) expect(id).toMatch(/^\w[\w-]{21}$/)
  })
})
