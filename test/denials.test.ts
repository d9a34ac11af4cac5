import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { denialGroups } from '../scripts/docs.ts'
import { ANSWERS } from '../src/core/denial.ts'
import { ROOT } from './kit/repository.ts'

/** The codes of each table that is declared somewhere in the sources. */
const tables = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'))
  .flatMap((text) => text.split(/(?<![a-z])denials\(\{/).slice(1))
  .map((table) => table.split(/^\s*\}\)/m)[0] ?? '')
  .map((table) => [...table.matchAll(/^ +([a-z_]+): \[/gm)].map(([, code = '']) => code))

const declared = tables.flat().sort()
const rows = denialGroups().flatMap((group) => group.rows)

describe('the denials of all checks', () => {
  it('are all in the list that the documentation is made of', () => {
    expect(tables.filter((codes) => codes.length === 0)).toEqual([])
    expect(declared.length).toBeGreaterThan(40)
    expect([...new Set(rows.map(([code]) => code))].sort()).toEqual(declared)
  })

  it('have each code once', () => {
    expect(declared).toEqual([...new Set(declared)])
  })

  it.each(rows)('%s says what is safe to say', (code, [answer, summary, hint]) => {
    expect(code).toMatch(/^[a-z]+(?:_[a-z]+)*$/)
    expect(Object.keys(ANSWERS)).toContain(answer)
    // RFC 6750 §3: what an error_description may hold.
    expect(summary).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
    for (const text of [summary, hint]) {
      expect(text).toMatch(/^[A-Z]/)
      expect(text).not.toMatch(/["\\{}<>$%]|\.$|\bundefined\b|\[object|\.\.\./)
      expect(text).not.toMatch(/\p{Cc}/u)
    }
  })
})
