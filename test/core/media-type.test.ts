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
  it.each([
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'application/json \t;\tcharset="utf-8" ',
  ])('by %j', (type) => {
    expect(judged(type)).toBe(true)
  })

  it.each([
    undefined,
    '',
    'text/json',
    'application/jsonp',
    'application/json-rpc',
    'application/json+x',
    'application/vnd.api+json',
    'application/json;',
    'application/json; charset=utf8',
    'application/json; charset=utf-16',
    'application/json; charset="utf-8',
    'application/json; charset=utf-8"',
    'application/json; charset=utf-8; charset=utf-16',
    'application/json; boundary=x',
    'application/json, text/plain',
    'application/json, application/json',
  ])('not by %j', (type) => {
    expect(judged(type)).toBe(false)
  })

  it.each(['gzip', 'identity', 'br', ''])('not in the coding %j', (coding) => {
    expect(judged('application/json', coding)).toBe(false)
  })
})
