import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { withLimits } from '../../e2e/hurried.ts'
import { policyOf } from '../../e2e/setting.ts'
import { eventually } from '../../kit/eventually.ts'
import type { Members } from '../../kit/signing.ts'
import {
  ACT,
  type ConsoleSetting,
  consoleOptions,
  OPERATOR,
  startConsole,
} from './console-setting.ts'

const INJECTED = {
  match: 'POST /v1/chat',
  scopes: ['chat:write'],
  inject: { Authorization: 'Bearer $' + '{UPSTREAM_KEY}' },
}
const ROUTES: readonly Members[] = [
  INJECTED,
  { match: 'GET /v1/documents/{id}', scopes: ['documents:read'] },
  { match: 'GET /v1/weak', scopes: ['none'] },
]
const SECRETS = { UPSTREAM_KEY: 'upstream-secret-value' }

let setting: ConsoleSetting
/** A Worker that compares few requests, so that too many are soon reached. */
let few: Awaited<ReturnType<typeof withLimits>>
let cookie: string
/** The variables of the policy in force. */
let vars: Members
beforeAll(async () => {
  const options = { ...consoleOptions(), routes: ROUTES }
  few = await withLimits(inject('consoleBundle'), { samples: 2_000 })
  setting = await startConsole({ routes: ROUTES, secrets: SECRETS, bundle: few.path })
  vars = policyOf(options, setting.issuer, setting.origin)
  cookie = await setting.enter(await setting.code({ client_id: 'olga' }))
})
afterAll(async () => {
  await setting.close()
  await few.remove()
})

const send = (body: unknown, headers: Record<string, string> = {}) =>
  setting.page('/api/console/diff', {
    method: 'POST',
    headers: { cookie, ...headers },
    body: JSON.stringify(body),
  })
const bodyOf = async (answer: Response) => (await answer.json()) as Members
const told = async (file: unknown, environment?: string) => {
  const answer = await send({ file, ...(environment !== undefined && { environment }) })
  const body = await bodyOf(answer)
  const texts = (side: string) => ((body[side] ?? []) as Members[]).map((one) => one.text)
  return {
    status: answer.status,
    code: body.code,
    problems: body.problems,
    widens: body.widens,
    gains: texts('gains'),
    loses: texts('loses'),
    changes: texts('changes'),
  }
}
const SAME = { status: 200, widens: false, gains: [], loses: [], changes: [] }
const changed = (routes: readonly Members[], more: Members = {}): Members => ({
  vars: { ...vars, ...more, ROUTES: routes },
})

describe('a policy', () => {
  it('that is in force changes nothing, whatever its secrets are', async () => {
    expect(await told(changed(ROUTES))).toMatchObject(SAME)
  })

  it('is told by what it allows: wider, narrower, changed', async () => {
    const [chat, , weak] = ROUTES as [Members, Members, Members]
    const wider = await told(
      changed([chat, { match: 'GET /v1/documents/{id}', access: 'public' }, weak]),
    )
    expect(wider).toMatchObject({ status: 200, widens: true })
    expect(wider.gains).toEqual([
      'anyone, without a token, may now call GET /v1/documents/{id} (was: documents:read of acme)',
    ])
    const narrower = await told(changed([chat, weak]))
    expect(narrower).toMatchObject({ status: 200, widens: false, gains: [] })
    expect(narrower.loses.join()).toMatch(/may no longer call GET \/v1\/documents\/\{id\}/)
    const other = { ...INJECTED, inject: { Authorization: 'Bearer $' + '{OTHER_KEY}' } }
    const otherwise = await told(changed([other, ...ROUTES.slice(1)]))
    expect(otherwise.changes.join()).toContain('POST /v1/chat: `inject`')
  })

  it('may be that of an environment', async () => {
    const file = {
      vars: {
        GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
        ROUTES: [{ match: 'GET /a', access: 'public' }],
      },
      env: {
        staging: {
          vars: {
            GATE: JSON.stringify(vars.GATE),
            ISSUERS: JSON.stringify(vars.ISSUERS),
            ROUTES: JSON.stringify(ROUTES),
          },
        },
      },
    }
    expect(await told(file, 'staging')).toMatchObject(SAME)
    expect((await told(file)).gains.join()).toContain(
      'anyone, without a token, may now call GET /a',
    )
    expect(await told(file, 'live')).toMatchObject({
      status: 400,
      code: 'console_diff_invalid',
      problems: [{ path: 'environment', message: 'is not in the file' }],
    })
  })

  it('that has mistakes is refused with the path of each', async () => {
    const GATE = { resource: 'https://api.example.com', origin: 'x' }
    const { problems: found } = await told({ vars: { GATE }, vras: { a: 1 } })
    expect(found).toEqual(
      expect.arrayContaining([
        { path: 'GATE.origin', message: expect.any(String) },
        { path: 'vras', message: 'is not read; did you mean [vars]?' },
      ]),
    )
    for (const [file, path, message] of [
      [{ 'ROUTES_["\\x"]': 1 }, 'ROUTES_["\\x"]', /^is not read here/],
      [{ vars: { 'ROUTES_["\n"]': 'x' } }, 'ROUTES_["\n"]', /^is text that is not JSON/],
      [{ GATE: 1 }, 'GATE', /^is not read here; write it as \[vars\.GATE\]/],
      [{ vars: 1 }, 'vars', /^must be a table/],
      [{}, 'ROUTES', /./],
    ] as const) {
      expect(await told(file)).toMatchObject({
        status: 400,
        code: 'console_diff_invalid',
        problems: expect.arrayContaining([{ path, message: expect.stringMatching(message) }]),
      })
    }
    const many = await told(changed(Array.from({ length: 60 }, () => ({ match: 1, no: 2 }))))
    expect((many.problems as unknown[]).length).toBe(50)
  })

  it('without bindings is read with those of the Worker, and else with its own', async () => {
    const bound = changed(ROUTES)
    const { problems } = await told({ ...bound, kv_namespaces: [] })
    expect(problems).toBeUndefined()
    const own = { ...bound, kv_namespaces: [{ binding: 'JWKS_CACHE' }] }
    expect(await told(own)).toMatchObject({
      status: 400,
      problems: expect.arrayContaining([expect.objectContaining({ path: 'bindings.REVOCATIONS' })]),
    })
  })
})

