import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isClear, isReadAlike, knownNames } from '../../../src/gate/guard/operation/mcp/members.ts'
import { tries } from '../../kit/property.ts'

const KNOWN = knownNames('name', '_meta', 'io.modelcontextprotocol/protocolVersion')

describe('members', () => {
  it.each<object>([
    {},
    { name: 1 },
    { name: 1, names: 2, nam: 3, ' name': 4, _name: 5 },
    { constructor: 1, toString: 2 },
    { '\u00e9': 1, e: 2 },
  ])('are clear: %j', (object) => {
    expect(isClear({ ...object }, KNOWN)).toBe(true)
  })

  it.each<object>([
    { Name: 1 },
    { name: 1, NAME: 2 },
    { a: 1, A: 2 },
    { k: 1, '\u212a': 2 },
    { s: 1, '\u017f': 2 },
    { '\uff4eame': 1 },
    { 'stra\u00dfe': 1, STRASSE: 2 },
    { '\ufb01le': 1, file: 2 },
    { 'name\u0000': 1 },
    { 'a\n': 1 },
    { '\ud800': 1 },
    { _Meta: 1 },
    { 'io.modelcontextprotocol/ProtocolVersion': 1 },
  ])('are not: %j', (object) => {
    expect(isClear({ ...object }, KNOWN)).toBe(false)
  })

  it.each<[object, readonly (readonly string[])[], boolean]>([
    [{ a: 1, A: 2 }, [], true],
    [{ a: 1, A: 2 }, [['x']], false],
    [{ a: [{ b: { c: 1, d: [] } }, null, 'A', 1] }, [['x']], true],
    [{ a: [{ b: { c: 1, C: 2 } }] }, [['x']], false],
    [{ a: [[{ b: 1, B: 2 }]] }, [['x']], false],
    [{ Path: 1 }, [['path']], false],
    [{ Path: 1 }, [['x'], ['Path']], true],
    [{ a: { Path: 1 } }, [['path']], true],
    [{ a: { Path: 1 } }, [['a', 'path']], false],
    [{ a: [{ Path: 1 }] }, [['a', 'path']], true],
    [{ A: { path: 1 } }, [['a', 'path']], false],
    [{ a: 1 }, [['a', 'path']], true],
    [{}, [['a', 'path']], true],
  ])('of %j are read alike at %j: %s', (object, paths, isAlike) => {
    expect(isReadAlike({ ...object }, paths)).toBe(isAlike)
  })

  it.each<[object, readonly string[], boolean]>([
    [{ a: { Path: 1 } }, ['path'], false],
    [{ a: { path: 1 } }, ['path'], true],
    [{ a: { x: [[{ PATH: 1 }]] } }, ['path'], false],
    [{ a: [{ paths: 1, 'pat\u0127': 1 }] }, ['path'], true],
    [{ a: { Path: 1 } }, ['path', 'Path'], true],
    [{ a: { PATH: 1 } }, ['path', 'Path'], false],
    // Only inside of what is read.
    [{ a: 'Path', Path: 1, b: { Path: 1 } }, ['path'], true],
  ])('of %j at `a` are read alike with %j in it: %s', (object, names, isAlike) => {
    expect(isReadAlike({ ...object }, [['a']], knownNames(...names))).toBe(isAlike)
  })

  it('are found alike by whoever minds no case, where they are clear', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.nat()), (object) => {
        if (!isClear(object, KNOWN)) return
        const lower = Object.keys(object).map((name) => name.toLowerCase())
        const upper = Object.keys(object).map((name) => name.toUpperCase())
        expect(new Set(lower).size).toBe(lower.length)
        expect(new Set(upper).size).toBe(upper.length)
      }),
      tries(100),
    )
  })
})
