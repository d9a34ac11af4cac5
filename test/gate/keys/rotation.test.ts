import { expect, it } from 'vitest'
import { rotated } from '../../../src/gate/keys/store.ts'

const A = { kty: 'EC', kid: 'a', x: '1' }
const B = { kty: 'EC', kid: 'b', x: '2' }
const recordOf = (keys: readonly object[], rotations: readonly object[] = []) =>
  ({ keys, rotations, fetchedAt: 1 }) as never

it.each([
  ['the first set', undefined, [A], [{ at: 7, added: ['a'], removed: [] }]],
  ['the same', recordOf([A, B]), [A, B], []],
  ['another order', recordOf([A, B]), [B, A], []],
  ['an answer without a set', recordOf([A]), undefined, []],
  [
    'the same in another order',
    recordOf([A, B]),
    [B, Object.fromEntries(Object.entries(A).reverse())],
    [],
  ],
  ['a key that came', recordOf([A]), [A, B], [{ at: 7, added: ['b'], removed: [] }]],
  ['a key that went', recordOf([A, B]), [B], [{ at: 7, added: [], removed: ['a'] }]],
  ['one for another', recordOf([A]), [B], [{ at: 7, added: ['b'], removed: ['a'] }]],
  [
    'another key of the same name',
    recordOf([A]),
    [{ ...A, x: '3' }],
    [{ at: 7, added: ['a'], removed: ['a'] }],
  ],
  [
    'a key without a name',
    recordOf([]),
    [{ kty: 'EC' }, { ...A, kid: 7 }],
    [{ at: 7, added: ['(no kid)', '(no kid)'], removed: [] }],
  ],
])('after %s', (_, before, keys, expected) => {
  expect(rotated(before, keys, 7)).toEqual(expected)
})

it('tells the newest first, twenty of them, and nothing long', () => {
  let record = recordOf([A])
  for (let at = 1; at <= 30; at++) {
    const keys = [{ ...A, kid: `${at}`.padEnd(500, 'x') }]
    record = { keys, fetchedAt: at, rotations: rotated(record, keys, at) } as never
  }
  const { rotations } = record as { rotations: ReturnType<typeof rotated> }
  expect(rotations.map(({ at }) => at)).toEqual(Array.from({ length: 20 }, (_, i) => 30 - i))
  expect(rotations[0]?.added).toEqual(['30'.padEnd(64, 'x')])
})
