import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { describe, expect, inject, it } from 'vitest'
import { type ExplainOptions, explain } from '../../../src/command/operate/explain.ts'
import { around, explainSetting, NOW, RESOURCE } from './explain-kit.ts'
import { run, write } from './kit.ts'

const { directory, config, jwks, token, ask } = await explainSetting()

describe('the token', () => {
  it('comes from a file or standard input, and is shown nowhere', async () => {
    const given = await token()
    const file = await write(directory, 'token.txt', `${given}\n`)
    for (const [from, stdin] of [
      [`@${file}`, ''],
      ['-', `${given}\r\n`],
      [given, ''],
    ] as const) {
      const outcome = await ask('GET', '/a/7', { token: from }, stdin)
      expect(outcome.exitCode).toBe(0)
      for (const part of given.split('.')) expect(JSON.stringify(outcome)).not.toContain(part)
    }
  })

  it.each([
    ['a file that is not there', '@none', '', 'there is no such file'],
    ['nothing', '', '', 'is not one token'],
    ['nothing on standard input', '-', '\n', 'standard input is not one token'],
    ['two words', 'Bearer secret-token', '', 'without the word Bearer'],
    ['lines', '-', 'secret\ntoken', 'is not one token'],
    ['what no header can hold', 'secret…', '', 'is not one token'],
  ])('is not %s', async (_, given, stdin, message) => {
    const outcome = await ask('GET', '/a/7', { token: given }, stdin)
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err.join()).toContain(message)
    expect(JSON.stringify(outcome)).not.toContain('secret')
  })
})

describe('what cannot be told', () => {
  const url = `${RESOURCE}/a/7`
  it.each<[string, string, string, ExplainOptions, string]>([
    ['a method of two words', 'GET /a', url, {}, 'METHOD must be one word'],
    ['a path alone', 'GET', '/a/7', {}, 'URL must be whole'],
    ['a token for a URL', 'GET', 'secret.secret.secret', {}, 'URL must be whole'],
    ['a fragment', 'GET', `${url}#x`, {}, 'a fragment is never sent'],
    ['a header without a value', 'GET', url, { header: ['secret'] }, '"name: value"'],
    ['a header of two lines', 'GET', url, { header: ['x: secret\nb'] }, 'the value of x'],
    [
      'two credentials',
      'GET',
      url,
      { token: 'secret', header: ['Authorization: secret'] },
      'not both',
    ],
    [
      'the key of a caller without a gate',
      'GET',
      url,
      { key: 'k' },
      '--key is for a call of a gate',
    ],
    [
      'a caller without a gate',
      'GET',
      url,
      { tokenFile: 'f' },
      '--token-file is for a call of a gate',
    ],
    [
      'a file and a gate',
      'GET',
      url,
      { gate: RESOURCE, config },
      '--config is for decisions by a file',
    ],
    ['keys and a gate', 'GET', url, { gate: RESOURCE, jwks }, '--jwks is for decisions by a file'],
    ['plain http to a gate', 'GET', url, { gate: 'http://x.dev' }, '--gate must be https'],
    ['a gate without a token', 'GET', url, { gate: RESOURCE }, 'No token: give --key FILE'],
  ])('is %s', async (_, method, given, options, message) => {
    const offline = options.gate === undefined ? { config, jwks } : {}
    const outcome = await explain(method, given, { ...offline, ...options }, around())
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err.join()).toContain(message)
    expect(JSON.stringify(outcome)).not.toContain('secret')
  })
})

describe('the command', () => {
  it('reads the token from standard input', async () => {
    const args = ['explain', 'GET', `${RESOURCE}/a/7`, '--config', config, '--jwks', jwks]
    const { stdout, code } = await piped(
      [...args, '--at', String(NOW), '--token', '-'],
      await token(),
    )
    expect(stdout).toContain('Allowed by the rule "GET /a/{id}"')
    expect(code).toBe(0)
  })

  it('does not repeat what is given to a misspelt option', async () => {
    const { code, stderr } = await run(['explain', 'GET', RESOURCE, '--tokn=secret'])
    expect(code).toBe(2)
    expect(stderr).toContain("unknown option '--tokn'")
    expect(stderr).not.toContain('secret')
  })
})

const piped = (args: readonly string[], stdin: string) =>
  new Promise<{ readonly code: number; readonly stdout: string }>((done) => {
    const command = [inject('command'), ...args]
    const child = execFile(process.execPath, command, { cwd: tmpdir() }, (error, stdout) =>
      done({ code: Number(error?.code ?? 0), stdout }),
    )
    child.stdin?.end(stdin)
  })
