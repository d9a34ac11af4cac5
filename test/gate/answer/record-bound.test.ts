import { describe, expect, it } from 'vitest'
import { boundedRecord } from '../../../src/gate/app/record-bound.ts'

const HEAD = { v: 1, id: 'id', time: 'now', issuer: 'https://auth.acme.example' }
const bounded = (members: object) => {
  const text = boundedRecord(JSON.stringify({ ...HEAD, ...members }))
  return { text, record: JSON.parse(text) }
}
const names = (count: number, length: number) =>
  Array.from({ length: count }, (_, i) => `${i}`.padEnd(length, 'x'))

describe('a record', () => {
  it('that is short stays as it is', () => {
    const text = JSON.stringify({ ...HEAD, token_scopes: names(50, 30) })
    expect(boundedRecord(text)).toBe(text)
  })

  it.each([
    ['a long list', { token_scopes: names(1_000, 30) }, ['token_scopes']],
    ['a long text', { detail: 'x'.repeat(20_000) }, ['detail']],
    ['one long item of a list', { aud: ['x'.repeat(20_000)] }, ['aud']],
    ['a table with a long value', { claims: { a: 'x'.repeat(20_000), b: 'y' } }, ['claims']],
    [
      'several long members',
      { grant: names(300, 30), token_scopes: names(300, 30), aud: names(300, 30) },
      ['grant', 'token_scopes', 'aud'],
    ],
  ])('with %s is cut, and says where', (_, members, cut) => {
    const { text, record } = bounded(members)
    expect(text.length).toBeLessThan(8_300)
    expect(record).toMatchObject(HEAD)
    expect([...record.cut].sort()).toEqual([...cut].sort())
  })

  it('that is cut keeps the whole agent, subject and operation', () => {
    const agent = 'a'.repeat(2_048)
    const members = { agent, agent_name: `b/${agent}`, mcp: { batch: names(30, 100) } }
    const { record } = bounded({ ...members, subject: agent, token_scopes: names(200, 20) })
    expect(record).toMatchObject({ ...members, subject: agent })
    expect([...record.cut].sort()).toEqual(['token_scopes'])
  })
})
