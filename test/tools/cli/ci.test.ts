import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { parse } from 'yaml'
import { ROOT } from '../../kit/repository.ts'
import { environmentToml, folder, PARTS, toml } from './kit.ts'
import { close, listen } from './recording-gate.ts'

const directory = await folder()
const execute = promisify(execFile)
const RULE = '[[vars.ROUTES]]\nmatch = "POST /b"\nscopes = ["b:write"]'
const POLICY = toml({ route: `${PARTS.route}\n${RULE}`, gate: PARTS.gate })
const CASES = `[[case]]
name = "a reader reads"
request = "GET /a"
claims = { scope = "a:read" }
expect = { decision = "allowed" }
`

let count = 0
/** A repository with a policy, its tests and the command, as it is on main; and what is changed on a branch. */
const repository = async (
  change: Readonly<Record<string, string>>,
  first = { 'wrangler.toml': POLICY },
) => {
  const at = join(directory, `repository-${count++}`)
  await mkdir(join(at, 'tests'), { recursive: true })
  await mkdir(join(at, 'node_modules/.bin'), { recursive: true })
  const bin = join(at, 'node_modules/.bin/edgewarden')
  const env = `if [ -n "\${GITHUB_TOKEN:-}" ]; then echo 'the token is told'; exit 9; fi`
  await writeFile(
    bin,
    `#!/bin/sh\n${env}\nexec "${process.execPath}" "${inject('command')}" "$@"\n`,
  )
  await chmod(bin, 0o755)
  const write = async (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(at, name), text)
  }
  const git = (...args: string[]) =>
    execute('git', ['-c', 'user.name=t', '-c', 'user.email=t@t.dev', ...args], { cwd: at })
  await write({
    ...first,
    'tests/policy.test.toml': CASES,
    'package.json': '{}',
    '.gitignore': 'node_modules\n',
  })
  await git('init', '-q', '-b', 'main')
  await git('add', '-A')
  await git('commit', '-qm', 'first')
  await git('switch', '-qc', 'change')
  await write(change)
  return at
}

const ENV = { PATH: process.env.PATH, NO_COLOR: '1', HOME: directory }
const started = async (
  file: string,
  args: readonly string[],
  options: { cwd: string; env?: object },
) => {
  const env = { ...ENV, ...options.env } as NodeJS.ProcessEnv
  const run = execute(file, args, { ...options, env }).then((done) => ({ code: 0, ...done }))
  return run.catch((error: { code: number; stdout: string; stderr: string }) => error)
}
const ci = (cwd: string, ...args: string[]) =>
  started(process.execPath, [inject('command'), 'ci', ...args], { cwd })

const WIDER = POLICY.replace('scopes = ["b:write"]', 'scopes = []')

