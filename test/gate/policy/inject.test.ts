import { describe, expect, it } from 'vitest'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { CHAT, parse } from './support.ts'

const envOf = (secrets: Readonly<Record<string, string>>) => ({
  has: (kind: string, name: string) => kind !== 'secret' || Object.hasOwn(secrets, name),
  secret: (name: string) => secrets[name],
})
const read = (inject: object, env: Parameters<typeof parse>[1]) => {
  const parsed = parse({ ROUTES: [{ ...CHAT, inject }] }, env)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.policy
}
const basic = (pair: string) => btoa(pair)

describe('the secrets that answers are searched for', () => {
  it.each<[what: string, template: string, KEY: string, secrets: readonly string[]]>([
    ['the value', `Bearer \${KEY}`, 'abcdefgh', ['abcdefgh']],
    ['each once', `\${KEY}:\${OTHER}:\${KEY}`, 'abcdefgh', ['abcdefgh', 'ijklmnop']],
    ['none that is short', `\${KEY}`, 'abcdefg', []],
    ['without spaces around', `\${KEY}`, ' abc defgh ', ['abc defgh']],
    ['none that only spaces make long', `\${KEY}`, '   abc   ', []],
    [
      'a password in Basic',
      `Basic \${KEY}`,
      basic('user:pass:word'),
      [basic('user:pass:word'), 'user:pass:word', 'pass:word'],
    ],
    ['none that is short in Basic', `Basic \${KEY}`, basic('user:p'), [basic('user:p')]],
    [
      'a user without a password',
      `Basic \${KEY}`,
      basic('an-api-key:'),
      [basic('an-api-key:'), 'an-api-key:', 'an-api-key'],
    ],
    ['what only looks like Basic', `Basic \${KEY}`, 'not-base64', ['not-base64']],
    ['bytes in Basic', `Basic \${KEY}`, basic('\0:ü345678'), [basic('\0:ü345678')]],
  ])('are %s, and are not shown', (_, template, KEY, secrets) => {
    const made = read({ a: template }, envOf({ KEY, OTHER: 'ijklmnop' }))
    expect(made.routes[0]?.secrets).toEqual(secrets)
    expect(Object.isFrozen(made.routes[0]?.secrets)).toBe(true)
    for (const secret of secrets) expect(JSON.stringify(showPolicy(made))).not.toContain(secret)
  })
})

it('keeps the template of what is injected, by which it is told apart where no value is known', () => {
  const inject = { Authorization: `Bearer \${KEY}.\${OTHER}` }
  expect(read(inject, { has: () => true, secret: () => undefined }).routes[0]?.inject).toEqual([
    ['authorization', 'Bearer .', inject.Authorization],
  ])
})
