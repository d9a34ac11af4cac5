import { globSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { folder, runHere, toml } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { ROOT } from '../kit/repository.ts'
import { askGate, RESOURCE, type Setting, startSetting } from './setting.ts'

/**
 * Every `npx edgewarden` command of the pages in docs/runbooks runs in the order of its page, against a gate that an
 * agent has called. Names of the pages stand for those of the gate.
 */

const PAGES = join(ROOT, 'docs/runbooks')

let setting: Setting
const home = process.cwd()
const directory = await folder()
beforeAll(async () => {
  process.chdir(directory)
  const made = await runHere(['keygen', '--operator', '--issuer', 'ops', '--json'])
  const { table } = JSON.parse(made.stdout) as { readonly table: object }
  setting = await startSetting({
    durableObjects: { ...WITH_AUDIT, AGENTS: 'AgentRegistry' },
    issuer: { agent_prefix: 'acme/' },
    more: { ISSUERS_OPS: { ops: table } },
  })
  const token = await setting.token({ sub: 'agent-42', client_id: 'agent-42' })
  expect((await askGate(setting.gate, '/v1/x', { token })).status).toBeLessThan(500)
  for (const name of ['wrangler.toml', 'deployed.toml']) await writeFile(name, toml())
})
afterAll(async () => {
  process.chdir(home)
  await setting.close()
})

/** Commands of a page, without those that need an account, a terminal or a repository. */
const commandsOf = (page: string): readonly string[] =>
  [...readFileSync(join(PAGES, page), 'utf8').matchAll(/^ *```sh\n(.*?)^ *```/gms)]
    .flatMap(([, block = '']) => block.replaceAll(/\\\n */g, '').split('\n'))
    .map((line) => line.trim().replace(/ > \S+$/, ''))
    .filter((line) => line.startsWith('npx edgewarden '))
    .map((line) => line.replace('npx edgewarden ', ''))

const wordsOf = (command: string): readonly string[] =>
  [...command.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word)

/** What `test` exits with: there is no file with cases here. */
const NO_CASES = 2

describe.each(globSync('*.md', { cwd: PAGES }).sort())('%s', (page) => {
  it('has commands that run', async () => {
    const commands = commandsOf(page)
    expect(commands).not.toEqual([])
    for (const command of commands) {
      const words = wordsOf(command).flatMap((word, i, all) => {
        if (word === 'https://api.my-company.com') return setting.gate.url
        if (word === 'acme' && all[i - 1] === '--issuer') return setting.issuer.issuer
        if (word === 'https://auth.acme.example') return setting.issuer.issuer
        return word
      })
      const at = words.indexOf('--key')
      const key = ['--key', 'ops.jwk', '--audience', RESOURCE]
      const { code, stderr } = await runHere(at < 0 ? words : words.toSpliced(at, 2, ...key))
      expect([command, code, stderr]).toEqual([command, words[0] === 'test' ? NO_CASES : 0, stderr])
    }
  })
})
