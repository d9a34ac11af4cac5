import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { AGENT_ERRORS } from '../../packages/origin/src/errors.ts'
import * as express from '../../packages/origin/src/express.ts'
import * as hono from '../../packages/origin/src/hono.ts'
import * as origin from '../../packages/origin/src/index.ts'
import { ROOT } from '../kit/repository.ts'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const page = read('docs/origin/verify.md')
const all = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, found]) => found ?? '')
/** The rows of the table under this head. */
const table = (head: string): string =>
  page.split(`| ${head} |`)[1]?.match(/(?:^\|.*\n)+/m)?.[0] ?? ''

it('every option is documented, and no other', () => {
  const [declared = ''] = all(
    read('packages/origin/src/options.ts'),
    /^export interface VerifyOptions \{\n(.*?)\n\}/gms,
  )
  const options = all(declared, /^ {2}readonly (\w+)\??:/gm)
  expect(options.length).toBeGreaterThan(10)
  expect(all(table('option | default | what'), /^\| `(\w+)` \|/gm)).toEqual(options)
})

it('every code is documented, with its status and its sentence', () => {
  const rows = all(table('code | status | what it means'), /^\| (<a .*) \|$/gm)
  expect(rows).toEqual(
    Object.entries(AGENT_ERRORS).map(
      ([code, [status, title]]) => `<a id="${code}"></a>\`${code}\` | ${status} | ${title}`,
    ),
  )
})

it('what the page imports is there', () => {
  const modules: Readonly<Record<string, object>> = {
    'edgewarden-origin': origin,
    'edgewarden-origin/express': express,
    'edgewarden-origin/hono': hono,
  }
  const imports = [...page.matchAll(/^import \{ (.*) \} from '(edgewarden[^']*)'$/gm)]
  expect(new Set(imports.map(([, , from]) => from))).toEqual(new Set(Object.keys(modules)))
  for (const [, names = '', from = ''] of imports) {
    for (const name of names.split(', ')) expect(modules[from]).toHaveProperty(name)
  }
})
