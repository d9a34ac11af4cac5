import { expect, test } from 'vitest'
import { claimFits, isPattern, matchesWhole, readClaim, scopesInclude } from './pattern.ts'

test('a pattern matches the whole value', () => {
  expect(matchesWhole('^a|b$', 'a')).toBe(true)
  expect(matchesWhole('^a|b$', 'b')).toBe(true)
  expect(matchesWhole('^a|b$', 'ab')).toBe(false)
  expect(matchesWhole('a*', 'a'.repeat(256))).toBe(true)
  expect(matchesWhole('a*', 'a'.repeat(257))).toBe(false)
})

test.each(['team-\\d+', '[a-z-]+', '(a|b){1,256}', '^a|b$', '\\u{1F600}', 'a\\.b', '(?:a)'])(
  '%s is a pattern',
  (source) => {
    expect(isPattern(source)).toBe(true)
  },
)

test.each([
  '[a-z]+(-[a-z]+)*',
  '(a)\\1',
  'a(?=b)',
  '(?i)a',
  '(?<name>a)',
  'a+?',
  'a{257}',
  '(',
  '[a',
])('%s is a mistake', (source) => {
  expect(isPattern(source)).toBe(false)
})

test('claim paths', () => {
  const claims = { agent: { id: 'a' }, 'a.b': 1, 'https://acme.example/agent': 2, list: ['x'] }
  expect(readClaim(claims, 'agent.id')).toBe('a')
  expect(readClaim(claims, '/agent/id')).toBe('a')
  expect(readClaim(claims, '/a.b')).toBe(1)
  expect(readClaim(claims, 'https://acme.example/agent')).toBe(2)
  expect(readClaim(claims, 'list.0')).toBeUndefined()
  expect(readClaim(claims, 'constructor')).toBeUndefined()
})

test('values of claims', () => {
  expect(claimFits('acme', 'acme')).toBe(true)
  expect(claimFits('acme', ['other', 'acme'])).toBe(true)
  expect(claimFits(['x', 'acme'], 'acme')).toBe(true)
  expect(claimFits(undefined, 'acme')).toBe(false)
  expect(claimFits('1', 1)).toBe(false)
  expect(claimFits('team-12', { pattern: 'team-\\d+' })).toBe(true)
  expect(claimFits(['x', 'team-12'], { pattern: 'team-\\d+' })).toBe(true)
  expect(claimFits(12, { pattern: '\\d+' })).toBe(false)
  expect(claimFits(3, { min: 1, max: 5 })).toBe(true)
  expect(claimFits(6, { min: 1, max: 5 })).toBe(false)
  expect(claimFits([3], { min: 1 })).toBe(false)
})

test('scopes that include others', () => {
  const table = {
    'documents:write': ['documents:read'],
    'documents:admin': ['documents:*'],
    'reports:*': ['reports:*'],
    all: ['documents:admin'],
    ops: ['edgewarden:*'],
  }
  expect(scopesInclude(table, ['documents:write'], 'documents:read')).toBe(true)
  expect(scopesInclude(table, ['documents:read'], 'documents:write')).toBe(false)
  expect(scopesInclude(table, ['all'], 'documents:7')).toBe(true)
  expect(scopesInclude(table, ['reports:*'], 'reports:x')).toBe(true)
  expect(scopesInclude(table, ['documents:*'], 'documents:read')).toBe(false)
  expect(scopesInclude(table, ['ops'], 'edgewarden:read')).toBe(false)
})
