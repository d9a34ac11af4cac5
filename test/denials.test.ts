import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { ANSWERS, type DenialRow } from '../src/base/denial.ts'
import { ROOT } from './kit/repository.ts'

/** Every table that is declared while the modules below are loaded. */
const tables = vi.hoisted((): Readonly<Record<string, readonly string[]>>[] => [])

vi.mock('../src/base/denial.ts', async (actual) => {
  const module = await actual<typeof import('../src/base/denial.ts')>()
  return {
    ...module,
    denials: (rows: Readonly<Record<string, DenialRow>>) => {
      tables.push(rows)
      return module.denials(rows)
    },
  }
})

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && name !== 'base/denial.ts')
  .map((name) => ({ name, text: readFileSync(join(ROOT, 'src', name), 'utf8') }))
  .filter(({ text }) => text.includes('denials({'))

for (const { name } of sources) await import(/* @vite-ignore */ `../src/${name}`)

const rows = tables.flatMap((table) => Object.entries(table)) as unknown as [string, DenialRow][]

describe('the denials of all checks', () => {
  it('were all found', () => {
    expect(tables.length).toBe(
      sources.reduce((sum, { text }) => sum + text.split('denials({').length - 1, 0),
    )
    expect(rows.length).toBeGreaterThan(40)
  })

  it('have each code once', () => {
    const codes = rows.map(([code]) => code).sort()
    expect(codes).toEqual([...new Set(codes)])
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
