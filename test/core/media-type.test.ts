import { describe, expect, it } from 'vitest'
import { isPlainJson } from '../../src/gate/base/body.ts'

const judged = (type: string | undefined, coding?: string) =>
  isPlainJson(
    new Headers({
      ...(type !== undefined && { 'content-type': type }),
      ...(coding !== undefined && { 'content-encoding': coding }),
    }),
  )

describe('a body is JSON in UTF-8', () => {
  it.each(['application/json', 'Application/JSON', 'application/json \t;\tcharset="utf-8" '])(
    'by %j',
    (type) => {
      expect(judged(type)).toBe(true)
    },
  )

  it.each([undefined, '', 'application/json-rpc'])('not by %j', (type) => {
    expect(judged(type)).toBe(false)
  })

  it.each(['gzip', 'identity', 'br', ''])('not in the coding %j', (coding) => {
    expect(judged('application/json', coding)).toBe(false)
  })
})
