import { beforeEach, describe, expect, it } from 'vitest'
import { render } from '../../../src/command/base/output.ts'
import { type ExplainOptions, explain } from '../../../src/command/operate/explain.ts'
import { type Reply, recordingGate } from './recording-gate.ts'

const { origin: gate, requests, state } = await recordingGate()

const URL_ASKED = 'https://api.acme.dev/a/%2e%2e?x=1'
const around = {
  env: { EDGEWARDEN_TOKEN: 'token.of.caller' },
  now: () => 0,
  stdin: async () => 'token.of.agent',
}

const STEP = { stage: 'route', outcome: 'passed', detail: { path: '/a' } }
const explanation = (changes: object): Reply => ({
  status: 200,
  body: { allowed: true, mode: 'enforce', steps: [STEP], ...changes },
})
const denied = (denial: object, detail: object = {}) =>
  explanation({
    allowed: false,
    denial,
    steps: [STEP, { stage: 'scope', outcome: 'denied', detail: { code: 'x', ...detail } }],
  })
const problem = (status: number, code: string): Reply => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: { title: 'Not so', code, status, hint: 'Do this' },
})

const ask = (options: ExplainOptions = {}) =>
  explain('GET', URL_ASKED, { gate, ...options }, around)

describe('a running gate', () => {
  beforeEach(() => {
    state.answer = () => explanation({ route: { match: 'GET /a' } })
  })

  it('is asked once, with the token of the caller and the request as it was given', async () => {
    expect(await ask({ token: '-', header: ['X-Run: 7', 'x-run: 8'] })).toEqual({
      exitCode: 0,
      json: { allowed: true, mode: 'enforce', steps: [STEP], route: { match: 'GET /a' } },
      out: ['✓ route  path=/a', '', 'Allowed by the rule "GET /a"'],
      err: [],
    })
    expect(requests).toEqual([
      {
        method: 'POST',
        url: '/.edgewarden/explain',
        authorization: 'Bearer token.of.caller',
        body: {
          token: 'token.of.agent',
          method: 'GET',
          url: URL_ASKED,
          headers: { 'x-run': '7, 8' },
        },
      },
    ])
  })

  it('is asked under its prefix, about a request without a token', async () => {
    await ask({ prefix: '/ops/gate' })
    expect(requests[0]).toMatchObject({ url: '/ops/gate/explain' })
    expect(requests[0]?.body).not.toHaveProperty('token')
  })
})

describe('what it answers', () => {
  const title = 'Too little'
  it.each<[string, Reply, number, ...string[]]>([
    [
      'a denial',
      denied({ code: 'scope_missing', status: 403, title, required_scopes: ['a', 'b'], hint: 'H' }),
      1,
      'Denied: Too little (scope_missing, 403)',
      'Scopes it needs, all of them: a b',
      'What to do: H',
    ],
    [
      'a denial with a note',
      denied({ code: 'key_unknown', status: 401, title, hint: 'H' }, { note: 'N' }),
      1,
      'Denied: Too little (key_unknown, 401)',
      'What to do: H',
      'Note: N',
    ],
    [
      'a line that could not decide',
      denied({ code: 'keys_unavailable', status: 503, title, hint: 'H' }),
      2,
      'Cannot tell: Too little (keys_unavailable, 503)',
      'What to do: H',
    ],
    ['another trouble', denied({ code: 'new', status: 507, title }), 2, 'Cannot tell: Too little'],
  ])('is %s', async (_, reply, exitCode, ...lines) => {
    state.answer = () => reply
    const outcome = await ask()
    expect(outcome).toMatchObject({ exitCode, err: [] })
    for (const line of lines) {
      expect(outcome.out).toContainEqual(expect.stringMatching(new RegExp(`^${escaped(line)}`)))
    }
    expect(Object.hasOwn(outcome.json as object, 'error')).toBe(exitCode === 2)
  })

  it('is stages and code where the caller may not see more', async () => {
    state.answer = () => ({
      status: 200,
      body: {
        allowed: false,
        denial: { code: 'revocations_unavailable' },
        steps: [{ stage: 'revocation', outcome: 'denied' }],
      },
    })
    expect(await ask()).toMatchObject({
      exitCode: 2,
      out: [
        '✗ revocation',
        '',
        'Cannot tell: revocations_unavailable',
        expect.stringMatching(/^No more is shown: /),
      ],
    })
  })

  it.each<[string, Reply, string]>([
    [
      'no to the caller',
      problem(403, 'scope_missing'),
      'No explanation: the gate refused the call',
    ],
    ['that it does not understand', problem(400, 'explain_invalid'), 'No explanation: the gate'],
    ['something else', { status: 200, body: { steps: [] } }, 'without an explanation'],
    ['steps that are none', { status: 200, body: { allowed: true } }, 'without an explanation'],
    ['no object', { status: 200, body: [] }, 'not as a gate does'],
  ])('cannot be told by %s', async (_, reply, message) => {
    state.answer = () => reply
    const outcome = await ask()
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err.join('\n')).toContain(message)
    expect(outcome.json).toHaveProperty('error')
  })

  it('cannot be told where no gate is', async () => {
    const outcome = await ask({ gate: 'http://127.0.0.1:1' })
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err).toEqual([expect.stringContaining('cannot be reached')])
  })

  it('does not act on the terminal, in whatever form it comes', async () => {
    const hostile = '\u001b[2J\u202e\n'
    state.answer = () =>
      explanation({
        agent: { name: hostile, issuer: hostile },
        route: { match: hostile },
        steps: [
          { stage: hostile, outcome: 'passed', detail: { [hostile]: hostile, list: [hostile] } },
        ],
      })
    const outcome = await ask()
    expect(outcome.exitCode).toBe(0)
    const { stdout } = render(outcome, false)
    expect(stdout.split('\n')).toHaveLength(4)
    for (const char of '\u001b\u202e') expect(stdout).not.toContain(char)
    const strange = { allowed: false, denial: [hostile], route: 7, steps: [7, null, { detail: 7 }] }
    state.answer = () => ({ status: 200, body: strange })
    expect(await ask()).toMatchObject({ exitCode: 1, err: [] })
  })
})

const escaped = (text: string): string => text.replace(/[()]/g, '\\$&')
