import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { McpKind, McpUse } from '../../../../src/gate/model/mcp.ts'
import { nameFault, namesOf } from '../../../../src/gate/policy/keys/mcp-names.ts'
import {
  isCanonicalUri,
  isName,
  isPlainUri,
  literalOf,
} from '../../../../src/gate/policy/keys/mcp-spelling.ts'
import { tries } from '../../../kit/property.ts'

const use = (pattern: string): McpUse => ({ pattern, scopes: { mode: 'all', scopes: [] } })
const found = (kind: McpKind, patterns: readonly string[], name: string) =>
  namesOf(kind, patterns.map(use)).find(name)?.pattern
const words = (text: string) => text.trim().split(/\s+/)

const NEAR = ['*', 'files_*', 'files_r*', 'files_read']
it.each<[readonly string[], string, string]>([
  [NEAR, 'files_read', 'files_read'],
  [NEAR, 'files_reads', 'files_r*'],
  [NEAR, 'files_', 'files_*'],
  [NEAR, 'weather', '*'],
  [['*', 'item'], '\u0131tems', '*'],
  [['*', 'delete', 'Delete'], 'Delete', 'Delete'],
  [['Docs_*', 'docs_*'], 'docs_a', 'docs_*'],
  [['*'], '__proto__', '*'],
])('of %j the tool %j has %j', (patterns, name, expected) => {
  expect(found('tools', patterns, name)).toBe(expected)
  expect(found('tools', patterns.toReversed(), name)).toBe(expected)
})

it.each<[readonly string[], readonly string[]]>([
  [['files_*', 'read'], words('reads Read files my_files_read __proto__ constructor')],
  // Someone who minds no case would take these for what is named more closely.
  [
    ['*', 'delete_*', 'delete'],
    ['Delete', 'DELETE_all', '\uff44elete'],
  ],
  [
    ['*', 'delete_item'],
    ['delete_\u0131tem', 'DELETE_\u0130TEM'],
  ],
  [
    ['*', 'mass_*', 'straße'],
    ['ma\u00df_delete', 'MA\u1e9e_DELETE', 'STRASSE'],
  ],
  [
    ['*', '\u03bf\u03b4\u03bf\u03c3*'],
    ['\u039f\u03b4\u03bf\u03c3\u03b1', '\u03bf\u03b4\u03bf\u03c2'],
  ],
  // What can be no name falls under no pattern.
  [['*'], ['', 'a\u0000', 'a\u202e', ' a', 'a'.repeat(129), '\ud800']],
])('of %j no tool has %j', (patterns, names) => {
  for (const name of names)
    expect([name, found('tools', patterns, name)]).toEqual([name, undefined])
})

const FILES = ['file:///docs/*']
const SECRET = ['file:///*', 'file:///secret', 'file:///secret/*', 'file:///caf%C3%A9/*']
const DOCS = ['docs://*', 'docs://private/*']
const HOSTS = ['*', 'https://api.example.com/secret', 'https://api.example.com/secret/*']
const LOCAL = ['*', 'file:///docs/secret', 'file:///C:/secret/*']

it.each<[readonly string[], string, readonly string[]]>([
  [
    FILES,
    'file:///docs/*',
    words(`file:///docs/a/b.txt file:///docs/%C3%A4%20b file:///docs/.hidden..txt file:///docs/caf%C3%A9.
      file:///docs/100%25 file:///docs/a%3Fb%5Bc%5D%7B file:///docs/%E6%97%A5%EF%BC%8E%E6%9C%AC`),
  ],
  [[...FILES, 'file:///docs/a;b'], 'file:///docs/a;b', ['file:///docs/a;b']],
  [['docs:*'], 'docs:*', ['docs://a/b?c=//d']],
  [SECRET, 'file:///*', words('file:///secrets file:///cafe/a file:///secret%20plan')],
  [['db://t', 'db://t?*'], 'db://t?*', ['db://t?x=1']],
  [DOCS, 'docs://private/*', ['docs://private/plan']],
  [DOCS, 'docs://*', words('docs://public/plan docs://public:8080/plan docs://P/a%20b?c=d#e')],
  [HOSTS, '*', words('https://api.example.com:8443/secret https://api.example.com/open?x=a@b:443')],
  [LOCAL, '*', words('file:///C:/open file://server/docs/secret urn:isbn:0451450523 mailto:a@b.c')],
])('of %j a resource has %j: %j', (patterns, expected, uris) => {
  for (const uri of uris) expect([uri, found('resources', patterns, uri)]).toEqual([uri, expected])
})

