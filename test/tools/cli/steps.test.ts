import { describe, expect, it } from 'vitest'
import { columns } from '../../../src/command/base/output.ts'
import { detailText, stepLines } from '../../../src/command/base/steps.ts'

const LONG = 'é'.repeat(100)

describe('what a step found', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['plain text', { route: '/v1/x', kid: 'k1' }, 'route=/v1/x kid=k1'],
    ['text with spaces', { route: 'GET /v1/x' }, 'route="GET /v1/x"'],
    [
      'text that could pass for another member',
      { kid: 'a b=c', x: 'y"z' },
      'kid="a b=c" x="y\\"z"',
    ],
    ['empty text', { kid: '' }, 'kid=""'],
    ['a list', { scopes: ['a:read', 'b'] }, 'scopes=a:read,b'],
    ['a list of odd texts', { aud: ['a,b', 'c d'] }, 'aud="a,b","c d"'],
    ['an empty list', { scopes: [] }, 'scopes=[]'],
    ['a nested list', { actors: [{ sub: 'a' }] }, 'actors=[{"sub":"a"}]'],
    ['an object', { params: { id: '7' } }, 'params={"id":"7"}'],
    ['nothing', { params: {}, kid: undefined, workflow: null }, ''],
    ['a moment', { exp: 1_767_225_600 }, 'exp="2026-01-01 00:00:00 UTC"'],
    ['a moment that is not named', { nbf: 0 }, 'nbf=0'],
    ['a moment there is not', { exp: 1e300 }, 'exp=1e+300'],
    ['a number and a truth', { tolerance: 5, ok: true }, 'tolerance=5 ok=true'],
    ['a long value, cut', { kid: LONG }, `kid=${'é'.repeat(80)}…`],
    ['a long list, cut', { aud: [LONG, LONG] }, `aud=${'é'.repeat(80)}…`],
    ['a long name, cut', { [LONG]: 1 }, `${'é'.repeat(40)}…=1`],
  ])('shows %s', (_, detail, expected) => {
    expect(detailText(detail)).toBe(expected)
  })

  it('is no more than a line holds', () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`n${i}`, i]))
    expect(detailText(many)).toMatch(/ n15=15 …$/)
  })
})

describe('steps', () => {
  it('are a line each, below each other', () => {
    expect(
      stepLines([
        { stage: 'route', outcome: 'passed', detail: { path: '/a' } },
        { stage: 'credential', outcome: 'ended', detail: {} },
        { stage: 'x', outcome: 'denied', detail: { code: 'c' } },
      ]),
    ).toEqual([
      '✓ route       path=/a',
      '✓ credential  asks for nothing more',
      '✗ x           code=c',
    ])
  })

  it('may come without anything, or as something else', () => {
    expect(stepLines([{ stage: 'route', outcome: 'passed' }, {}])).toEqual([
      '✓ route',
      '? undefined',
    ])
    expect(stepLines([{ stage: 7, outcome: 'toString', detail: 'x' }])).toEqual(['? 7'])
  })
})

it('columns are as wide as what is shown', () => {
  expect(columns([['\u001b[2J', 'b'], ['a', 'c', 'd'], []])).toEqual([
    '\\u001b[2J  b',
    'a          c  d',
    '',
  ])
})
