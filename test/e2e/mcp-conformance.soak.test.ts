import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Loopback } from '../../examples/demo/loopback.ts'
import { startBearerProxy } from '../kit/mcp/bearer-proxy.ts'
import {
  byName,
  conformance,
  differences,
  ofRevision,
  type Results,
} from '../kit/mcp/conformance.ts'
import { createEverythingServer } from '../kit/mcp/everything.ts'
import { createEverythingHandler } from '../kit/mcp/everything-modern.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { createTaskHandler } from '../kit/mcp/task-extension.ts'
import { type Setting, startSetting } from './setting.ts'

let origin: McpOrigin
let tasks: McpOrigin
let setting: Setting
let proxy: Loopback
let token = ''

beforeAll(async () => {
  const modern = createEverythingHandler()
  origin = await startMcpOrigin({ create: createEverythingServer, modern })
  tasks = await startMcpOrigin({ modern: createTaskHandler() })
  proxy = await startBearerProxy(() => ({ port: setting.gate.port, token }))
  const ruleOf = (path: string, methods: readonly string[]) => ({
    match: `GET,POST,DELETE ${path}`,
    scopes: [],
    mcp: {
      tools: { '*': [] },
      prompts: { 'test_*': [] },
      resources: { 'test://*': [] },
      ...(methods.length > 0 && { methods }),
      origins: [proxy.url],
    },
  })
  setting = await startSetting({
    gate: { origin: origin.url },
    routes: [
      ruleOf('/mcp', ['logging/setLevel']),
      ruleOf('/modern', []),
      {
        ...ruleOf('/tasks/modern', ['tasks/get', 'tasks/update', 'tasks/cancel']),
        origin: tasks.url,
        strip_prefix: '/tasks',
      },
    ],
  })
  token = await setting.token()
})
afterAll(async () => {
  await Promise.all([setting.close(), proxy.close(), origin.close(), tasks.close()])
})

/** What fails directly, and what comes out differently; explained in docs/mcp/tested.md, under Conformance. */
const REBINDING = {
  failing: ['dns-rebinding-protection localhost-host-rebinding-rejected'],
  different: ['dns-rebinding-protection localhost-host-rebinding-rejected: FAILURE → SUCCESS'],
}
const NOTHING = { failing: [], different: [] }
const UNSEALED = {
  failing: [],
  different: [
    'tasks-capability-negotiation sep-2663-tasks-methods-non-declaring: SUCCESS → FAILURE',
  ],
}

/** Those of the extension for tasks of 2026-07-28. */
const TASKS = [
  'tasks-lifecycle',
  'tasks-capability-negotiation',
  'tasks-wire-fields',
  'tasks-request-state-removal',
  'tasks-mrtr-input',
  'tasks-request-headers',
  'tasks-dispatch-and-envelope',
  'tasks-status-notifications',
  'tasks-required-task-error',
  'tasks-mrtr-composition',
]

const mcp = () => `${origin.url}/mcp`

describe.each([
  { of: '2025-03-26', scenarios: 1, direct: mcp, path: '/mcp', ...NOTHING },
  { of: '2025-06-18', scenarios: 27, direct: mcp, path: '/mcp', ...NOTHING },
  { of: '2025-11-25', scenarios: 33, direct: mcp, path: '/mcp', ...REBINDING },
  {
    of: '2026-07-28',
    scenarios: 40,
    direct: () => `${origin.url}/modern`,
    path: '/modern',
    ...REBINDING,
  },
  {
    of: 'the extension for tasks',
    runs: byName(...TASKS),
    scenarios: TASKS.length,
    direct: () => `${tasks.url}/modern`,
    path: '/tasks/modern',
    ...UNSEALED,
  },
])('every scenario of $of', ({ of, direct, path, scenarios, failing, different, ...given }) => {
  let one: Results
  let other: Results

  beforeAll(async () => {
    const runs = 'runs' in given ? given.runs : ofRevision(of)
    ;[one, other] = await Promise.all([
      conformance(direct(), runs),
      conformance(proxy.url + path, runs),
    ])
    // Some checks give up by the clock, on either side: what a busy machine made different is run again, one by one.
    if (`${differences(one, other)}` !== `${different}`) {
      one = await conformance(direct(), runs)
      other = await conformance(proxy.url + path, runs)
    }
  })

  it('runs against the server itself', () => {
    expect(Object.keys(one)).toHaveLength(scenarios)
    const failed = Object.entries(one).flatMap(([scenario, checks]) =>
      Object.entries(checks).flatMap(([check, status]) =>
        status.includes('FAILURE') ? [`${scenario} ${check}`] : [],
      ),
    )
    expect(failed).toEqual(failing)
  })

  it('has the same result through the gate, but for what is explained', () => {
    expect(differences(one, other)).toEqual(different)
  })
})
