import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, describe, expect, it } from 'vitest'
import { printable, render } from '../../src/cli/output.ts'
import { ROOT } from '../kit/repository.ts'
import { folder, PARTS, run, toml, write } from './kit.ts'
import { close, listen } from './recording-gate.ts'

const directory = await folder()

describe('the command', () => {
  it.each(['check', 'routes', 'explain', 'doctor', 'keygen', 'mint', 'revoke', 'lift', 'list'])(
    'helps with %s, by an example',
    async (name) => {
      const { code, stdout, stderr } = await run([name, '--help'])
      expect(code).toBe(0)
      expect(stdout).toContain(`Example:\n  npx edgewarden ${name}`)
      expect(stdout).toContain('--json')
      expect(stderr).toBe('')
    },
  )

  it.each([
    [[], 'Usage: edgewarden'],
    [['nope'], "unknown command 'nope'"],
    [['mint'], "required option '--key <file>' not specified"],
    [['check', '--nope'], "unknown option '--nope'"],
    [['check', '--evn', 'a'], "unknown option '--evn' (Did you mean --env?) (see: "],
    [['check', 'a', 'b'], 'too many arguments'],
    [['revoke', 'x', 'y', '--gate', 'https://a.dev'], 'Allowed choices are token'],
    [['revoke', '--gate', 'https://a.dev'], "missing required argument 'kind'"],
    [['revoke', '--kind', 'agent', '--gate', 'https://a.dev'], "unknown option '--kind'"],
    [['revoke', 'agent', 'a', 'b', '--gate', 'https://a.dev'], 'too many arguments'],
    [['revoke', 'agent', '--gate', 'https://a.dev'], '--issuer is missing'],
    [['list', '--gate', 'https://a.dev', '--kind', 'x'], 'Allowed choices are token'],
  ])('cannot tell when used so: %j', async (args, message) => {
    const { code, stdout, stderr } = await run(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('    at ')
  })

  it('says which version it is', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
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
    const yes = await run(['check', good])
    expect(yes).toMatchObject({ code: 0, stderr: '' })
    expect(yes.stdout).toContain('valid: 1 rule')
    const no = await run(['check', bad])
    expect(no).toMatchObject({ code: 1, stdout: '' })
    expect(no.stderr).toContain('GATE.resource: is required')
    const unknown = await run(['check', join(directory, 'none.toml')])
    expect(unknown).toMatchObject({ code: 2, stdout: '' })
    const json = await run(['check', bad, '--json'])
    expect(json).toMatchObject({ code: 1, stderr: '' })
    expect(JSON.parse(json.stdout)).toMatchObject({ valid: false })
  })

  it('ends without a stack trace when nobody reads what it says', async () => {
    const child = spawn(process.execPath, [join(ROOT, 'src/cli/main.ts'), 'check', '--help'])
    child.stdout.destroy()
    const [stderr, code] = await Promise.all([
      textOf(child.stderr),
      new Promise<number | null>((closed) => child.once('close', closed)),
    ])
    expect([code, stderr]).toEqual([2, ''])
  })

  it.each([
    ['check', ['FILE'], {}, 0],
    ['diff', ['FILE', 'FILE'], {}, 0],
    ['check', ['FILE'], { gate: '' }, 1],
  ])('answers where nobody reads what is said beside it: %s', async (name, args, changes, code) => {
    const objects = PARTS.objects.replace(/\[triggers\].*/s, '')
    const file = await write(directory, 'unread.toml', toml({ ...changes, objects }))
    const given = [name, ...args.map((one) => one.replace('FILE', file))]
    const child = spawn(process.execPath, [join(ROOT, 'src/cli/main.ts'), ...given])
    child.stderr.destroy()
    child.stdout.resume()
    expect(await new Promise((closed) => child.once('close', closed))).toBe(code)
  })

  it('makes a key and signs with it', async () => {
    const out = join(directory, 'ops.jwk')
    const made = await run(['keygen', '--issuer', 'ops', '--out', out])
    expect(made.code).toBe(0)
    expect(made.stdout).toMatch(/^\[vars\.ISSUERS\.ops\]\n/)
    const { d } = JSON.parse(await readFile(out, 'utf8')) as { d: string }
    expect(made.stdout + made.stderr).not.toContain(d)
    const args = ['mint', '--key', out, '--audience', 'https://a.dev', '--claim', 'a=1']
    const signed = await run([...args, '--claim', 'b=2', '--json'])
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(signed.stdout)).toMatchObject({ claims: { a: 1, b: 2 } })
    expect((await run(['keygen', '--issuer', 'ops', '--out', out])).code).toBe(2)
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
    expect(people.stderr).toBe('The gate said no: \\u001b[2Jno\\u000a\\u202eyes (\\u009b1m, 403)\n')
    const json = await run(['list', '--gate', gate, '--json'], env)
    for (const char of '\u001b\u009b\u202e') expect(json.stdout).not.toContain(char)
    expect(JSON.parse(json.stdout)).toMatchObject({ problem: { code: '\u009b1m' } })
  })
})

describe('output', () => {
  it.each([
    ['plain é 漢', 'plain é 漢'],
    ['a\tb\r\n', 'a\\u0009b\\u000d\\u000a'],
    ['\u007f\u0085\u2028\u200b', '\\u007f\\u0085\\u2028\\u200b'],
    ['\ud800', '\\ud800'],
    ['\u{e0041}', '\\udb40\\udc41'],
  ])('shows %j as %s', (text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  it('is the same document after escaping', () => {
    const json = { 'k\u009b': ['\u{e0041}', '\u202e', '\n', 'x'] }
    const { stdout } = render({ exitCode: 0, json, out: [], err: [] }, true)
    expect(JSON.parse(stdout)).toEqual(json)
  })
})
