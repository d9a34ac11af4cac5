import { describe, expect, it } from 'vitest'
import { explain } from '../../../src/command/operate/explain.ts'
import { around, explainSetting, ISSUER_TABLE, NOW, RESOURCE } from './explain-kit.ts'
import { toml, write } from './kit.ts'
import { recordingGate } from './recording-gate.ts'

const setting = await explainSetting()
const RULE = [
  '[[vars.ROUTES]]',
  'match = "GET,POST /mcp"',
  'scopes = ["a:read"]',
  'mcp = { tools = { get_weather = [], risky = { scopes = ["b:write"], when = "arguments.amount < 1.0" } } }',
].join('\n')
const config = await write(
  setting.directory,
  'mcp.toml',
  toml({ issuer: ISSUER_TABLE, route: RULE }),
)
const token = await setting.token()

const ask = (mcp: string | undefined, method = 'POST', path = '/mcp') =>
  setting.ask(method, path, { config, token, ...(mcp !== undefined && { mcp }) })

describe('what is asked of an MCP server', () => {
  it('is explained by the file', async () => {
    const allowed = await ask('{"method":"tools/call","name":"get_weather"}')
    expect(allowed).toMatchObject({ exitCode: 0, err: [] })
    expect(allowed.out.join('\n')).toMatch(/✓ mcp_access +uses="tools: get_weather"/)
    expect(allowed.out.join('\n')).not.toContain('Note:')
    const refused = await ask('{"method":"tools/call","name":"other"}')
    expect(refused.exitCode).toBe(1)
    expect(refused.out).toContain(
      'Denied: This tool may not be called here (tool_not_allowed, 403)',
    )
    const missing = await ask(
      '{"method":"tools/call","name":"risky","arguments":{"amount":0.5},"revision":"2025-06-18"}',
    )
    expect(missing.exitCode).toBe(1)
    expect(missing.out).toContain('Scopes it needs, all of them: a:read b:write')
  })

  it('is nothing unless it is given, and then the answer is of the connection', async () => {
    for (const method of ['POST', 'GET']) {
      const { exitCode, out } = await ask(undefined, method)
      expect(exitCode).toBe(0)
      expect(out.at(-2)).toMatch(/^Note: Explained for a connection without a message/)
    }
  })

  it.each([
    ['{', /^--mcp must be JSON, such as '{"method":"tools\/call"/],
    ['[]', /^--mcp must be JSON/],
    ['{"name":"x"}', /^--mcp: method: is required/],
    ['{"method":7}', /^--mcp: method: /],
    ['{"method":"x","arguments":[]}', /^--mcp: arguments: must be an object/],
    ['{"method":"x","revision":"2024-11-05"}', /^--mcp: revision: /],
    ['{"method":"x","tool":"y"}', /^--mcp: tool: /],
    ['{"method":"x","method":"y"}', /^--mcp must be JSON/],
  ])('is a mistake as %s', async (mcp, message) => {
    const { exitCode, err } = await ask(mcp)
    expect(exitCode).toBe(2)
    expect(err.join()).toMatch(message)
  })

  it('goes with POST', async () => {
    const { exitCode, err } = await ask('{"method":"ping"}', 'GET')
    expect([exitCode, err.join()]).toEqual([2, '--mcp goes with method POST'])
  })

  it('is asked of a running gate as it is written', async () => {
    const { origin: gate, requests, state } = await recordingGate()
    const note = 'Only of the connection'
    state.answer = () => ({ status: 200, body: { allowed: true, steps: [], note } })
    const mcp = { method: 'tools/call', name: 'x', arguments: { a: [1] } }
    const env = { EDGEWARDEN_TOKEN: 'token.of.caller' }
    const outcome = await explain(
      'POST',
      `${RESOURCE}/mcp`,
      { gate, mcp: JSON.stringify(mcp) },
      { ...around(), env, now: () => NOW },
    )
    expect(outcome.out.at(-1)).toBe(`Note: ${note}`)
    expect(requests.at(-1)).toMatchObject({ body: { method: 'POST', mcp } })
  })
})
