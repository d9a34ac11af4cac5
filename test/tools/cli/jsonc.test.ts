import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { otherNames, wranglerPath } from '../../../src/command/base/wrangler-names.ts'
import { check } from '../../../src/command/policy/check.ts'
import { diff } from '../../../src/command/policy/diff.ts'
import { folder, KEY, PARTS, runHere, toml, write } from './kit.ts'
import { CASES, POLICY, repository, WIDER } from './repository.ts'

const directory = await folder()
const SCHEMA = { $schema: './node_modules/edgewarden/config-schema.json' }
const jsonc = (text: string): string =>
  `// a comment\n${JSON.stringify({ ...SCHEMA, ...parse(text) }, null, 2)}\n`

const INLINE = toml({ issuer: `${PARTS.issuer}\njwks = { keys = [${KEY}] }` })
let count = 0
/** A folder with the policy in a file of this name only. */
const only = async (name: string, text = INLINE): Promise<string> => {
  const path = join(directory, `${++count}`)
  await mkdir(join(path, 'tests'), { recursive: true })
  await write(join(path, 'tests'), 'policy.test.toml', CASES)
  return write(path, name, jsonc(text).replace(name.endsWith('.json') ? /^.*\n/ : '', ''))
}

/**
 * Every command that reads the file, by the name of a wrangler.toml that is not there, and what it says of it. That of
 * serve is in test/e2e/serve.test.ts.
 */
const COMMANDS: readonly (readonly [
  name: string,
  args: (toml: string) => string[],
  said: RegExp,
])[] = [
  ['check', (file) => ['check', file], /valid: 1 rule/],
  ['test', (file) => ['test', '--config', file], /1 cases?: 1 as expected/],
  ['routes', (file) => ['routes', file, '--json'], /"file": ".*wrangler\.jsonc?"/],
  ['diff', (file) => ['diff', file, file], /Nothing changes\./],
  ['ci', (file) => ['ci', '--config', file], /test: passed/],
  [
    'explain',
    (file) => ['explain', 'GET', 'https://api.acme.dev/a', '--config', file],
    /credential_missing/,
  ],
  ['doctor', (file) => ['doctor', 'nobody', '--config', file], /wrangler\.jsonc? has no issuer/],
]

describe.each(['wrangler.jsonc', 'wrangler.json'])('%s', (name) => {
  it.each(COMMANDS)('is what %s reads where there is no wrangler.toml', async (_, args, said) => {
    const file = await only(name)
    const { stdout, stderr } = await runHere(args(join(dirname(file), 'wrangler.toml')))
    expect(stdout + stderr).toMatch(said)
    expect(stdout + stderr).not.toContain('no such file')
  })

  it('is compared by ci with the same file of the commit, and with one of another ending', async () => {
    for (const first of [{ [name]: jsonc(POLICY) }, { 'wrangler.toml': POLICY }]) {
      const at = await repository(directory, { [name]: jsonc(WIDER) }, first)
      const file = join(at, 'wrangler.toml' in first ? name : 'wrangler.toml')
      const { code, stdout } = await runHere(['ci', '--base', 'main', '--config', file])
      expect(stdout).toContain('gains: tokens of acme without a scope may now call POST /b')
      expect(code).toBe(1)
    }
  })

  it('beside wrangler.toml is what wrangler reads: check warns of it', async () => {
    const file = await only(name)
    const other = await write(dirname(file), 'wrangler.toml', INLINE)
    const { err } = await check({ file: other })
    expect(err).toContain(
      `warning: ${other}: is not read by wrangler, which reads ${file} beside it`,
    )
    expect((await check({ file })).err.join()).not.toContain('beside')
    expect((await diff(file, other)).out).toEqual(['Nothing changes.'])
  })
})

describe('the file that is read', () => {
  it('is the one that is named, or where that is a wrangler.toml one beside it', async () => {
    const file = await only('wrangler.jsonc')
    const at = (name: string) => join(dirname(file), name)
    expect(wranglerPath(at('wrangler.toml'))).toBe(file)
    expect(wranglerPath(at('wrangler.json'))).toBe(at('wrangler.json'))
    expect(wranglerPath(at('other.toml'))).toBe(at('other.toml'))
    expect(otherNames('wrangler.toml')).toEqual(['wrangler.json', 'wrangler.jsonc'])
    expect(otherNames('a/wrangler.jsonc')).toEqual(['a/wrangler.json', 'a/wrangler.toml'])
    expect(otherNames('my-wrangler.toml')).toEqual([])
  })
})
