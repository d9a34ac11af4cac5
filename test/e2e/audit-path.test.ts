import { afterAll, beforeAll, expect, it } from 'vitest'
import { runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { askGate, type Setting, startSetting } from './setting.ts'

/** What records say of the path, by `audit_path` of the rule. */

const rule = (path: string, more: object = {}) => ({ match: `GET ${path}`, scopes: [], ...more })

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    issuer: { admin: 'all' },
    routes: [
      rule('/plain/{id}/{part}'),
      rule('/template/*', { audit_path: 'template' }),
      rule('/values/{id}/{part}', { audit_path: 'values' }),
      rule('/users/{email}'),
      rule('/runs/{run}', { workflow: 'path:run' }),
      rule('/named/{part}', { workflow: 'path:part' }),
      rule('/by-rule/{run}', { workflow: 'path:run', audit_path: 'values' }),
      rule('/header', { workflow: 'header:x-run' }),
      rule('/query', { workflow: 'query:run' }),
      rule('/masked/{email}/{id}:share/{part}/*', {
        audit_path: 'full',
        audit_mask: ['email', 'id', 'part'],
      }),
      rule('/one/{email}/{id}', { audit_path: 'values', audit_mask: ['email'] }),
      rule('/masked-run/{run}', { workflow: 'path:run', audit_path: 'full', audit_mask: ['run'] }),
      rule('/*', { audit_path: 'full' }),
    ],
    more: { AUDIT: { path_values: ['part'] } },
  })
})
afterAll(() => setting.close())

const reader = () => setting.token({ scope: 'edgewarden:audit:read' })

/** Sends a request, and gives what its record says of the path. */
const toldOf = async (path: string, more: object = {}) => {
  const id = crypto.randomUUID()
  const token = await setting.token({ workflow_id: 'run-7' })
  const headers = { 'X-Request-Id': id, ...more }
  await askGate(setting.gate, path, { token, headers })
  const found = await eventually(async () => {
    const query = `/.edgewarden/decisions?request_id=${id}`
    const answer = await askGate(setting.gate, query, { token: await reader() })
    const { decisions } = (await answer.json()) as { decisions: Record<string, unknown>[] }
    expect(decisions).toHaveLength(1)
    return decisions[0] ?? {}
  })
  const { route, path: said, path_values, detail } = found
  expect(JSON.stringify(found)).not.toContain('secret')
  return { id, route, path: said, path_values, detail }
}

it.each([
  ['/plain/7/a?q=secret', 'GET /plain/{id}/{part}', undefined, { part: 'a' }],
  ['/template/x/y', 'GET /template/*', undefined, undefined],
  ['/values/7/a', 'GET /values/{id}/{part}', undefined, { id: '7', part: 'a' }],
  ['/users/ada@acme.example', 'GET /users/{email}', undefined, undefined],
  ['/things/7?q=secret', 'GET /*', '/things/7', undefined],
  [
    '/masked/secret%40acme.example/secret:share/secret/rest',
    'GET /masked/{email}/{id}:share/{part}/*',
    '/masked/{email}/{id}:share/{part}/rest',
    undefined,
  ],
  ['/one/secret/7', 'GET /one/{email}/{id}', undefined, { id: '7' }],
  ['/%74hings/%7e', 'GET /*', '/things/~', undefined],
  [`/${'x'.repeat(600)}`, 'GET /*', `/${'x'.repeat(511)}`, undefined],
])('%.30s', async (asked, route, path, path_values) => {
  expect(await toldOf(asked)).toMatchObject({ route, path, path_values })
})

it('log shows the path', async () => {
  const { id } = await toldOf('/things/of-alice')
  const args = ['log', '--request-id', id, '--gate', setting.gate.url, '--token-env', 'TOKEN']
  const { stdout } = await runHere(args, { TOKEN: await reader() })
  expect(stdout).toContain('GET /things/of-alice (/*)')
})

it.each([
  ['/runs/secret-run', {}, undefined],
  ['/named/run-8', {}, 'run-8'],
  ['/by-rule/run-8', {}, 'run-8'],
  ['/masked-run/secret-run', {}, undefined],
  ['/header', { 'X-Run': 'run-8' }, 'run-8'],
  ['/query?run=secret-run', {}, undefined],
])(
  '%s: a refusal has the workflow of the request where it may be recorded',
  async (path, headers, request) => {
    const { detail } = await toldOf(path, headers)
    expect(detail).toEqual({ ...(request && { request }), token: 'run-7' })
  },
)
