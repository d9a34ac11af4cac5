/** Approvals at the borders that docs/approvals.md draws: both must say the same on both sides. */
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../reference/types.ts'
import { ISSUER, type Sent, type Setting, said } from './said.ts'

const APPROVED: Setting = {
  rules: [
    { match: 'GET,POST /v1/x', scopes: [], approval: { within: '1m', headers: ['x-run'] } },
    { match: 'POST /v1/held', scopes: [], approval: { hold: '30s', within: '1m' } },
    {
      match: 'POST /v1/waived',
      scopes: [],
      approval: { unless: { condition: 'request.query["dry"] == "yes"', query: ['dry'] } },
    },
    {
      match: 'POST /mcp',
      scopes: [],
      mcp: {
        tools: {
          pay: {
            scopes: [],
            approval: { unless: 'arguments.amount <= 100', shows: ['arguments.to'] },
          },
          other: { scopes: [], approval: {} },
          free: [],
        },
        resources: { 'file:///*': { scopes: [], approval: {} } },
        revisions: ['2025-03-26'],
      },
    },
  ],
  gate: { console: { host: 'ops.example.com' } },
  others: {
    people: {
      issuer: 'https://people.example',
      agent_prefix: 'people/',
      ...{ admin: 'all', rules: false, person: { client_id: 'gate' } },
    },
  },
}

const post = (more: Sent = {}): Sent => ({
  method: 'POST',
  body: '{"amount":5}',
  headers: [['Content-Type', 'application/json']],
  ...more,
})
const GRANTED: Sent['before'] = { decided: ['granted'] }

/** Codes of a call, of a second one once the first one is granted, and of the first one again. */
const pair = async (first: Sent, second: Sent, setting = APPROVED): Promise<string> => {
  const codes = await said(
    [first, { ...second, before: { ...GRANTED, ...second.before } }, first],
    {
      ...setting,
    },
  )
  expect(codes[0]).toBe('approval_required')
  return codes.slice(1).join()
}
const OTHER = 'approval_required,forwarded'
const SAME = 'forwarded,approval_required'

describe('a call that is the same, and one that is not', () => {
  it.each<[string, Sent]>([
    ['a new token of the agent', { token: 'u' }],
    ['an escape in the path', { target: '/v1/%78' }],
    ['the port of the host', { host: 'api.example.com:8443' }],
    ['a header that is not bound', { headers: [...(post().headers ?? []), ['x-other', '1']] }],
  ])('is the same with %s', async (_, more) => {
    const setting = { ...APPROVED, more: { jti: 'another', iat: 1_767_225_690 } }
    expect(await pair(post(), post(more), setting)).toBe(SAME)
  })

  it.each<[string, Sent]>([
    ['another body', { body: '{"amount":6}' }],
    ['white space', { body: '{"amount": 5}' }],
    ['another spelling of a number', { body: '{"amount":5.0}' }],
    ['another type', { headers: [['Content-Type', 'application/x+json']] }],
    ['a bound header', { headers: [...(post().headers ?? []), ['x-run', '1']] }],
    ['an empty bound header', { headers: [...(post().headers ?? []), ['x-run', '']] }],
    ['a query', { target: '/v1/x?' }],
    ['another method', { method: 'GET' }],
  ])('is another one with %s', async (_, more) => {
    const { body, ...bodiless } = post(more)
    const next: Sent =
      more.method === 'GET' ? bodiless : { ...bodiless, ...(body !== undefined && { body }) }
    expect(await pair(post(), next)).toBe(OTHER)
  })

  it.each<[string, JsonObject]>([
    ['subject', { sub: 'v' }],
    ['agent', { client_id: 'd' }],
    ['actor', { act: { sub: 'helper' } }],
    ['workflow', { workflow_id: 'run-1' }],
  ])('is another one of another %s', async (_, more) => {
    expect(await pair(post(), post({ token: 'u' }), { ...APPROVED, more })).toBe(OTHER)
  })

  it('is another one under another policy, and is there again under the first one', async () => {
    const later = (APPROVED.rules ?? []).slice(0, 1)
    const codes = await said(
      [post(), post({ before: { ...GRANTED, policy: 1 } }), post({ before: { policy: 0 } })],
      { ...APPROVED, later },
    )
    expect(codes).toEqual(['approval_required', 'approval_required', 'forwarded'])
  })
})

