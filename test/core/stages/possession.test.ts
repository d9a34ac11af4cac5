import { expect, it } from 'vitest'
import { possession } from '../../../src/core/stages/possession.ts'
import { accessOf, codeOf } from '../../kit/facts.ts'

it.each([
  [{}, 'ok'],
  [{ cnf: { jkt: 'x' } }, 'confirmation_unsupported'],
  [{ cnf: { 'x5t#S256': 'x' } }, 'confirmation_unsupported'],
  [{ cnf: { unheard_of: 1 } }, 'confirmation_unsupported'],
  [{ cnf: {} }, 'confirmation_unsupported'],
  [{ cnf: null }, 'confirmation_unsupported'],
  [{ cnf: false }, 'confirmation_unsupported'],
])('with the claims %j: %s', async (claims, code) => {
  const outcome = await possession.run({ access: accessOf({ claims }) }, undefined)
  expect(codeOf(outcome)).toBe(code)
  if (outcome.ok) expect(outcome.value).toEqual({ possession: 'bearer' })
})
