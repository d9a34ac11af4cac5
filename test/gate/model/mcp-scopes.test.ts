import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/gate/base/json.ts'
import { resolveUse } from '../../../src/gate/model/mcp-scopes.ts'
import { readUseTemplate } from '../../../src/gate/policy/keys/scopes.ts'
import { anyCharacter, tries } from '../../kit/property.ts'

const template = (source: string) => {
  const read = readUseTemplate(source)
  if (!read.ok) throw new Error(read.reason)
  return read.value
}
const resolve = (
  source: string,
  given: JsonObject,
  params: Readonly<Record<string, string>> = {},
) => resolveUse(template(source), new Map(Object.entries(params)), given)

describe('a template of a use', () => {
  const piece = fc.constantFrom(
    'a',
    '..',
    '.',
    '/',
    '%',
    '%2e',
    ':',
    '\\',
    '*',
    ' ',
    'ä',
    '~',
    '\0',
  )
  const value = fc.oneof(
    fc.array(piece, { maxLength: 6 }).map((parts) => parts.join('')),
    fc.string({ unit: anyCharacter }),
    fc.jsonValue(),
  )
  const name = fc.constantFrom('path', '__proto__', 'constructor', 'other')

  it('never yields anything outside of its literal text, whatever it is called with', () => {
    const given = fc
      .array(fc.tuple(name, value), { maxLength: 4 })
      .map((members) => Object.fromEntries(members) as JsonObject)
    fc.assert(
      fc.property(given, value, (members, param) => {
        for (const hole of ['path', '__proto__', 'constructor', 'path.path']) {
          const scope = resolve(`files:{id}:{arguments.${hole}}:read`, members, {
            id: typeof param === 'string' ? param : JSON.stringify(param),
          })
          if (scope === undefined) continue
          const [first, id, path = '', last, ...more] = scope.split(':')
          expect([first, last, more]).toEqual(['files', 'read', []])
          expect(id).toMatch(/^[A-Za-z0-9._~-]+$/)
          expect(path).toMatch(/^[A-Za-z0-9._~/-]+$/)
          expect(new URL(path, 'https://x.example/a/b/').pathname).toBe(
            path.startsWith('/') ? path : `/a/b/${path}`,
          )
        }
      }),
      tries(300),
    )
  })
})