const call = (name: string, args: string, more = '', id = '1') =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${name}","arguments":${args}${more}}}`
const mcp = (body: string): Sent =>
  post({
    target: '/mcp',
    body,
    headers: [
      ['Content-Type', 'application/json'],
      ['MCP-Protocol-Version', '2025-03-26'],
    ],
  })

describe('a tool call', () => {
  const first = mcp(call('pay', '{"amount":500,"to":"a","list":[1,{"b":2}]}'))
  it.each([
    ['another id', call('pay', '{"amount":500,"to":"a","list":[1,{"b":2}]}', '', '"x"')],
    ['other white space', call('pay', '{ "amount" : 500,\n"to":"a","list":[ 1,{"b":2 }] } ')],
    [
      'a token for progress',
      call('pay', '{"amount":500,"to":"a","list":[1,{"b":2}]}', ',"_meta":{}'),
    ],
  ])('is the same with %s', async (name, body) => {
    const meta = mcp(body.replace('"_meta":{}', '"_meta":{"progressToken":1,"traceparent":"x"}'))
    const of = name.includes('progress') ? mcp(body) : first
    expect(await pair(of, meta)).toBe(SAME)
  })

  it.each([
    ['another order', call('pay', '{"to":"a","amount":500,"list":[1,{"b":2}]}')],
    ['another spelling of a number', call('pay', '{"amount":5e2,"to":"a","list":[1,{"b":2}]}')],
    ['an escape', call('pay', '{"amount":500,"to":"\\u0061","list":[1,{"b":2}]}')],
    ['a space in a text', call('pay', '{"amount":500,"to":"a ","list":[1,{"b":2}]}')],
    ['another tool', call('other', '{"amount":500,"to":"a","list":[1,{"b":2}]}')],
    [
      'another member of _meta',
      call('pay', '{"amount":500,"to":"a","list":[1,{"b":2}]}', ',"_meta":{"x":1}'),
    ],
  ])('is another one with %s', async (_, body) => {
    expect(await pair(first, mcp(body))).toBe(OTHER)
  })

  it('needs no approval where `unless` is true, and one where it cannot be evaluated', async () => {
    const codes = await said(
      ['{"amount":100}', '{"amount":100.5}', '{"amount":"1"}', '{}', '{"amount":1,"To":"x"}'].map(
        (args) => mcp(call('pay', args)),
      ),
      APPROVED,
    )
    expect(codes).toEqual([
      'forwarded',
      ...Array(3).fill('approval_required'),
      'arguments_ambiguous',
    ])
  })

  it('is alone in its message', async () => {
    const [one, free, other] = [call('pay', '{}'), call('free', '{}', '', '2'), call('free', '{}')]
    const codes = await said(
      [`[${one},${free}]`, `[${one}]`, `[${free},${other}]`].map(mcp),
      APPROVED,
    )
    expect(codes).toEqual(['approval_not_alone', 'approval_required', 'forwarded'])
  })
})

