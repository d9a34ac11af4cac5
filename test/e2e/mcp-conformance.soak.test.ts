import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Loopback } from '../../examples/demo/loopback.ts'
import { startBearerProxy } from '../kit/mcp/bearer-proxy.ts'
import { conformance, differences, type Results } from '../kit/mcp/conformance.ts'
import { createEverythingServer } from '../kit/mcp/everything.ts'
import { createEverythingHandler } from '../kit/mcp/everything-modern.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { type Setting, startSetting } from './setting.ts'

let origin: McpOrigin
let setting: Setting
let proxy: Loopback
let token = ''

beforeAll(async () => {
  const modern = createEverythingHandler()
  origin = await startMcpOrigin({ create: createEverythingServer, modern })
  proxy = await startBearerProxy(() => ({ port: setting.gate.port, token }))
  const ruleOf = (path: string, methods: readonly string[]) => ({
    match: `GET,POST,DELETE ${path}`,
    scopes: [],
    mcp: {
      tools: { 'test_*': [], json_schema_2020_12_tool: [] },
      prompts: { 'test_*': [] },
      resources: { 'test://*': [] },
      ...(methods.length > 0 && { methods }),
      origins: [proxy.url],
    },
  })
  setting = await startSetting({
    gate: { origin: origin.url },
    routes: [ruleOf('/mcp', ['logging/setLevel']), ruleOf('/modern', [])],
  })
  token = await setting.token()
})
afterAll(async () => {
  await Promise.all([setting.close(), proxy.close(), origin.close()])
})

/** Each is explained in docs/mcp/clients.md, under the heading Conformance. */
const REBINDING = 'dns-rebinding-protection localhost-host-rebinding-rejected'

describe.each([
  { revision: '2025-03-26', path: '/mcp', scenarios: 1, known: [] },
  { revision: '2025-06-18', path: '/mcp', scenarios: 27, known: [] },
  { revision: '2025-11-25', path: '/mcp', scenarios: 33, known: [REBINDING] },
  { revision: '2026-07-28', path: '/modern', scenarios: 40, known: [REBINDING] },
])('every scenario of $revision', ({ revision, path, scenarios, known }) => {
  let direct: Results
  let through: Results

  beforeAll(async () => {
    ;[direct, through] = await Promise.all([
      conformance(origin.url + path, revision),
      conformance(proxy.url + path, revision),
    ])
  })

  it('runs against the server itself', () => {
    expect(Object.keys(direct)).toHaveLength(scenarios)
    const failed = Object.entries(direct).flatMap(([scenario, checks]) =>
      Object.entries(checks).flatMap(([check, status]) =>
        status.includes('FAILURE') ? [`${scenario} ${check}`] : [],
      ),
    )
    expect(failed).toEqual(known)
  })

  it('has the same result through the gate, but for what is explained', () => {
    const explained = known.map((check) => `${check}: FAILURE → SUCCESS`)
    expect(differences(direct, through)).toEqual(explained)
  })
})
