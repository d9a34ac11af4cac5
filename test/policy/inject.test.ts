import { describe, expect, it } from 'vitest'
import { showPolicy } from '../../src/gate/policy/show.ts'
import { CHAT, parse, rule, type Vars } from './support.ts'

const vars = (inject: Record<string, string>): Vars => ({ ROUTES: [{ ...CHAT, inject }] })

const envOf = (secrets: Readonly<Record<string, string>>) => ({
  has: (kind: string, name: string) => kind !== 'secret' || Object.hasOwn(secrets, name),
  secret: (name: string) => secrets[name],
})

const secretsOf = (inject: Record<string, string>, secrets: Record<string, string>) => {
  const parsed = parse(vars(inject), envOf(secrets))
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.policy.routes[0]?.secrets
}

const basic = (pair: string) => btoa(pair)

describe('the secrets that answers are searched for', () => {
  it.each<[string, Record<string, string>, Record<string, string>, readonly string[]]>([
    ['one', { a: `Bearer \${KEY}` }, { KEY: 'abcdefgh' }, ['abcdefgh']],
    [
      'several, each once',
      { a: `\${KEY}:\${OTHER}`, b: `\${KEY}` },
      { KEY: 'abcdefgh', OTHER: 'ijklmnop' },
      ['abcdefgh', 'ijklmnop'],
    ],
    ['none that is short', { a: `\${KEY}` }, { KEY: 'abcdefg' }, []],
    ['without spaces around', { a: `\${KEY}` }, { KEY: ' abc defgh ' }, ['abc defgh']],
    ['none that only spaces make long', { a: `\${KEY}` }, { KEY: '   abc   ' }, []],
    [
      'a password in Basic',
      { a: `Basic \${KEY}` },
      { KEY: basic('user:pass:word') },
      [basic('user:pass:word'), 'user:pass:word', 'pass:word'],
    ],
    [
      'a short password in Basic',
      { a: `Basic \${KEY}` },
      { KEY: basic('user:p') },
      [basic('user:p')],
    ],
    [
      'a user without a password in Basic',
      { a: `Basic \${KEY}` },
      { KEY: basic('an-api-key:') },
      [basic('an-api-key:'), 'an-api-key:', 'an-api-key'],
    ],
    ['what only looks like Basic', { a: `Basic \${KEY}` }, { KEY: 'not-base64' }, ['not-base64']],
    ['bytes in Basic', { a: `Basic \${KEY}` }, { KEY: basic('\0:ü345678') }, [basic('\0:ü345678')]],
  ])('are %s', (_name, inject, secrets, expected) => {
    expect(secretsOf(inject, secrets)).toEqual(expected)
  })

  it('are none without inject, and frozen', () => {
    expect(rule({}).secrets).toEqual([])
    expect(Object.isFrozen(rule(vars({ a: `\${KEY}` })).secrets)).toBe(true)
  })

  it('are not shown', () => {
    const parsed = parse(vars({ a: `Basic \${KEY}` }), envOf({ KEY: basic('user:password') }))
    const text = JSON.stringify(parsed.ok && showPolicy(parsed.value.policy))
    for (const secret of ['password', basic('user:password'), 'secrets']) {
      expect(text).not.toContain(secret)
    }
  })

  it.each([
    ['abcdefgh', []],
    [' abcdefg ', ['ROUTES[0].inject.a']],
  ])('are warned about where they are too short: "%s"', (secret, expected) => {
    const parsed = parse(vars({ a: `key \${KEY}` }), envOf({ KEY: secret }))
    const found = (parsed.ok ? parsed.value.warnings : []).filter(({ path }) =>
      path.includes('inject'),
    )
    expect(found.map(({ path }) => path)).toEqual(expected)
    for (const { message } of found) {
      expect(message).toMatch(/`KEY` is too short/)
      expect(message).not.toContain(secret.trim())
    }
  })

  it.each<[string, string, string, boolean]>([
    ['a short password', `Basic \${KEY}`, basic('administrator:secret7'), true],
    ['a password that spaces make long', `basic \${KEY}`, basic('administrator: secret7 '), true],
    ['a short user without a password', `Basic \${KEY}`, basic('secret7:'), true],
    ['a short user without a colon', `Basic \${KEY}`, basic('secret7'), true],
    ['a password of 8', `Basic \${KEY}`, basic('admin:secret78'), false],
    ['a password with a colon', `Basic \${KEY}`, basic('admin:sec:ret7'), false],
    ['an API key for a user', `Basic \${KEY}`, basic('an-api-key:'), false],
    ['another scheme', `Bearer \${KEY}`, basic('administrator:secret7'), false],
    ['what is no base64', `Basic \${KEY}`, 'not-base64', false],
  ])('are warned about in Basic: %s', (_name, template, secret, isShort) => {
    const env = envOf({ KEY: secret })
    const parsed = parse(vars({ Authorization: template }), env)
    const found = parsed.ok ? parsed.value.warnings : []
    expect(found.map(({ path }) => path)).toEqual(isShort ? ['ROUTES[0].inject.authorization'] : [])
    for (const { message } of found) {
      expect(message).toMatch(/^the password in its Basic credentials.* is too short/)
      expect(message).not.toMatch(/secret7|administrator/)
    }
  })

  it('are warned about once where the whole is too short, too', () => {
    const parsed = parse(vars({ a: `Basic \${KEY}` }), envOf({ KEY: basic('a:b') }))
    const found = parsed.ok ? parsed.value.warnings.map(({ message }) => message) : []
    expect(found).toEqual([expect.stringMatching(/^the secret `KEY` is too short/)])
  })

  it('are not warned about where their values are not known', () => {
    const parsed = parse(vars({ a: `\${KEY}` }), { has: () => true, secret: () => undefined })
    const paths = parsed.ok ? parsed.value.warnings.map(({ path }) => path).join() : 'broken'
    expect(paths).not.toMatch(/inject|broken/)
  })
})

it('keeps the template of what is injected, by which it is told apart where no value is known', () => {
  const inject = { Authorization: `Bearer \${KEY}.\${OTHER}` }
  const parsed = parse(vars(inject), { has: () => true, secret: () => undefined })
  expect(parsed.ok && parsed.value.policy.routes[0]?.inject).toEqual([
    ['authorization', 'Bearer .', inject.Authorization],
  ])
})