it.each<[string, readonly string[], readonly string[]]>([
  [
    'leaves the folder, or could',
    FILES,
    words(`file:///docs FILE:///docs/a file:///docs/../etc/passwd file:///docs/.. file:///docs/./a
      file:///docs/%2e%2e/etc file:///docs/.%2E/etc file:///docs/a%2f..%2fetc file:///docs/..%5cetc
      file:///docs/..\\etc file:///docs/..;/etc file:///docs/a?p=../../etc file:///docs//a
      file:///docs/%252e%252e/etc file:///docs/%252%65%252%65/etc file:///docs/%25%32e/etc
      file:///docs/%EF%BC%8E%EF%BC%8E/etc file:///docs/.%EF%BC%8E/etc file:///docs/%E2%80%A5/x
      file:///docs/a%EF%BC%8F..%EF%BC%8Fetc file:///docs/a%EF%BC%BC%E2%80%A5%EF%BC%BCetc`),
  ],
  [
    'is not written in the one way that is read alike',
    FILES,
    words(`file:///docs/a%00 file:///docs/a%0a file:///docs/100% file:///docs/ä file:///docs/a%2Fb
      file:///docs/a;b file:///docs/%c0%ae%c0%ae/etc file:///docs/%C0%AFetc file:///docs/%E9
      file:///docs/%61 file:///docs/a%2Db file:///docs/a%7eb`),
  ],
  [
    'is another spelling of what is named',
    ['file:///*', 'file:///secret'],
    words(`file:///Secret file:///secret/ file:////secret file:///%73ecret file:///secret?x
      file:///secret#x file:///secret%20 file:///secret%E3%80%80 file:///secret%20/ file:///secret.
      file:///secret/%20?x`),
  ],
  [
    'is in another spelling of a folder that is named',
    ['file:///*', 'file:///secret/*', 'file:///caf%C3%A9/*'],
    words(`file:///secret%2Fa file:///secret\\a file:///SECRET/a file:////secret/a
      file:///%EF%BC%8Fsecret/plan file:///secret%EF%BC%8Fplan file:///CAF%c3%89/a
      file:///cafe%CC%81/a file:///%EF%BD%83af%C3%A9/a`),
  ],
  [
    'is another case beyond ASCII',
    ['file:///*', 'file:///item'],
    ['file:///%C4%B1tem', 'file:///%C4%B0TEM'],
  ],
  ['has a query in another case', ['file:///*', 'file:///secret?v=1'], ['file:///secret?V=1']],
  ['lacks a space at its end', ['file:///*', 'file:///secret%20'], ['file:///secret']],
  ['is no URI', ['*', 'docs:*'], ['no uri', 'noscheme', 'docs:a//b', `x:${'a'.repeat(2_048)}`]],
])('a resource that %s has none of %j: %j', (_, patterns, uris) => {
  for (const uri of uris) expect([uri, found('resources', patterns, uri)]).toEqual([uri, undefined])
})

it.each<[readonly string[], readonly string[]]>([
  [
    DOCS,
    words(`docs://private:/plan docs://@private/plan docs://:@private/plan docs://public@private/plan
      docs://public:x@private/plan docs://%70rivate/plan docs://private%C2%AD/plan
      docs://PRIVATE/plan docs:///private/plan docs://private./plan docs://private\\plan
      docs://a:99999/plan`),
  ],
  [['docs://*', 'docs://private:/plan'], ['docs://private/plan']],
  [['file:///secret/*', 'file:secret/a'], ['file:///secret/a']],
  [
    HOSTS,
    words(`https://api.example.com:443/secret https:api.example.com/secret
      https:/api.example.com/secret https:\\\\api.example.com\\secret
      https://api.example.com./secret https://api.exa%C2%ADmple.com/secret
      https://api%E3%80%82example.com/secret https://%EF%BD%81pi.example.com/secret
      https://api.example.com:0443/secret https://x@api.example.com/secret wss://api.example.com:443/`),
  ],
  [['*', 'https://api.example.com:443/secret'], ['https://api.example.com/secret']],
  [
    LOCAL,
    words(`file://localhost/docs/secret file:docs/secret file:/docs/secret file:///C|/secret/x
      file:///c:/secret/x`),
  ],
])('of %j none has what a parser of URIs takes for another: %j', (patterns, uris) => {
  for (const uri of uris) {
    expect([uri, found('resources', patterns, uri)]).toEqual([uri, undefined])
    // As it is written it may be named all the same.
    expect(found('resources', [...patterns, uri], uri)).toBe(uri)
  }
})

it('a pattern falls under no resource that a parser of URIs writes otherwise', () => {
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

it.each<[string, readonly string[]]>([
  [
    'put a / after the host',
    words(
      `docs://public* docs://public:* docs://public@* x+y://a.b* https://api.example.com* https://*`,
    ),
  ],
  [
    'matches nothing',
    words(`https://api.example.com:443/* HTTPS://api.example.com/* docs://@private/*
      docs://someone@private/* docs://private:/* file://localhost/docs/* file:docs/*
      file:///docs/%61* file:///docs/%E9*`),
  ],
])('a pattern of resources is a mistake that %s: %j', (message, patterns) => {
  for (const text of patterns) expect(nameFault('resources', text)).toContain(message)
})

it.each(
  // Whole names are what they are.
  words(`* docs:* docs:/* docs://* docs://public/* docs://public/a* docs://public?* file:* file://*
    file:///C:/* https:* https://api.example.com/* https://api.example.com:8443/a* urn:isbn:*
    file:///docs/%C3%A4* https://api.example.com:443/x docs://someone@private/x file:///docs/%E9`),
)('a pattern of resources may be %s', (text) => {
  expect(nameFault('resources', text)).toBeUndefined()
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
})