describe('a comparison', () => {
  it('is the only one at a time', async () => {
    const routes = Array.from({ length: 150 }, (_, i) => ({ match: `* /r${i}`, scopes: [] }))
    const file = changed(routes)
    const all = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const answer = await send({ file })
        return `${answer.status} ${(await bodyOf(answer)).code}`
      }),
    )
    expect([...new Set(all)].sort()).toEqual(['200 undefined', '429 console_diff_busy'])
    expect((await send({ file: changed(ROUTES) })).status).toBe(200)
  })

  it('is of 1,000 entries in each list and table', async () => {
    const many = <Item>(item: (i: number) => Item) =>
      Array.from({ length: 1_001 }, (_, i) => item(i))
    const rules = many((i) => ({ match: `GET /r${i}`, scopes: [] }))
    for (const [path, file] of [
      ['ROUTES', changed(rules)],
      ['ROUTES', changed(rules.slice(500), { ROUTES_more: rules.slice(0, 500) })],
      ['SCOPES', changed(ROUTES, { SCOPES: Object.fromEntries(many((i) => [`s${i}`, ['a']])) })],
      ['GRANTS', changed(ROUTES, { GRANTS: JSON.stringify(many(() => ({}))) })],
      ['ISSUERS', changed(ROUTES, { ISSUERS: Object.fromEntries(many((i) => [`s${i}`, {}])) })],
      ['GATE', changed(ROUTES, { GATE: Object.fromEntries(many((i) => [`k${i}`, i])) })],
      [
        'ROUTES[0].scopes',
        changed([{ match: 'GET /x', scopes: many((i) => `s${i}`) }], { GATE: {} }),
      ],
      ['vars', changed(ROUTES, Object.fromEntries(many((i) => [`V${i}`, 1])))],
    ] as const) {
      expect(await told(file)).toMatchObject({
        status: 400,
        code: 'console_diff_invalid',
        problems: [{ path, message: expect.stringMatching(/^has \d+ entries, over 1000;/) }],
      })
    }
  })
})

describe('the path of a rule', () => {
  const path = (segments: number) => Array.from({ length: segments }, (_, i) => `{p${i}}`).join('/')
  const ruleOf = (segments: number) => changed([{ match: `GET /${path(segments)}`, scopes: [] }])

  it('has at most 100 segments', async () => {
    expect((await send({ file: ruleOf(100) })).status).toBe(200)
    expect(await told(ruleOf(101))).toMatchObject({
      status: 400,
      code: 'console_diff_invalid',
      problems: [
        { path: 'ROUTES[0].match', message: expect.stringMatching(/^has 101 segments, over 100;/) },
      ],
    })
  })
})