describe('a pipeline', () => {
  it('fails where access widens, and says who gains', async () => {
    const at = await repository({ 'wrangler.toml': WIDER })
    const { code, stdout } = await ci(at, '--base', 'main', '--report', 'github')
    expect(code).toBe(1)
    expect(stdout).toContain('check: passed')
    expect(stdout).toContain('test: passed')
    expect(stdout).toContain('diff against main: failed')
    expect(stdout).toContain('gains: tokens of acme without a scope may now call POST /b')
    expect(stdout).toMatch(/^::error file=wrangler.toml,line=1,title=diff against main::gains: /m)
    const allowed = await ci(at, '--base', 'main', '--allow-widening')
    expect(allowed).toMatchObject({ code: 0, stdout: expect.stringContaining('failed, allowed') })
    expect(await ci(at)).toMatchObject({ code: 0 })
  })

  it('passes a harmless change', async () => {
    const at = await repository({
      'wrangler.toml': POLICY.replace('["b:write"]', '["b:write", "b:more"]'),
    })
    const { code, stdout } = await ci(at, '--base', 'main')
    expect(stdout).toContain('Access does not widen.')
    expect(code).toBe(0)
  })

  it('compares each environment, and a new one with nothing', async () => {
    const before = toml({ more: environmentToml('staging') })
    const after = before.replace(/("GET \/a"\nscopes = \[)"a:read"(\]\s*$)/, '$1$2')
    const at = await repository({ 'wrangler.toml': after }, { 'wrangler.toml': before })
    const { code, stdout } = await ci(at, '--base', 'main')
    expect(stdout).toContain(
      'env staging: gains: tokens of acme without a scope may now call GET /a',
    )
    expect(code).toBe(1)
    const one = await repository({ 'wrangler.toml': before }, { 'wrangler.toml': toml() })
    const added = await ci(one, '--base', 'main')
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('env staging is new') })
  })

  it('neither tests nor compares a policy with a mistake', async () => {
    const at = await repository({ 'wrangler.toml': POLICY.replace('"POST /b"', '"POST b"') })
    const { code, stdout } = await ci(at, '--base', 'main', '--report', 'github')
    expect(code).toBe(1)
    expect(stdout).toContain('test: not run')
    expect(stdout).toMatch(/^::error file=wrangler.toml,line=1,title=check::ROUTES\[1\]/m)
  })

  it('fails with a case, and shows it at its place', async () => {
    const at = await repository({ 'tests/policy.test.toml': CASES.replace('allowed', 'denied') })
    const { code, stdout } = await ci(at, '--base', 'main', '--report', 'github')
    expect(code).toBe(1)
    expect(stdout).toContain(
      '::error file=tests/policy.test.toml,line=1,title=a reader reads::decision',
    )
  })

  it.each([
    [
      'a commit that is not there',
      ['--base', 'nowhere'],
      'git knows no commit nowhere here; fetch it first',
    ],
    ['an option in its place', ['--base', '--all'], 'git knows no commit --all here'],
  ])('cannot tell with %s', async (_, args, message) => {
    const at = await repository({})
    const { code, stderr } = await ci(at, ...args)
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })

  it('has nothing to compare a first policy with', async () => {
    const at = await repository({ 'new.toml': POLICY })
    const { code, stdout } = await ci(at, '--base', 'main', '--config', 'new.toml')
    expect([code, stdout]).toEqual([0, expect.stringContaining('the commit has no such file')])
  })

  it('answers as one document', async () => {
    const at = await repository({ 'wrangler.toml': WIDER })
    const { stdout } = await ci(at, '--base', 'main', '--json')
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

interface Comment {
  readonly id: number
  readonly user: { readonly login: string }
  body: string
}

describe('the action', () => {
  const comments: Comment[] = []
  const asked: string[] = []
  let isReadOnly = false
  let api: Awaited<ReturnType<typeof listen>>
  beforeAll(async () => {
    api = await listen(async (request: IncomingMessage, response) => {
      const { method, url = '' } = request
      asked.push(`${method} ${url} ${request.headers.authorization}`)
      if (method === 'GET') {
        const page = Number(new URL(url, 'http://x').searchParams.get('page'))
        response.end(JSON.stringify(comments.slice((page - 1) * 100, page * 100)))
        return
      }
      const { body } = JSON.parse(await textOf(request))
      response.statusCode = isReadOnly ? 403 : 200
      const id = Number(url.split('/').at(-1))
      const old = comments.find((one) => one.id === id)
      if (!isReadOnly && old) old.body = body
      if (!isReadOnly && !old) {
        comments.push({ id: comments.length + 1, user: { login: 'github-actions[bot]' }, body })
      }
      response.end('{}')
    })
  })
  afterAll(() => close(api.server))

  /** Runs the steps of action.yml as a runner would, for a pull request. */
  const act = async (at: string, inputs: Readonly<Record<string, string>> = {}) => {
    const { inputs: declared, runs } = parse(await readFile(join(ROOT, 'action.yml'), 'utf8'))
    expect(runs.using).toBe('composite')
    const base = await execute('git', ['rev-parse', 'main'], { cwd: at })
    const values: Readonly<Record<string, string>> = {
      'github.token': 'ghs_t',
      'github.event.pull_request.base.sha': base.stdout.trim(),
      'github.event.pull_request.number': '7',
    }
    const filled = (text: string): string =>
      text.replace(/\$\{\{ (.*?) \}\}/g, (_, terms: string) => {
        const found = terms.split(' || ').map((term) => {
          const [, input] = /^inputs\.(.*)$/.exec(term) ?? []
          if (input === undefined) return values[term] ?? expect.fail(term)
          expect(declared).toHaveProperty([input])
          return inputs[input] ?? filled(declared[input].default)
        })
        return found.find((one) => one !== '') ?? ''
      })
    const [step, ...others] = runs.steps
    expect(others).toEqual([])
    const given = Object.entries(step.env as Readonly<Record<string, string>>)
    const env = {
      ...Object.fromEntries(given.map(([name, value]) => [name, filled(value)])),
      GITHUB_ACTION_PATH: ROOT,
      GITHUB_API_URL: api.origin,
      GITHUB_REPOSITORY: 'acme/api',
      GITHUB_STEP_SUMMARY: join(at, 'node_modules/summary.md'),
    }
    const cwd = join(at, filled(step['working-directory']))
    const done = await started('bash', ['-e', '-o', 'pipefail', '-c', step.run], { cwd, env })
    return { ...done, summary: await readFile(env.GITHUB_STEP_SUMMARY, 'utf8').catch(() => '') }
  }

  it('fails a widening change, says who gains, and comments once', async () => {
    const at = await repository({ 'wrangler.toml': WIDER })
    const first = await act(at)
    expect(first).toMatchObject({ code: 1, stderr: '' })
    expect(first.summary).toContain('gains: tokens of acme without a scope may now call POST /b')
    expect(comments).toHaveLength(1)
    expect(comments[0]?.body).toMatch(
      /^<!-- edgewarden-policy -->\n### Edgewarden: The policy needs/,
    )
    expect(comments[0]?.body).toContain('    gains: tokens of acme without a scope')
    expect(asked).toContain('POST /repos/acme/api/issues/7/comments Bearer ghs_t')
    await writeFile(join(at, 'wrangler.toml'), POLICY)
    expect(await act(at)).toMatchObject({ code: 0, stderr: '' })
    expect(comments).toHaveLength(1)
    expect(comments[0]?.body).toContain('### Edgewarden: The policy is fine')
    expect(comments[0]?.body).toContain('Nothing changes.')
  })

  it('writes over nobody else, however many there are', async () => {
    const forged = { id: 1, user: { login: 'mallory' }, body: '<!-- edgewarden-policy --> fine' }
    const others = Array.from({ length: 120 }, (_, i) => ({ ...forged, id: i + 1 }))
    comments.splice(0, comments.length, ...others)
    const at = await repository({ 'wrangler.toml': WIDER })
    await act(at)
    await act(at, {
      'allow-widening': 'true',
      'min-coverage': '50',
      tests: 'tests/policy.test.toml',
    })
    expect(comments).toHaveLength(121)
    expect(comments[120]?.body).toContain('failed, allowed')
    expect(comments.slice(0, 120)).toEqual(others)
  })

  it('needs no permission to fail', async () => {
    isReadOnly = true
    const at = await repository({ 'wrangler.toml': WIDER })
    const { code, stdout } = await act(at)
    expect(code).toBe(1)
    expect(stdout).toContain('::notice title=edgewarden::The comment could not be written')
    asked.splice(0)
    expect(await act(at, { comment: 'false' })).toMatchObject({ code: 1 })
    expect(asked).toEqual([])
  })

  it('fetches the base of a shallow clone', async () => {
    const at = await repository({ 'wrangler.toml': WIDER })
    await execute(
      'git',
      ['-c', 'user.name=t', '-c', 'user.email=t@t.dev', 'commit', '-qam', 'wider'],
      { cwd: at },
    )
    const clone = join(directory, 'clone')
    await execute('git', ['clone', '-q', '--depth=1', '--branch', 'change', `file://${at}`, clone])
    await execute('cp', ['-r', join(at, 'node_modules'), clone])
    const base = (await execute('git', ['rev-parse', 'main'], { cwd: at })).stdout.trim()
    await execute('git', ['branch', 'main'], { cwd: clone })
    await execute('git', ['config', 'uploadpack.allowAnySHA1InWant', 'true'], { cwd: at })
    const { code, stdout } = await act(clone, { base, comment: 'false' })
    expect(stdout).toContain('gains: tokens of acme without a scope may now call POST /b')
    expect(code).toBe(1)
  })
})
