import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { McpKind, McpUse } from '../../../src/gate/model/mcp.ts'
import { nameFault, namesOf } from '../../../src/gate/policy/keys/mcp-names.ts'
import {
  isCanonicalUri,
  isName,
  isPlainUri,
  literalOf,
} from '../../../src/gate/policy/keys/mcp-spelling.ts'
import { anyCharacter, tries } from '../../kit/property.ts'

const use = (pattern: string): McpUse => ({ pattern, scopes: { mode: 'all', scopes: [] } })
const found = (kind: McpKind, patterns: readonly string[], name: string) =>
  namesOf(kind, patterns.map(use)).find(name)?.pattern

describe('the rule for a name', () => {
  it.each([
    [['read'], 'read', 'read'],
    [['read'], 'reads', undefined],
    [['read'], 'Read', undefined],
    [['read'], '', undefined],
    [['files_*'], 'files_read', 'files_*'],
    [['files_*'], 'files_', 'files_*'],
    [['files_*'], 'files', undefined],
    [['files_*'], 'my_files_read', undefined],
    [['*', 'files_*', 'files_r*', 'files_read'], 'files_read', 'files_read'],
    [['*', 'files_*', 'files_r*', 'files_read'], 'files_reads', 'files_r*'],
    [['files_r*', '*', 'files_*'], 'files_write', 'files_*'],
    [['files_r*', '*', 'files_*'], 'weather', '*'],
    // Someone who minds no case would take these for what is named more closely.
    [['*', 'delete'], 'Delete', undefined],
    [['*', 'delete_*'], 'DELETE_all', undefined],
    [['*', 'delete'], '\uff44elete', undefined],
    [['*', 'delete_item'], 'delete_\u0131tem', undefined],
    [['*', 'delete_item'], 'DELETE_\u0130TEM', undefined],
    [['*', 'list_*'], 'l\u0131st_users', undefined],
    [['*', 'mass_*'], 'ma\u00df_delete', undefined],
    [['*', 'mass_delete'], 'MA\u1e9e_DELETE', undefined],
    [['*', 'straße'], 'STRASSE', undefined],
    [['*', '\u03bf\u03b4\u03bf\u03c3*'], '\u039f\u03b4\u03bf\u03c3\u03b1', undefined],
    [['*', '\u03bf\u03b4\u03bf\u03c3'], '\u03bf\u03b4\u03bf\u03c2', undefined],
    [['*', 'item'], '\u0131tems', '*'],
    [['*', 'delete', 'Delete'], 'Delete', 'Delete'],
    [['Docs_*', 'docs_*'], 'docs_a', 'docs_*'],
    [['Docs_*', 'docs_*'], 'Docs_a', 'Docs_*'],
    // What can be no name falls under no pattern.
    [['*'], 'a\u0000', undefined],
    [['*'], 'a\u202e', undefined],
    [['*'], ' a', undefined],
    [['*'], 'a'.repeat(129), undefined],
    [['*'], '', undefined],
    [['*'], '\ud800', undefined],
    [['*'], '__proto__', '*'],
    [['a'], '__proto__', undefined],
    [['a'], 'constructor', undefined],
  ])('of %j: %j falls under %j', (patterns, name, expected) => {
    expect(found('tools', patterns, name)).toBe(expected)
    expect(found('tools', patterns.toReversed(), name)).toBe(expected)
  })

  it.each([
    [['file:///docs/*'], 'file:///docs/a/b.txt', 'file:///docs/*'],
    [['file:///docs/*'], 'file:///docs', undefined],
    [['file:///docs/*'], 'FILE:///docs/a', undefined],
    [['file:///docs/*'], 'file:///docs/../etc/passwd', undefined],
    [['file:///docs/*'], 'file:///docs/..', undefined],
    [['file:///docs/*'], 'file:///docs/./a', undefined],
    [['file:///docs/*'], 'file:///docs/%2e%2e/etc', undefined],
    [['file:///docs/*'], 'file:///docs/.%2E/etc', undefined],
    [['file:///docs/*'], 'file:///docs/..%2fetc', undefined],
    [['file:///docs/*'], 'file:///docs/a%2f..%2fetc', undefined],
    [['file:///docs/*'], 'file:///docs/..%5cetc', undefined],
    [['file:///docs/*'], 'file:///docs/..\\etc', undefined],
    [['file:///docs/*'], 'file:///docs/..;/etc', undefined],
    [['file:///docs/*'], 'file:///docs/%252e%252e/etc', undefined],
    [['file:///docs/*'], 'file:///docs/a?p=../../etc', undefined],
    [['file:///docs/*'], 'file:///docs/a%00', undefined],
    [['file:///docs/*'], 'file:///docs/a%0a', undefined],
    [['file:///docs/*'], 'file:///docs/100%', undefined],
    [['file:///docs/*'], 'file:///docs/ä', undefined],
    [['file:///docs/*'], 'file:///docs/a b', undefined],
    [['file:///docs/*'], 'file:///docs/%C3%A4%20b', 'file:///docs/*'],
    [['file:///docs/*'], 'file:///docs/.hidden..txt', 'file:///docs/*'],
    [['file:///docs/*'], 'file:///docs/a%2Fb', undefined],
    [['file:///docs/*'], 'file:///docs/a;b', undefined],
    [['file:///docs/*', 'file:///docs/a;b'], 'file:///docs/a;b', 'file:///docs/a;b'],
    [['file:///docs/*'], 'file:///docs//a', undefined],
    [['file:///C:/docs/*'], 'file:///C:/docs/a', 'file:///C:/docs/*'],
    [['docs:*'], 'docs://a/b?c=//d', 'docs:*'],
    [['docs:*'], 'docs:a//b', undefined],
    [['file:///docs/*'], `file:///docs/${'a'.repeat(2_048)}`, undefined],
    // Other spellings of what is named more closely.
    [['file:///*', 'file:///secret'], 'file:///secret', 'file:///secret'],
    [['file:///*', 'file:///secret'], 'file:///Secret', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret/', undefined],
    [['file:///*', 'file:///secret'], 'file:////secret', undefined],
    [['file:///*', 'file:///secret'], 'file:///%73ecret', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret?x', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret#x', undefined],
    [['file:///*', 'file:///secret?v=1'], 'file:///secret?V=1', undefined],
    [['file:///*', 'file:///secret/*'], 'file:///secret%2Fa', undefined],
    [['file:///*', 'file:///secret/*'], 'file:///secret\\a', undefined],
    [['file:///*', 'file:///secret/*'], 'file:///SECRET/a', undefined],
    [['file:///*', 'file:///secret/*'], 'file:////secret/a', undefined],
    [['file:///*', 'file:///secret/*'], 'file:///secrets', 'file:///*'],
    [['db://t', 'db://t?*'], 'db://t?x=1', 'db://t?*'],
    [['*'], 'no uri', undefined],
    [['*'], 'noscheme', undefined],
    [['*'], 'memo:a', '*'],
    // Escapes of escapes, of what needs none, and of no UTF-8.
    [['file:///docs/*'], 'file:///docs/%25%32%65%25%32%65/etc/passwd', undefined],
    [['file:///docs/*'], 'file:///docs/%252%65%252%65/etc/passwd', undefined],
    [['file:///docs/*'], 'file:///docs/%25%32e/etc/passwd', undefined],
    [['file:///docs/*'], 'file:///docs/%c0%ae%c0%ae/etc/passwd', undefined],
    [['file:///docs/*'], 'file:///docs/%C0%AFetc', undefined],
    [['file:///docs/*'], 'file:///docs/%E9', undefined],
    [['file:///docs/*'], 'file:///docs/%61', undefined],
    [['file:///docs/*'], 'file:///docs/a%2Db', undefined],
    [['file:///docs/*'], 'file:///docs/a%7eb', undefined],
    [['file:///docs/*'], 'file:///docs/100%25', 'file:///docs/*'],
    [['file:///docs/*'], 'file:///docs/a%3Fb%5Bc%5D%7B', 'file:///docs/*'],
    // Letters in another case, and accents put together otherwise.
    [['file:///*', 'file:///caf%C3%A9/*'], 'file:///CAF%c3%89/a', undefined],
    [['file:///*', 'file:///caf%C3%A9/*'], 'file:///cafe%CC%81/a', undefined],
    [['file:///*', 'file:///caf%C3%A9/*'], 'file:///%EF%BD%83af%C3%A9/a', undefined],
    [['file:///*', 'file:///caf%C3%A9/*'], 'file:///cafe/a', 'file:///*'],
    [['file:///*', 'file:///item'], 'file:///%C4%B1tem', undefined],
    [['file:///*', 'file:///item'], 'file:///%C4%B0TEM', undefined],
    [['file:///*', 'file:///mass'], 'file:///ma%E1%BA%9E', undefined],
    // Full-width dots, slashes and spaces, and what is left away at the end.
    [['file:///docs/*'], 'file:///docs/%EF%BC%8E%EF%BC%8E/etc', undefined],
    [['file:///docs/*'], 'file:///docs/.%EF%BC%8E/etc', undefined],
    [['file:///docs/*'], 'file:///docs/%EF%BC%8E', undefined],
    [['file:///docs/*'], 'file:///docs/%E2%80%A5/x', undefined],
    [['file:///docs/*'], 'file:///docs/a%EF%BC%8F..%EF%BC%8Fetc', undefined],
    [['file:///docs/*'], 'file:///docs/a%EF%BC%BC%E2%80%A5%EF%BC%BCetc', undefined],
    [['file:///docs/*'], 'file:///docs/%E6%97%A5%EF%BC%8E%E6%9C%AC', 'file:///docs/*'],
    [['file:///docs/*'], 'file:///docs/%E6%97%A5.%E6%9C%AC', 'file:///docs/*'],
    [['file:///docs/*'], 'file:///docs/caf%C3%A9.', 'file:///docs/*'],
    [['file:///docs/*'], 'file:///docs/a%E2%80%A6b', 'file:///docs/*'],
    [['file:///*', 'file:///secret/*'], 'file:///%EF%BC%8Fsecret/plan', undefined],
    [['file:///*', 'file:///secret/*'], 'file:///secret%EF%BC%8Fplan', undefined],
    [['file:///*', 'file:///secret/*'], 'file:///%EF%BC%BCsecret/plan', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret%20', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret%20%20', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret%E3%80%80', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret%20/', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret/%20?x', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret.', undefined],
    [['file:///*', 'file:///secret%20'], 'file:///secret', undefined],
    [['file:///*', 'file:///secret'], 'file:///secret%20plan', 'file:///*'],
  ])('of %j: resource %j falls under %j', (patterns, name, expected) => {
    expect(found('resources', patterns, name)).toBe(expected)
  })
})

const DOCS = ['docs://*', 'docs://private/*']
const HOSTS = ['*', 'https://api.example.com/secret', 'https://api.example.com/secret/*']
const FILES = ['*', 'file:///docs/secret', 'file:///C:/secret/*']

describe('what a server that parses URIs takes for another falls under no pattern', () => {
  it.each([
    [DOCS, 'docs://private:/plan'],
    [DOCS, 'docs://@private/plan'],
    [DOCS, 'docs://:@private/plan'],
    [DOCS, 'docs://public@private/plan'],
    [DOCS, 'docs://public:x@private/plan'],
    [DOCS, 'docs://%70rivate/plan'],
    [DOCS, 'docs://private%C2%AD/plan'],
    [DOCS, 'docs://PRIVATE/plan'],
    [DOCS, 'docs:///private/plan'],
    [DOCS, 'docs://private./plan'],
    [DOCS, 'docs://private\\plan'],
    [DOCS, 'docs://pri vate/plan'],
    [DOCS, 'docs://a:99999/plan'],
    [['docs://*', 'docs://private:/plan'], 'docs://private/plan'],
    [['file:///secret/*', 'file:secret/a'], 'file:///secret/a'],
    [HOSTS, 'https://api.example.com:443/secret'],
    [HOSTS, 'https:api.example.com/secret'],
    [HOSTS, 'https:/api.example.com/secret'],
    [HOSTS, 'https:\\\\api.example.com\\secret'],
    [HOSTS, 'https://api.example.com./secret'],
    [HOSTS, 'https://api.exa%C2%ADmple.com/secret'],
    [HOSTS, 'https://api%E3%80%82example.com/secret'],
    [HOSTS, 'https://%EF%BD%81pi.example.com/secret'],
    [HOSTS, 'https://api.example.com:0443/secret'],
    [HOSTS, 'https://@api.example.com/secret'],
    [HOSTS, 'https://x@api.example.com/secret'],
    [HOSTS, 'wss://api.example.com:443/'],
    [['*', 'https://api.example.com:443/secret'], 'https://api.example.com/secret'],
    [FILES, 'file://localhost/docs/secret'],
    [FILES, 'file:docs/secret'],
    [FILES, 'file:/docs/secret'],
    [FILES, 'file:///C|/secret/x'],
    [FILES, 'file:///c:/secret/x'],
  ])('of %j: %j', (patterns, name) => {
    expect(found('resources', patterns, name)).toBeUndefined()
    // As it is written it may be named all the same.
    expect(found('resources', [...patterns, name], name)).toBe(name)
  })

  it.each([
    [DOCS, 'docs://private/plan', 'docs://private/*'],
    [DOCS, 'docs://public/plan', 'docs://*'],
    [DOCS, 'docs://public:8080/plan', 'docs://*'],
    [DOCS, 'docs://Public/a%20b?c=d#e', 'docs://*'],
    [HOSTS, 'https://api.example.com:8443/secret', '*'],
    [HOSTS, 'https://api.example.com/open?x=a@b:443', '*'],
    [HOSTS, 'mailto:someone@example.com', '*'],
    [HOSTS, 'urn:isbn:0451450523', '*'],
    [FILES, 'file:///C:/open', '*'],
    [FILES, 'file://server/docs/secret', '*'],
  ])('and all else does, of %j: %j', (patterns, name, expected) => {
    expect(found('resources', patterns, name)).toBe(expected)
  })

  it('whatever it is', () => {
    const part = fc.constantFrom(
      ...['docs:', 'https:', 'file:', '/', '//', '\\', '@', ':', ':443', ':80', 'a', 'A', '.', '|'],
      ...['x.example', 'localhost', '127.1', '%41', '%2F', '%C2%AD', '%E3%80%82', '%c0%ae', '%25'],
      ...['?', '#', '[::1]', 'C|', '"', '{', '^', '`', '2e', '%32'],
    )
    const beginning = fc.constantFrom('docs://', 'https://', 'file:///', 'ws://', 'x:', '')
    const uri = fc
      .tuple(beginning, fc.array(part, { maxLength: 6 }))
      .map(([first, rest]) => `${first}${rest.join('')}`)
    const { find } = namesOf('resources', [use('*')])
    let taken = 0
    fc.assert(
      fc.property(uri, (name) => {
        if (!find(name)) return
        taken++
        const { href, username, password } = new URL(name)
        expect([href, username, password]).toEqual([name, '', ''])
        expect(() => decodeURIComponent(name)).not.toThrow()
      }),
      tries(500),
    )
    expect(taken).toBeGreaterThan(45)
  })
})

describe('a pattern of resources is a mistake', () => {
  it.each([
    'docs://public*',
    'docs://public:*',
    'docs://public@*',
    'x+y://a.b*',
    'https://api.example.com*',
    'https://*',
  ])('that ends in a host: %s', (text) => {
    expect(nameFault('resources', text)).toContain('put a / after the host')
  })

  it.each([
    'https://api.example.com:443/*',
    'HTTPS://api.example.com/*',
    'docs://@private/*',
    'docs://someone@private/*',
    'docs://private:/*',
    'file://localhost/docs/*',
    'file:docs/*',
    'file:///docs/%61*',
    'file:///docs/%E9*',
  ])('that matches nothing: %s', (text) => {
    expect(nameFault('resources', text)).toContain('matches nothing')
  })

  it.each([
    '*',
    'docs:*',
    'docs:/*',
    'docs://*',
    'docs://public/*',
    'docs://public/a*',
    'docs://public?*',
    'file:*',
    'file://*',
    'file:///*',
    'file:///C:/*',
    'https:*',
    'https://api.example.com/*',
    'https://api.example.com:8443/a*',
    'urn:isbn:*',
    'file:///docs/%C3%A4*',
    // Whole names are what they are.
    'https://api.example.com:443/x',
    'docs://someone@private/x',
    'file:///docs/%E9',
  ])('and not otherwise: %s', (text) => {
    expect(nameFault('resources', text)).toBeUndefined()
  })
})

/** What is written of it: a whole name, else the longest pattern, each compared with every other. */
const brute = (kind: McpKind, patterns: readonly string[], name: string): string | undefined => {
  if (patterns.includes(name) && !name.endsWith('*')) return name
  if (!isName(kind, name)) return undefined
  if (kind === 'resources' && !(isPlainUri(name) && isCanonicalUri(name))) return undefined
  const fits = patterns.filter((one) => one.endsWith('*') && name.startsWith(literalOf(one)))
  const [longest] = fits.toSorted((a, b) => b.length - a.length)
  if (longest === undefined) return undefined
  const foldCase = (text: string) => {
    if (kind === 'tools') return text.normalize('NFKC').toLowerCase()
    return decodeURIComponent(text)
      .replace(/[/\\]+/g, '/')
      .toLowerCase()
  }
  const endless = (text: string) => foldCase(text).replace(/[/. ]+$/, '')
  const named = kind === 'tools' ? foldCase : endless
  const isCloser = (one: string) =>
    one.endsWith('*')
      ? one.length > longest.length && foldCase(name).startsWith(foldCase(literalOf(one)))
      : one.length >= longest.length - 1 && named(one) === named(name)
  return patterns.some(isCloser) ? undefined : longest
}

describe('find', () => {
  const part = fc.constantFrom('a', 'b', 'A', '_', '.', '*', '__proto__', 'é')
  const text = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(''))
  const pattern = text
    .map((one) => one.replaceAll('*', ''))
    .chain((one) => fc.constantFrom(one, `${one}*`))
    .filter((one) => one !== '')

  it('equals trying every pattern', () => {
    fc.assert(
      fc.property(fc.uniqueArray(pattern, { maxLength: 8 }), text, (patterns, name) => {
        expect(found('tools', patterns, name)).toBe(brute('tools', patterns, name))
      }),
      tries(300),
    )
  })

  const step = fc.constantFrom('a', 'B', '/', '//', '.', '%2e', '%2F', '%41', '\\', 'b')
  const tail = fc.array(step, { maxLength: 5 }).map((parts) => parts.join(''))
  const uri = tail.map((one) => `x:${one}`)
  const uris = fc
    .tuple(uri, fc.boolean())
    .filter(([one, isOpen]) => isPlainUri(one, isOpen))
    .map(([one, isOpen]) => (isOpen ? `${one}*` : one))

  it('equals trying every pattern of resources', () => {
    fc.assert(
      fc.property(fc.uniqueArray(uris, { maxLength: 8 }), uri, (patterns, name) => {
        expect(found('resources', patterns, name)).toBe(brute('resources', patterns, name))
      }),
      tries(300),
    )
  })

  it('never leaves what a pattern begins with, however it is read', () => {
    fc.assert(
      fc.property(tail, (rest) => {
        const name = `file:///docs/${rest}`
        if (!namesOf('resources', [use('file:///docs/*')]).find(name)) return
        const read = decodeURIComponent(name).replaceAll('\\', '/')
        expect(new URL(read).pathname).toMatch(/^\/docs\//)
      }),
      tries(300),
    )
  })

  it('throws at no text', () => {
    const { find } = namesOf('resources', ['file:///*', 'file:///a', '*'].map(use))
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (name) => {
        find(name)
        find(`file:///${name}`)
      }),
      tries(100),
    )
  })
})
