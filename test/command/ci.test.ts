import { join, relative } from 'node:path'
import { describe, expect, inject, it } from 'vitest'
import { type CiOptions, ci as command } from '../../src/command/policy/ci.ts'
import { environmentToml, folder, runHere, toml } from './kit.ts'
import {
  CASES,
  repository as create,
  execute,
  type Files,
  NARROWER,
  POLICY,
  WIDER,
} from './repository.ts'

const directory = await folder()
const repository = (change: Files, first?: Files) => create(directory, change, first)
/** Runs the steps in a repository, and says what it printed without where that is. */
const ci = async (at: string, { config = 'wrangler.toml', ...options }: CiOptions = {}) => {
  const outcome = await command([], { config: join(at, config), ...options }, 1_793_491_200)
  const lines = [...outcome.out, ...outcome.err, ...(outcome.commands ?? [])].join('\n')
  const stdout = lines.replaceAll(`${relative('', at)}/`, '').replaceAll(`${at}/`, '')
  return { code: outcome.exitCode, stdout, json: outcome.json }
}

describe('a pipeline', () => {
  it('fails where access widens, and says who gains', async () => {
    const at = await repository({ 'wrangler.toml': WIDER })
    const { code, stdout } = await ci(at, { base: 'main', report: 'github' })
    expect(code).toBe(1)
    expect(stdout).toContain('check: passed')
    expect(stdout).toContain('test: passed')
    expect(stdout).toContain('diff against main: failed')
    expect(stdout).toContain('gains: tokens of acme without a scope may now call POST /b')
    expect(stdout).toMatch(/^::error file=wrangler.toml,line=1,title=diff against main::gains: /m)
    const allowed = await ci(at, { base: 'main', allowWidening: true })
    expect(allowed).toMatchObject({ code: 0, stdout: expect.stringContaining('failed, allowed') })
    expect(await ci(at)).toMatchObject({ code: 0 })
  })

  it('passes a harmless change', async () => {
    const at = await repository({ 'wrangler.toml': NARROWER })
    const { code, stdout } = await ci(at, { base: 'main' })
    expect(stdout).toContain('Access does not widen.')
    expect(code).toBe(0)
  })

  it('compares each environment, and a new one with nothing', async () => {
    const before = toml({ more: environmentToml('staging') })
    const after = before.replace(/("GET \/a"\nscopes = \[)"a:read"(\]\s*$)/, '$1$2')
    const at = await repository({ 'wrangler.toml': after }, { 'wrangler.toml': before })
    const { code, stdout } = await ci(at, { base: 'main' })
    expect(stdout).toContain(
      'env staging: gains: tokens of acme without a scope may now call GET /a',
    )
    expect(code).toBe(1)
    const one = await repository({ 'wrangler.toml': before }, { 'wrangler.toml': toml() })
    const added = await ci(one, { base: 'main' })
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('env staging is new') })
  })

  it('neither tests nor compares a policy with a mistake', async () => {
    const at = await repository({ 'wrangler.toml': POLICY.replace('"POST /b"', '"POST b"') })
    const { code, stdout } = await ci(at, { base: 'main', report: 'github' })
    expect(code).toBe(1)
    expect(stdout).toContain('test: not run')
    expect(stdout).toMatch(/^::error file=wrangler.toml,line=41,title=check::ROUTES\[1\]/m)
  })

  it('compares the files of teams with those of the commit, and names the owner', async () => {
    const teams = '\n[vars.TEAMS.search]\nowner = "search@acme.dev"\npaths = ["/search"]\n'
    const build = '[build]\ncommand = "npx edgewarden check --write"\n'
    const alias = '[alias]\n"edgewarden/policy" = "./.wrangler/edgewarden/policy.mjs"\n'
    const rule = (scopes: string) => `[[routes]]\nmatch = "GET /search"\nscopes = [${scopes}]\n`
    const at = await repository(
      { 'routes/search.toml': rule('') },
      {
        'wrangler.toml': `${POLICY}${build}${alias}${teams}`,
        'routes/search.toml': rule('"a:read"'),
      },
    )
    const { code, stdout } = await ci(at, { base: 'main' })
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/gains: .* GET \/search .*\(search@acme\.dev\)/),
    ])
  })

  it('fails with a case, and shows it at its place', async () => {
    const at = await repository({ 'tests/policy.test.toml': CASES.replace('allowed', 'denied') })
    const { code, stdout } = await ci(at, { base: 'main', report: 'github' })
    expect(code).toBe(1)
    expect(stdout).toContain(
      '::error file=tests/policy.test.toml,line=1,title=a reader reads::decision',
    )
  })

  it.each([
    ['a commit that is not there', 'nowhere', 'git knows no commit nowhere here; fetch it first'],
    ['an option in its place', '--all', 'git knows no commit --all here'],
  ])('cannot tell with %s', async (_, base, message) => {
    const at = await repository({})
    const { code, stdout } = await ci(at, { base })
    expect([code, stdout]).toEqual([2, expect.stringContaining(message)])
  })

  it('has nothing to compare a first policy with', async () => {
    const at = await repository({ 'new.toml': POLICY })
    const { code, stdout } = await ci(at, { base: 'main', config: 'new.toml' })
    expect([code, stdout]).toEqual([0, expect.stringContaining('the commit has no such file')])
  })

  it('prints no workflow command but its own, whatever the files and cases are called', async () => {
    const names = ['::stop-commands::x', '  ::add-mask::b', 'a ##[add-path]/tmp', 'a\n::error::c']
    const cases = names.map((name) => CASES.replace('"a reader reads"', JSON.stringify(name)))
    const wrong = cases.map((text) => text.replace('allowed', 'denied'))
    const at = await repository({
      '::debug::x.test.toml': [...cases, ...wrong].join('\n'),
      '::set-env name=A::x.test.toml': '::warning::x',
    })
    const args = [inject('command'), 'ci', '--base', 'main', '--report', 'github']
    const shown = async (...more: string[]) => {
      const all = execute(process.execPath, [...args, ...more], { cwd: at })
      const { stdout, stderr } = await all.catch((failed) => failed)
      return `${stdout}\n${stderr}`.split('\n')
    }
    const all = await shown('::debug::x.test.toml')
    // GitHub trims a line, and reads the older form anywhere in it.
    const isCommand = (line: string) => /^\s*::|##\[/.test(line)
    const own = '::error file=%3A%3Adebug%3A%3Ax.test.toml,line='
    expect(all.filter((line) => isCommand(line) && !line.startsWith(own))).toEqual([])
    expect(all.filter((line) => line.startsWith(own))).toHaveLength(names.length)
    expect((await shown()).filter((line) => isCommand(line) && !/^::error /.test(line))).toEqual([])
    expect((await shown('--json')).filter(isCommand)).toEqual([])
  })

  it('answers as one document', async () => {
    const at = await repository({ 'wrangler.toml': WIDER })
    const { stdout } = await runHere([
      'ci',
      '--base',
      'main',
      '--json',
      '--config',
      join(at, 'wrangler.toml'),
    ])
    const { passed, steps } = JSON.parse(stdout)
    expect(passed).toBe(false)
    expect(
      steps.map(({ name, result }: Readonly<Record<string, string>>) => [name, result]),
    ).toEqual([
      ['check', 'passed'],
      ['test', 'passed'],
      ['diff against main', 'failed'],
    ])
    expect(steps[2].report).toMatchObject({ widens: true })
  })
})
