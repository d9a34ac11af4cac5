import { describe, expect, it } from 'vitest'
import { compileRouter } from '../../../src/gate/policy/reading/router.ts'
import { routeOf } from '../../kit/facts.ts'

const RULE = routeOf('GET /d/{id}')
const OTHER = routeOf('GET /other')
const found = {
  match: { route: RULE, params: new Map([['id', '2']]) },
  ambiguous: false,
  reserved: false,
}

/** What a reader may do to an answer that it takes for its own. */
const CHANGES: readonly (readonly [name: string, change: (answer: Answer) => unknown])[] = [
  ['a parameter set', ({ match }) => match.params.set('id', '1')],
  ['a parameter added', ({ match }) => match.params.set('more', '1')],
  ['all parameters taken away', ({ match }) => match.params.clear()],
  ['other parameters', ({ match }) => Object.assign(match, { params: new Map([['id', '1']]) })],
  ['another rule', ({ match }) => Object.assign(match, { route: OTHER })],
  ['no rule', (answer) => Object.assign(answer, { match: undefined })],
  ['a doubt', (answer) => Object.assign(answer, { ambiguous: true })],
]

interface Answer {
  readonly match: { readonly params: Map<string, string> }
}

describe('what a router remembers', () => {
  it.each(CHANGES)('is not changed by who reads it: %s', (_, change) => {
    const { find } = compileRouter([RULE, OTHER])
    for (let i = 0; i < 3; i++) {
      const answer = find('GET', 'api.example.com', '/d/2')
      expect(answer).toEqual(found)
      change(answer as unknown as Answer)
    }
  })

  it('of an address without a rule is nothing, each time', () => {
    const { find } = compileRouter([RULE])
    for (let i = 0; i < 2; i++) {
      const answer = find('GET', 'api.example.com', '/none')
      expect(answer).toEqual({ match: undefined, ambiguous: false, reserved: false })
      Object.assign(answer, found)
    }
  })
})
