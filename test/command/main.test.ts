import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { render } from '../../src/command/base/output.ts'
import { printable } from '../../src/gate/base/text.ts'
import { ROOT } from '../kit/repository.ts'
import { folder, PARTS, run, runHere, toml, write } from './kit.ts'
import { close, listen } from './recording-gate.ts'

const directory = await folder()

describe('the command', () => {
  it.each([
    [[], 'Usage: edgewarden'],
    [['nope'], "unknown command 'nope'"],
    [['nope', '--evn'], '(see: npx edgewarden --help)'],
    [
      ['check', '--evn', 'a'],
      "unknown option '--evn' (Did you mean --env?) (see: npx edgewarden check --help;",
    ],
    [['revoke', 'token', '-a', '--gate', 'https://a.dev'], 'begins with - comes last, after --)'],
  ])('cannot tell when used so: %j', async (args, message) => {
    const { code, stdout, stderr } = await run(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('    at ')
  })

  it('takes no more arguments than there are', async () => {
    const args = ['revoke', 'agent', 'a', 'b', '--gate', 'https://a.dev']
    await expect(runHere(args)).rejects.toThrow('too many arguments')
  })

  it('says which version it is', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it('helps by an example', async () => {
    const { code, stdout, stderr } = await run(['explain', '--help'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('--json')
    expect(stdout).toContain('Example:\n  npx edgewarden explain ')
    expect(stdout).toContain('Other users of this machine can see a token')
  })

  it('answers wrong usage as JSON where JSON is asked for', async () => {
    const { code, stdout, stderr } = await run(['mint', '--json'])
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toEqual({ error: expect.stringContaining('--key') })
    expect(stderr).toBe('')
  })

  it('checks a file: yes, no, cannot tell', async () => {
    const good = await write(directory, 'good.toml', toml())
    const bad = await write(directory, 'bad.toml', toml({ gate: '' }))
    const [yes, no, unknown] = await Promise.all([
      run(['check', good]),
      run(['check', bad]),
      run(['check', join(directory, 'none.toml'), '--json']),
    ])
    expect(yes).toMatchObject({ code: 0, stderr: '' })
    expect(yes.stdout).toContain('valid: 1 rule')
    expect(no).toMatchObject({ code: 1, stdout: '' })
    expect(no.stderr).toContain('GATE.resource: is required')
    expect(unknown).toMatchObject({ code: 2, stderr: '' })
    expect(JSON.parse(unknown.stdout)).toMatchObject({ error: expect.any(String) })
  })

  it('ends without a stack trace when nobody reads what it says', async () => {
    const child = spawn(process.execPath, [inject('command'), 'check', '--help'])
    child.stdout.destroy()
    const [stderr, code] = await Promise.all([
      textOf(child.stderr),
      new Promise<number | null>((closed) => child.once('close', closed)),
    ])
    expect([code, stderr]).toEqual([2, ''])
  })

  it.each([
    ['yes', {}, 0],
    ['no', { gate: '' }, 1],
  ])('answers %s where nobody reads what is said beside it', async (_, changes, code) => {
    const objects = PARTS.objects.replace(/\[triggers\].*/s, '')
    const file = await write(directory, 'unread.toml', toml({ ...changes, objects }))
    const child = spawn(process.execPath, [inject('command'), 'check', file])
    child.stderr.destroy()
    child.stdout.resume()
    expect(await new Promise((closed) => child.once('close', closed))).toBe(code)
  })

  it('lets nothing that a gate says act on the terminal', async () => {
    const { server, origin: gate } = await listen((_, response) => {
      response.writeHead(403, { 'content-type': 'application/problem+json' })
      response.end(JSON.stringify({ title: '\u001b[2Jno\n\u202eyes', code: '\u009b1m' }))
    })
    afterAll(() => close(server))
    const env = { EDGEWARDEN_TOKEN: 't' }
    const people = await run(['list', '--gate', gate], env)
    expect(people).toMatchObject({ code: 1, stdout: '' })
    expect(people.stderr).toBe('The gate refused: \\u001b[2Jno\\u000a\\u202eyes (\\u009b1m, 403)\n')
  })
})

describe('output', () => {
  it.each([
    ['plain é 漢', 'plain é 漢'],
    ['a\tb\r\n', 'a\\u0009b\\u000d\\u000a'],
    ['\u007f\u0085\u2028\u200b', '\\u007f\\u0085\\u2028\\u200b'],
    ['\ud800', '\\ud800'],
    ['\u{e0041}', '\\udb40\\udc41'],
    ['a\u2800\ue000\ufdd0 e\u0301', 'a\\u2800\\ue000\\ufdd0 e\u0301'],
  ])('shows %j as %s', (text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  it('is the same document after escaping', () => {
    const json = { 'k\u009b': ['\u{e0041}', '\u202e', '\n', 'x'] }
    const { stdout } = render({ exitCode: 0, json, out: [], err: [] }, true)
    expect(JSON.parse(stdout)).toEqual(json)
    for (const char of '\u009b\u{e0041}\u202e') expect(stdout).not.toContain(char)
  })
})
