import { describe, expect, it } from 'vitest'
import { adder, countsOf, wordsOf } from '../../../src/control/records/terms.ts'

const allowed = { decision: 'allowed', status: 200, route: 'GET /a', duration: 7 }

describe('what records say', () => {
  it('is counted by answer, rule, type and time', () => {
    const denied = { decision: 'denied', code: 'scope_missing', status: 403, route: 'GET /a' }
    const records = [
      { ...allowed, agent_types: ['planner', 'planner', 'a b'] },
      { ...denied, duration: 40_000 },
      { act: 'revoked' },
    ]
    expect(countsOf(records)).toEqual({
      'allowed - 200': 1,
      'rule allowed GET /a': 1,
      'type allowed planner': 1,
      'type allowed a b': 1,
      'ms allowed 10 GET /a': 1,
      'sum allowed GET /a': 7,
      'denied scope_missing 403': 1,
      'rule denied GET /a': 1,
      'ms denied +Inf GET /a': 1,
      'sum denied GET /a': 40_000,
    })
  })

  it('is never less than zero where the clock went back', () => {
    const counts = countsOf([{ ...allowed, duration: -3 }])
    expect(counts['sum allowed GET /a']).toBe(0)
    expect(counts['ms allowed 5 GET /a']).toBe(1)
  })

  it('is read back, with rules and types that have spaces', () => {
    expect(wordsOf('denied scope_missing 403')).toEqual(['denied', 'scope_missing', '403'])
    expect(wordsOf('ms allowed 10 GET,PUT /a b')).toEqual(['ms', 'allowed', '10', 'GET,PUT /a b'])
    expect(wordsOf('type denied a b')).toEqual(['type', 'denied', 'a b'])
  })
})

describe('counts that are added', () => {
  it('name no more than 200 rules, with all that is counted by rule', () => {
    const counts: Record<string, number> = {}
    const add = adder(counts)
    for (let i = 0; i < 300; i++) add(countsOf([{ ...allowed, route: `GET /${i}` }]))
    add(countsOf([{ ...allowed, route: 'GET /0' }]))
    const rules = Object.keys(counts).filter((name) => name.startsWith('rule '))
    expect(rules).toHaveLength(201)
    expect(counts['rule allowed GET /0']).toBe(2)
    expect(counts['rule allowed …']).toBe(100)
    expect(counts['ms allowed 10 …']).toBe(100)
    expect(counts['sum allowed …']).toBe(700)
    expect(counts['allowed - 200']).toBe(301)
  })

  it('name no more than 50 types, and none that was never allowed', () => {
    const counts: Record<string, number> = {}
    const add = adder(counts)
    add({ 'type denied x': 1 })
    for (let i = 0; i < 60; i++) add({ [`type allowed ${i}`]: 1 })
    add({ 'type denied 0': 1 })
    expect(counts['type denied …']).toBe(1)
    expect(counts['type allowed …']).toBe(10)
    expect(counts['type denied 0']).toBe(1)
    expect(Object.keys(counts)).toHaveLength(53)
  })

  it('go on after a restart with the names of before', () => {
    const counts: Record<string, number> = {}
    const first = adder(counts)
    for (let i = 0; i < 250; i++) first({ [`rule denied ${i}`]: 1 })
    const kept = { ...counts }
    adder(kept)({ 'rule denied 0': 1, 'rule denied 249': 1, 'rule allowed 0': 1 })
    expect(kept['rule denied 0']).toBe(2)
    expect(kept['rule allowed 0']).toBe(1)
    expect(kept['rule denied …']).toBe(51)
    expect('rule denied 249' in kept).toBe(false)
  })
})
