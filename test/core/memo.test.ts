import { describe, expect, it } from 'vitest'
import { perObject } from '../../src/gate/base/memo.ts'

describe('what is made once per object', () => {
  it.each([
    ['an object', { made: true }],
    ['undefined', undefined],
    ['null', null],
    ['false', false],
    ['zero', 0],
    ['an empty text', ''],
  ])('is made once where it is %s', (_, value) => {
    let asked = 0
    const of = perObject((_key: object) => {
      asked++
      return value
    })
    const key = {}
    for (let i = 0; i < 3; i++) expect(of(key)).toBe(value)
    expect(asked).toBe(1)
  })

  it('is no other object’s, however equal', () => {
    const of = perObject(({ id }: { readonly id: number }) => ({ id }))
    const [one, other] = [{ id: 1 }, { id: 1 }]
    expect(of(one)).not.toBe(of(other))
    expect(of({ ...one })).not.toBe(of(one))
    expect(of(Object.create(one))).not.toBe(of(one))
    expect(of(one)).toBe(of(one))
  })

  it('is no other maker’s', () => {
    const key = {}
    const [one, other] = [perObject(() => 'one'), perObject(() => 'other')]
    expect([one(key), other(key), one(key)]).toEqual(['one', 'other', 'one'])
  })

  it('is of the object, not of what the object says now', () => {
    const of = perObject((key: { name: string }) => key.name)
    const key = { name: 'before' }
    expect(of(key)).toBe('before')
    key.name = 'after'
    expect(of(key)).toBe('before')
    expect(of({ name: 'after' })).toBe('after')
  })

  it('may itself be made of others', () => {
    const asked: string[] = []
    const inner = perObject((key: { readonly name: string }) => {
      asked.push(`inner ${key.name}`)
      return key.name.length
    })
    const outer = perObject((key: { readonly name: string }) => {
      asked.push(`outer ${key.name}`)
      return inner(key) * 2
    })
    const key = { name: 'four' }
    expect([outer(key), inner(key), outer(key)]).toEqual([8, 4, 8])
    expect(asked).toEqual(['outer four', 'inner four'])
  })
})
