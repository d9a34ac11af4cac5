import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { parse } from 'yaml'
import { init } from '../../src/command/install/init.ts'
import { ROOT } from '../kit/repository.ts'
import { folder } from './kit.ts'
import { close, listen } from './recording-gate.ts'
import { repository as create, execute, git, NARROWER, WIDER } from './repository.ts'

const directory = await folder()
/** A repository whose project has the command installed, which is not to be told the token. */
const repository = async (change: Readonly<Record<string, string>>) => {
  const at = await create(directory, change)
  const bin = join(at, 'node_modules/.bin')
  await mkdir(bin, { recursive: true })
  const env = `if [ -n "\${GITHUB_TOKEN:-}" ]; then echo 'the token is told'; exit 9; fi`
  const command = `exec "${process.execPath}" "${inject('command')}" "$@"`
  await writeFile(join(bin, 'edgewarden'), `#!/bin/sh\n${env}\n${command}\n`)
  await chmod(join(bin, 'edgewarden'), 0o755)
  await writeFile(join(at, 'package.json'), '{}')
  return at
}

const ENV = { PATH: process.env.PATH, NO_COLOR: '1', HOME: directory }
const started = async (
  file: string,
  args: readonly string[],
  options: { cwd: string; env: object },
) => {
  const env = { ...ENV, ...options.env } as NodeJS.ProcessEnv
  const run = execute(file, args, { ...options, env }).then((done) => ({ code: 0, ...done }))
  return run.catch((error: { code: number; stdout: string; stderr: string }) => error)
}

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
    const values: Readonly<Record<string, string>> = {
      'github.token': 'ghs_t',
      'github.event.pull_request.base.sha': await git(at, 'rev-parse', 'main'),
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
    await writeFile(join(at, 'wrangler.toml'), NARROWER)
    expect(await act(at)).toMatchObject({ code: 0, stderr: '' })
    expect(comments).toHaveLength(1)
    expect(comments[0]?.body).toContain('### Edgewarden: The policy is fine')
    expect(comments[0]?.body).toContain('    Access does not widen.')
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
    await git(at, 'commit', '-qam', 'wider')
    await git(at, 'config', 'uploadpack.allowAnySHA1InWant', 'true')
    const clone = join(directory, 'clone')
    await git(at, 'clone', '-q', '--depth=1', '--branch', 'change', `file://${at}`, clone)
    await execute('cp', ['-r', join(at, 'node_modules'), clone])
    const base = await git(at, 'rev-parse', 'main')
    await expect(git(clone, 'cat-file', '-e', base)).rejects.toThrow()
    await git(clone, 'branch', 'main')
    const { code, stdout } = await act(clone, { base, comment: 'false' })
    expect(stdout).toContain('gains: tokens of acme without a scope may now call POST /b')
    expect(code).toBe(1)
  })
})

describe('the workflow of a new project', () => {
  /** Runs its step as a runner would; without a base for a push. */
  const act = async (base: string) => {
    const at = await repository({ 'wrangler.toml': WIDER })
    const path = join(at, 'node_modules/new')
    await init(
      path,
      {
        resource: 'https://api.acme.dev',
        issuer: 'https://auth.acme.dev',
        origin: 'https://origin.acme.dev',
      },
      {},
    )
    const { jobs } = parse(await readFile(join(path, '.github/workflows/gate.yml'), 'utf8'))
    const steps: { run?: string; with?: object; env?: Readonly<Record<string, string>> }[] =
      jobs.gate.steps
    expect(steps[0]?.with).toEqual({ 'fetch-depth': 0 })
    const step = steps.find(({ run = '' }) => run.includes('edgewarden ci'))
    expect(step?.env).toEqual({ BASE: `\${{ github.event.pull_request.base.sha }}` })
    const summary = join(at, 'node_modules/summary.md')
    const env = { BASE: base, GITHUB_STEP_SUMMARY: summary }
    const args = ['-e', '-o', 'pipefail', '-c', step?.run ?? '']
    const { code, stderr } = await started('bash', args, { cwd: at, env })
    return { code, stderr, summary: await readFile(summary, 'utf8') }
  }

  it('shows who gains by a pull request', async () => {
    const { code, stderr, summary } = await act('main')
    expect([code, stderr]).toEqual([0, ''])
    expect(summary).toContain('gains: tokens of acme without a scope may now call POST /b')
    expect(summary).toContain('test: passed')
  })

  it('checks and tests what is pushed', async () => {
    const { code, stderr, summary } = await act('')
    expect([code, stderr]).toEqual([0, ''])
    expect(summary).toContain('test: passed')
    expect(summary).not.toContain('gains')
  })
})
