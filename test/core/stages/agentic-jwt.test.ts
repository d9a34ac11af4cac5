import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chainHash } from '../../../src/gate/guard/stages/agentic-jwt.ts'
import { ROOT } from '../../kit/repository.ts'

interface Vectors {
  readonly chains: readonly {
    readonly origin: string
    readonly ids: readonly string[]
    readonly hash: string
    /** What the draft prints, where that is wrong. */
    readonly printed?: string
  }[]
  readonly checksums: readonly {
    readonly origin: string
    readonly text: string
    readonly sha256: string
  }[]
}

/** Written by hashes.py beside it, which has none of the gate's code. */
const FILE = join(ROOT, 'test/vectors/agentic-jwt/hashes.json')
const { chains, checksums } = JSON.parse(readFileSync(FILE, 'utf8')) as Vectors

describe('the hash of a chain', () => {
  it.each(chains)('$origin', async ({ ids, hash, printed }) => {
    expect(await chainHash(ids)).toBe(hash)
    expect(printed).not.toBe(hash)
  })

  it('is another than the draft prints for both of its examples', () => {
    expect(chains.flatMap(({ printed }) => printed ?? [])).toEqual([
      'f3e8d9c7b2a41a3c',
      'a7c9e2f4b8d61c3f',
    ])
  })
})

it('one agent has three checksums by the draft, of which none is the right one', () => {
  const sums = checksums.map(({ text }) => createHash('sha256').update(text).digest('hex'))
  expect(sums).toEqual(checksums.map(({ sha256 }) => sha256))
  expect(new Set(sums).size).toBe(3)
})
