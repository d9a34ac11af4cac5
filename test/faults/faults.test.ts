import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from '../kit/repository.ts'
import { changed, faultNames, parseFault, readFault } from './faults.ts'

describe('each deliberate fault', () => {
  it.each(faultNames())('%s applies to src/, and names a page and its tests', (name) => {
    const { promise, suites, isSoak, changes } = readFault(name)
    const texts = new Map<string, string>()
    for (const change of changes) {
      const { path } = change
      expect(path).toMatch(/^src\//)
      const text = texts.get(path) ?? readFileSync(join(ROOT, path), 'utf8')
      texts.set(path, changed(text, change))
    }
    const pages = promise.match(/[\w/-]+\.md\b/g) ?? []
    expect(pages.some((page) => existsSync(join(ROOT, page.replace(/^(?!docs\/)/, 'docs/'))))).toBe(
      true,
    )
    for (const suite of suites) {
      expect(existsSync(join(ROOT, suite)), suite).toBe(true)
      if (!isSoak) expect(suite).not.toMatch(/\.(?:soak|nightly)\./)
    }
  })
})

const TEXT = `Promise: a sentence (request.md)
Suite: test/a.test.ts
 test/b.test.ts
Decision: yes

--- a/src/a.ts
+++ b/src/a.ts
@@ -1,3 +1,2 @@
 one

-two
@@ -9 +8,2 @@
-nine
+ten
+eleven
`

describe('a patch', () => {
  it('is read', () => {
    expect(parseFault('a', TEXT)).toEqual({
      name: 'a',
      promise: 'a sentence (request.md)',
      suites: ['test/a.test.ts', 'test/b.test.ts'],
      isDecision: true,
      isSoak: false,
      changes: [
        { path: 'src/a.ts', before: ['one', '', 'two'], after: ['one', ''] },
        { path: 'src/a.ts', before: ['nine'], after: ['ten', 'eleven'] },
      ],
    })
  })

  it('may say why the second implementation does not find it', () => {
    const text = TEXT.replace('yes', 'no, about the console')
    expect(parseFault('a', text).isDecision).toBe(false)
  })

  it.each([
    ['lacks Decision', TEXT.replace(/Decision.*\n/, '')],
    ['not a line of a header: Decision: maybe', TEXT.replace('yes', 'maybe')],
    ['not a line of a header: Decision: yes, of keys', TEXT.replace('yes', 'yes, of keys')],
    ['not a line of a header: Suites', TEXT.replace('Suite:', 'Suites:')],
    ['a change to src/a.ts has too few lines', TEXT.replace('-two\n', '')],
    ['changes nothing', TEXT.split('@@')[0] ?? ''],
  ])('%s', (message, text) => {
    expect(() => parseFault('a', text)).toThrow(message)
  })

  it('is applied where its lines are, and only there', () => {
    const change = { path: 'src/a.ts', before: ['a', 'b'], after: ['c'] }
    expect(changed('a\nb\nd\n', change)).toBe('c\nd\n')
    expect(changed('d\na\nb\n', change)).toBe('d\nc\n')
    expect(() => changed('a\nd\nb\n', change)).toThrow('no longer applies')
    expect(() => changed('aa\nb\n', change)).toThrow('no longer applies')
    expect(() => changed('a\nb\na\nb\n', change)).toThrow('two places')
  })
})
