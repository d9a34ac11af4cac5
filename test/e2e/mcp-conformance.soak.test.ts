import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Loopback } from '../../examples/demo/loopback.ts'
import { startBearerProxy } from '../kit/mcp/bearer-proxy.ts'
import { conformance, differences, type Results } from '../kit/mcp/conformance.ts'
import { createEverythingServer } from '../kit/mcp/everything.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { type Setting, startSetting } from './setting.ts'

let origin: McpOrigin
let setting: Setting
let proxy: Loopback
let token = ''
let direct: Results
let through: Results

beforeAll(async () => {
  origin = await startMcpOrigin({ create: createEverythingServer })
  proxy = await startBearerProxy(() => ({ port: setting.gate.port, token }))
  setting = await startSetting({
    gate: { origin: origin.url },
    routes: [
      {
        match: 'GET,POST,DELETE /mcp',
        scopes: [],
        mcp: {
          tools: { 'test_*': [], json_schema_2020_12_tool: [] },
          prompts: { 'test_*': [] },
          resources: { 'test://*': [] },
          methods: ['logging/setLevel'],
          origins: [proxy.url],
        },
      },
    ],
  })
  token = await setting.token()
  ;[direct, through] = await Promise.all([
    conformance(`${origin.url}/mcp`),
    conformance(`${proxy.url}/mcp`),
  ])
})
afterAll(async () => {
  await Promise.all([setting.close(), proxy.close(), origin.close()])
})

/** Each is explained in docs/mcp/clients.md, under the heading Conformance. */
const EXPLAINED = ['dns-rebinding-protection localhost-host-rebinding-rejected: FAILURE → SUCCESS']

it('runs every scenario against the server itself', () => {
  expect(Object.keys(direct)).toHaveLength(32)
  const failed = Object.entries(direct).flatMap(([scenario, checks]) =>
    Object.entries(checks).flatMap(([check, status]) =>
      status === 'FAILURE' ? [`${scenario} ${check}`] : [],
    ),
  )
  expect(failed).toEqual(['dns-rebinding-protection localhost-host-rebinding-rejected'])
})

it('gives the same results through the gate, but for what is explained', () => {
  expect(differences(direct, through)).toEqual(EXPLAINED)
})
