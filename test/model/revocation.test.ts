import { describe, expect, it } from 'vitest'
import { subjectHash } from '../../src/model/revocation.ts'

describe('subjectHash', () => {
  it('is the first 8 bytes of SHA-256 and holds no more', async () => {
    const hash = await subjectHash('abc')
    expect(hash).toEqual(Uint8Array.of(0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea))
    expect(hash.buffer.byteLength).toBe(8)
  })
})
