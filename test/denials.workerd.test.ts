import { expect, it } from 'vitest'
import { denialGroups } from '../src/command/base/denials.ts'
import { declaredDenials, denials } from '../src/gate/base/denial.ts'
import '../src/hono.ts'
import '../src/index.ts'
import '../src/worker.ts'

const declared = () => declaredDenials().flatMap(({ rows }) => Object.keys(rows))
const listed = denialGroups().flatMap(({ rows }) => rows.map(([code]) => code))

// Here the whole Worker is loaded, and no test has declared a table of its own.
it('src/command/base/denials.ts lists every code that is declared, and each code once', () => {
  expect(listed.length).toBeGreaterThan(40)
  expect(declared().sort()).toEqual([...listed].sort())
  expect(listed.filter((code, i) => listed.indexOf(code) !== i)).toEqual([])
})

it('a table that is not listed is noticed', () => {
  denials({ toy_denied: ['forbidden', 'It may not', 'Ask'] })
  expect(declared().filter((code) => !listed.includes(code))).toEqual(['toy_denied'])
})
