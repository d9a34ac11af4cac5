import { describe, expect, it } from 'vitest'
import { condition } from '../../../src/gate/guard/stages/condition.ts'
import type { Condition } from '../../../src/gate/model/condition.ts'
import {
  accessOf,
  addressOf,
  admissionFor,
  agentOf,
  clock,
  codeOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../kit/facts.ts'
import { compile } from '../../policy/conditions/support.ts'

const needs = (when: Condition | undefined, claims: object = {}) => ({
  route: routeOf('GET /docs/{id}', when && { when }),
  params: new Map([['id', '7']]),
  address: addressOf(`${RESOURCE}/docs/7`),
  request: requestTo(`${RESOURCE}/docs/7`),
  access: accessOf({ claims: { secret: 'hush', ...claims } }),
  agent: agentOf(),
  admission: admissionFor(),
  connection: { country: 'DE' },
})
const run = (when?: Condition, claims?: object) => condition.run(needs(when, claims), { clock })

describe('condition', () => {
  it('asks nothing, not even the time, where the rule has none', () => {
    const asked = {
      now: () => {
        throw new Error('asked')
      },
    }
    expect(condition.run(needs(undefined), { clock: asked })).toEqual({
      ok: true,
      value: { evaluated: undefined },
    })
  })

  it.each([
    ['request.country == "DE" && now.getFullYear() == 2026', 'ok'],
    ['request.params.id == "7" && agent.id == "planner"', 'ok'],
    ['request.country == "AT"', 'condition_failed'],
    ['token.amount < 100', 'condition_error'],
    ['token.secret', 'condition_error'],
  ])('of %s says %s', (source, code) => {
    expect(codeOf(run(compile(source)) as never)).toBe(code)
  })

  it('names the operand as it is written, and nothing that was read', () => {
    const unmet = run(compile('request.country == "DE" && token.secret == "other"'))
    expect(unmet).toMatchObject({
      ok: false,
      reason: { detail: { operand: 'token.secret == "other"' } },
    })
    const broken = run(compile('has(token.secret) && int(token.secret) < 1'))
    expect(broken).toMatchObject({
      ok: false,
      reason: { detail: { operand: 'int(token.secret) < 1', error: 'int_conversion_error' } },
    })
    for (const outcome of [unmet, broken]) {
      expect(JSON.stringify((outcome as { reason: unknown }).reason)).not.toContain('hush')
    }
    const long = run(compile(`token.secret == "${'x'.repeat(500)}"`))
    expect(JSON.stringify((long as { reason: unknown }).reason).length).toBeLessThan(500)
  })

  it('shows each operand to whoever traces, whether it passed or not', () => {
    for (const source of ['token.secret == "hush"', 'token.secret == "other"']) {
      const given = needs(compile(source))
      const outcome = condition.run(given, { clock }) as { value: object }
      const facts = { ...given, ...outcome.value } as never
      const shown = {
        operands: [
          {
            source,
            value: source.includes('hush'),
            sides: [{ source: 'token.secret', value: 'hush' }],
          },
        ],
      }
      expect(condition.found?.(facts)).toEqual(shown)
      expect(condition.missed?.(facts)).toEqual(shown)
    }
  })

  it('denies what would have to be waited for', () => {
    const when = compile('true')
    const slow = { ...when, evaluate: () => ({ ok: false, reason: 'asynchronous' }) as const }
    expect(codeOf(run(slow) as never)).toBe('condition_error')
  })
})
