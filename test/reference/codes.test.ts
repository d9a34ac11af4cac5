/** The codes are those of docs/denials.md, and the profiles those of docs/issuers.md. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CODES } from './codes.ts'
import { PROFILES } from './profiles.ts'

const page = (name: string) => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8')

/** Cells of the tables of a page, after a heading. */
const rowsOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))

it('every code has the stage, status and error that the page says', () => {
  const sections = page('denials.md').split('\n### ').slice(1)
  const documented = sections.flatMap((section) => {
    const [, stage] = /^\d+\. (\w+)/.exec(section) ?? []
    return rowsOf(section).flatMap(([, first = '', answer = '']) => {
      const [, code] = /`(\w+)`/.exec(first) ?? []
      if (stage === undefined || code === undefined) return []
      const error = /`(\w+)`/.exec(answer)?.[1]
      return [[code, { stage, status: Number.parseInt(answer, 10), error }] as const]
    })
  })
  const own = documented.map(([code]) => [code, { error: undefined, ...CODES[code] }] as const)
  expect(own).toEqual(documented)
  expect(documented.length).toBeGreaterThan(120)
})

it('every profile has the required claims and the lifetime that the page says', () => {
  const table = page('issuers.md').split('<!-- generated: profiles -->')[1] ?? ''
  const seconds = (text = '') => Number.parseInt(text, 10) * (text.endsWith('h') ? 3600 : 60)
  const names = (text = '') => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  const rows = rowsOf(table).filter(([, first]) => first?.startsWith('`'))
  for (const [, profile, typ, agent, , client, , required, longest] of rows) {
    const name = names(profile)[0] ?? ''
    const own = PROFILES[name]
    expect([name, own?.required, own?.lifetime]).toEqual([name, names(required), seconds(longest)])
    expect([name, own?.agentId, own?.clientId]).toEqual([name, names(agent), names(client)])
    const types = typ?.split(', ').map((each) => (each === 'none' ? 'absent' : names(each)[0]))
    expect([name, own?.typ]).toEqual([name, types])
  }
  expect(rows.length).toBe(Object.keys(PROFILES).length)
})