describe('what is compared', () => {
  it('has a size', async () => {
    const rest = 256 * 1024 - JSON.stringify({ file: { ...changed(ROUTES), name: '' } }).length
    const padded = (length: number) => told({ ...changed(ROUTES), name: 'x'.repeat(length) })
    expect(await padded(rest)).toMatchObject(SAME)
    expect(await padded(rest + 1)).toMatchObject({ status: 413, code: 'body_too_large' })
    const tangled = Array.from({ length: 10 }, (_, i) => {
      const steps = Array.from({ length: 10 }, (_, at) => (at === i ? `s${i}` : `{p${at}}`))
      return { match: `GET /${steps.join('/')}`, scopes: [`scope:${i}`] }
    })
    const many = await send({ file: changed(tangled) })
    expect([many.status, (await bodyOf(many)).code]).toEqual([413, 'console_diff_too_large'])
  })

  it('is read strictly', async () => {
    const file = JSON.stringify(changed(ROUTES))
    const nested = (levels: number) =>
      `{"file":{"a":${'['.repeat(levels - 2)}${']'.repeat(levels - 2)},${file.slice(1)}}`
    const posted = async (body: string) => {
      const answer = await setting.page('/api/console/diff', {
        method: 'POST',
        headers: { cookie },
        body,
      })
      const { code, problems = [] } = await bodyOf(answer)
      return [answer.status, code, ...(problems as Members[]).map((one) => one.path)]
    }
    const invalid = [400, 'console_diff_invalid']
    expect(await posted(nested(32))).toEqual([200, undefined])
    for (const [body, ...paths] of [
      [nested(33), ''],
      [`{"file":{"env":{},"env":{},${file.slice(1)}}`, ''],
      [`{"file":{"__proto__":{},${file.slice(1)}}`, ''],
      [file.slice(0, -1), ''],
      ['null', ''],
      ['[]', ''],
      [file, 'file', 'vars'],
      ['{"file":[]}', 'file'],
      [`{"file":${JSON.stringify(file)}}`, 'file'],
      [`{"file":${file},"more":1}`, 'more'],
      [`{"file":${file},"environment":""}`, 'environment'],
      [`{"text":${JSON.stringify(file)}}`, 'file', 'text'],
    ] as const) {
      expect([body.slice(0, 40), ...(await posted(body))]).toEqual([
        body.slice(0, 40),
        ...invalid,
        ...paths,
      ])
    }
  })

  it('leaves nothing behind: neither in the answer, the journal nor the audit', async () => {
    const secret = 'pasted-secret-0123456789'
    const jwk = { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', d: secret }
    const gate = { ...(vars.GATE as Members), origin: `https://user:${secret}@origin.example.com` }
    const files = [
      changed(ROUTES, { GATE: gate }),
      changed(ROUTES, { OPENAI_KEY: secret, OTHER: `{"a":"${secret}"}`, ROUTE: `["${secret}"]` }),
      changed(ROUTES, { ISSUERS: { acme: { ...jwk, issuer: 'x', jwks: { keys: [jwk] } } } }),
      changed([{ ...INJECTED, inject: { Authorization: `Bearer ${secret}` } }]),
    ]
    const answers: string[] = []
    for (const file of files) answers.push(await (await send({ file })).text())
    for (const answer of answers) expect(answer).not.toContain(secret)
    expect(answers.join()).not.toContain(SECRETS.UPSTREAM_KEY)
    await eventually(async () => {
      const read = await setting.page('/api/decisions?limit=100', { headers: { cookie } })
      const records = await read.text()
      expect(records).toContain('POST /.edgewarden/console/diff')
      expect(records).not.toContain(secret)
    })
    expect(setting.gate.output()).not.toContain(secret)
  })

  it('is for an operator who may see all of it, by the page itself', async () => {
    const file = changed(ROUTES)
    const foreign = await send({ file }, { 'sec-fetch-site': 'cross-site' })
    expect([foreign.status, (await bodyOf(foreign)).code]).toEqual([403, 'console_request_foreign'])
    const { 'x-edgewarden-console': _, ...form } = ACT
    const plain = await setting.gate.fetch('/api/console/diff', {
      method: 'POST',
      headers: { ...form, host: 'ops.example.com', cookie, 'content-type': 'application/json' },
      body: JSON.stringify({ file }),
    })
    expect([plain.status, (await bodyOf(plain)).code]).toEqual([403, 'console_request_foreign'])
    const nobody = await setting.page('/api/console/diff', {
      method: 'POST',
      body: JSON.stringify({ file }),
    })
    expect([nobody.status, (await bodyOf(nobody)).code]).toEqual([403, 'console_session_missing'])
    const auditor = await setting.enter(
      await setting.code({ client_id: 'viewer', scope: 'edgewarden:read' }),
    )
    expect((await send({ file }, { cookie: auditor })).status).toBe(200)
    const ask = async (scope: string) => {
      const answer = await setting.ask('/.edgewarden/console/diff', {
        method: 'POST',
        token: await setting.token({ scope }),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ file }),
      })
      return [answer.status, (await bodyOf(answer)).code]
    }
    expect(await ask('edgewarden:revoke')).toEqual([403, 'scope_missing'])
    expect(await ask('edgewarden:read')).toEqual([200, undefined])
    const own = await startConsole({ issuer: { admin: 'own', agent_prefix: 'acme/' } })
    try {
      const answer = await own.page('/api/console/diff', {
        method: 'POST',
        headers: { cookie: await own.enter(await own.code({ scope: OPERATOR })) },
        body: JSON.stringify({ file }),
      })
      expect([answer.status, (await bodyOf(answer)).code]).toEqual([403, 'console_diff_reach'])
    } finally {
      await own.close()
    }
  })
})
