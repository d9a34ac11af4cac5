import { describe, expect, it } from 'vitest'
import { showPolicy } from '../../src/policy/show.ts'
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

  it('are not warned about where their values are not known', () => {
    const parsed = parse(vars({ a: `\${KEY}` }), { has: () => true, secret: () => undefined })
    const paths = parsed.ok ? parsed.value.warnings.map(({ path }) => path).join() : 'broken'
    expect(paths).not.toMatch(/inject|broken/)
  })
})