describe('a standing approval', () => {
  const by = (shows = ['arguments.to']): Setting => ({
    ...APPROVED,
    rules: [
      { match: 'POST /v1/x', scopes: [], approval: { within: '1m' } },
      {
        match: 'POST /mcp',
        scopes: [],
        mcp: { tools: { pay: { scopes: [], approval: { shows } } }, revisions: ['2025-03-26'] },
      },
    ],
  })
  const stands: Sent['before'] = { decided: [{ uses: 2, ms: 90_000 }] }
  /** What becomes of a call, once there is a standing approval of another one. */
  const covered = async (first: Sent, second: Sent, setting: Setting) =>
    (await said([first, { ...second, before: stands }], setting))[1]

  it('is for another body, another workflow and a new token', async () => {
    const setting = { ...by(), more: { workflow_id: 'run-2' } }
    const next = post({ body: '{"amount":9}', token: 'u' })
    expect(await covered(post(), next, setting)).toBe('forwarded')
  })

  it.each<[string, Sent]>([
    ['query', { target: '/v1/x?a=1' }],
    ['type', { headers: [['Content-Type', 'text/json']] }],
    ['agent', { token: 'u' }],
  ])('is for no other %s', async (_, more) => {
    const setting = { ...by(), more: { client_id: 'd' } }
    expect(await covered(post(), post(more), setting)).toBe('approval_required')
  })

  it.each([
    ['other arguments that are not shown', '{"amount":5,"to":{"account":"a"}}', 'forwarded'],
    ['another member beside', '{"amount":1,"to":{"account":"a","note":"n"}}', 'forwarded'],
    ['another value', '{"amount":1,"to":{"account":"b"}}', 'approval_required'],
    ['no value', '{"amount":1,"to":{}}', 'approval_required'],
    ['its value in place of the object', '{"amount":1,"to":"a"}', 'approval_required'],
    ['a list in place of the object', '{"amount":1,"to":["a"]}', 'approval_required'],
  ])('of a tool with %s', async (_, args, code) => {
    const first = mcp(call('pay', '{"amount":1,"to":{"account":"a"}}'))
    const second = mcp(call('pay', args))
    expect(await covered(first, second, by(['arguments.to.account']))).toBe(code)
  })

  it.each([
    ['["a",1]', 'forwarded'],
    ['["b",1]', 'approval_required'],
  ])('after ["a",1] in the place of an object, with %s: %s', async (to, code) => {
    const [first, second] = ['["a",1]', to].map((one) => mcp(call('pay', `{"to":${one}}`)))
    const more = { ...second, token: 'u' }
    const setting = { ...by(['arguments.to.account']), more: { workflow_id: 'run-2' } }
    expect(await covered(first as Sent, more, setting)).toBe(code)
  })

  it('ends with its uses, its time, a revocation or a person', async () => {
    const next = (before: Sent['before'], n = 1) => post({ body: `{"n":${n}}`, before })
    const all = async (...sent: Sent[]) => (await said([post(), ...sent], by())).slice(1)
    const asks = 'approval_required'
    expect(await all(next(stands), next({}), next({}))).toEqual(['forwarded', 'forwarded', asks])
    expect(await all(next({ ...stands, wait: 30 }), next({ wait: 59.999 }, 2))).toEqual([
      ...['forwarded', 'forwarded'],
    ])
    expect(await all(next(stands), next({ wait: 90 }, 2))).toEqual(['forwarded', asks])
    expect(await all(next(stands), next({ withdrawn: true }, 2))).toEqual(['forwarded', asks])
    const suspended = { agents: { [`${ISSUER} c`]: { status: 'suspended' as const } } }
    const resumed = { agents: { [`${ISSUER} c`]: null } }
    expect(await all(next(stands), next(suspended, 2), next(resumed, 2))).toEqual([
      ...['forwarded', 'agent_suspended', asks],
    ])
  })

  it('ends the question of a call that it lets through', async () => {
    const other = (before: Sent['before'] = {}) => post({ body: '{"n":1}', before })
    const once: Sent['before'] = { decided: [{ uses: 1, ms: 90_000 }] }
    const steps = [
      other(),
      post(),
      other(once),
      other({ wait: 59 }),
      other({ ...GRANTED, wait: 2 }),
    ]
    expect((await said(steps, by())).slice(2)).toEqual([
      ...['forwarded', 'approval_required', 'forwarded'],
    ])
  })

  it('leaves a call refused that a person has refused', async () => {
    const other = post({ body: '{"n":1}' })
    const decided = ['refused' as const, { uses: 9, ms: 90_000 }]
    const after = post({ body: '{"n":2}', before: { decided } })
    expect(await said([post(), other, after, other], by())).toEqual([
      ...['approval_required', 'approval_required', 'forwarded', 'approval_refused'],
    ])
  })

  it.each([
    ['c', 19, 'forwarded'],
    ['c', 20, 'approval_required'],
    ['d', 199, 'forwarded'],
    ['d', 200, 'approval_required'],
  ])('beside those of agent %s, %i of them: %s', async (agent, count, code) => {
    const others = [{ issuer: ISSUER, agent, count, within: 60_000, standing: true as const }]
    const codes = await said([post({ before: { others } }), post({ before: stands })], by())
    expect(codes[1]).toBe(code)
  })
})

it('JSON that can be read in two ways is refused', async () => {
  const codes = await said(
    [
      ...['{"a":1,"a":2}', '{"a":9007199254740993}', '{', '{"a":"\\ud800"}', '{"a":"\\ufffe"}'],
      ...['9007199254740993', '1e400', '\ufeff{}', `${'['.repeat(65)}${']'.repeat(65)}`],
    ].map((body) => post({ body })),
    APPROVED,
  )
  expect(codes).toEqual(Array(9).fill('approval_invalid'))
  const odd = await said(
    [
      post({
        headers: [
          ['Content-Type', 'application/json'],
          ['Content-Encoding', 'gzip'],
        ],
      }),
      post({ body: '', headers: [['Content-Type', 'application/json']] }),
      post({ body: '{', headers: [['Content-Type', 'text/plain']] }),
    ],
    APPROVED,
  )
  expect(odd).toEqual(['approval_invalid', 'approval_required', 'approval_required'])
})

describe('the time of an approval', () => {
  it.each([
    [59.999, 'forwarded'],
    [60, 'approval_required'],
  ])('after %f s of one minute: %s', async (wait, code) => {
    expect(await said([post(), post({ before: { ...GRANTED, wait } })], APPROVED)).toEqual([
      'approval_required',
      code,
    ])
  })

  it.each([
    [59.999, 'approval_refused'],
    [60, 'approval_required'],
  ])('%f s after a refusal: %s', async (wait, code) => {
    const refused: Sent['before'] = { decided: ['refused'] }
    const codes = await said(
      [post(), post({ before: { ...refused, wait: 30 } }), post({ before: { wait } })],
      APPROVED,
    )
    expect(codes).toEqual(['approval_required', 'approval_refused', code])
  })

  it.each([
    [29_999, 'granted', 'forwarded'],
    [29_999, 'refused', 'approval_refused'],
    [29_999, 'taken', 'approval_over'],
    [30_000, 'granted', 'approval_required'],
  ] as const)('held, and after %i ms %s: %s', async (after, does, code) => {
    const held = post({ target: '/v1/held', person: { after, does } })
    expect(await said([held], APPROVED)).toEqual([code])
  })

  it('is over when the token ends meanwhile', async () => {
    const held = post({ target: '/v1/held', person: { after: 20_000, does: 'granted' } })
    const setting = { ...APPROVED, claims: { exp: 1_767_225_715 }, gate: { ...APPROVED.gate } }
    expect(await said([held], setting)).toEqual(['token_expired_during_request'])
  })
})

it.each<[string, Sent['before']]>([
  ['the agent', { revoke: [{ kind: 'agent', issuer: ISSUER, value: 'c', mode: 'block' }] }],
  [
    'the subject',
    { revoke: [{ kind: 'subject', issuer: ISSUER, value: 'u', mode: 'before', at: 0 }] },
  ],
  ['a suspension', { agents: { [`${ISSUER} c`]: { status: 'suspended' } } }],
])('an approval ends with a revocation of %s, and stays ended', async (_, stopped) => {
  const lifted: Sent['before'] = { liftAll: true, agents: { [`${ISSUER} c`]: null } }
  const codes = await said(
    [post(), post({ before: { ...GRANTED, ...stopped } }), post({ before: lifted })],
    APPROVED,
  )
  expect(codes[2]).toBe('approval_required')
})

it('an approval is not taken by a request that its limit refuses', async () => {
  const counted = post({ target: '/v1/counted' })
  const rules = [
    {
      match: 'POST /v1/counted',
      scopes: [],
      approval: {},
      rate_limit: { limit: 1, period: '60s' },
    },
  ]
  const again = { ...counted, before: GRANTED }
  const codes = await said([counted, again, counted, again, { ...counted, before: { wait: 60 } }], {
    ...APPROVED,
    rules,
  })
  expect(codes).toEqual([
    ...['approval_required', 'forwarded', 'approval_required', 'rate_limited', 'forwarded'],
  ])
})

it.each([
  ['c', 19, 60_000, 'approval_required'],
  ['c', 20, 60_000, 'approvals_full'],
  ['d', 199, 60_000, 'approval_required'],
  ['d', 200, 60_000, 'approvals_full'],
  ['c', 59, 1, 'approval_required'],
  ['c', 60, 1, 'approvals_exhausted'],
])('beside asks of agent %s, %i of them, for %i ms: %s', async (agent, count, within, code) => {
  const others = [{ issuer: ISSUER, agent, count, within }]
  const codes = await said([post({ before: { others } }), post({ before: { wait: 1 } })], APPROVED)
  expect(codes[1]).toBe(code)
})

it.each([
  [99, 'approval_required'],
  [100, 'approvals_exhausted'],
])('of 20 issuers each has 100 asks a day: after %i %s', async (count, code) => {
  const more = Array.from({ length: 18 }, (_, i) => [
    `more-${i}`,
    { issuer: `https://more-${i}.example`, agent_prefix: `more-${i}/` },
  ])
  const others = [{ issuer: ISSUER, agent: 'd', count, within: 1 }]
  const all = { ...APPROVED.others, ...Object.fromEntries(more) }
  const setting = { ...APPROVED, issuer: { agent_prefix: 'acme/' }, others: all }
  const codes = await said([post({ before: { others } }), post({ before: { wait: 1 } })], setting)
  expect(codes[1]).toBe(code)
})
