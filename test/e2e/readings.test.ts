import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Setting, startSetting } from './setting.ts'
import { requestBytes } from './world.ts'

let setting: Setting
let token: string
beforeAll(async () => {
  const any = { scopes: [] }
  const reads = (condition: string, ...query: string[]) => ({ ...any, when: { condition, query } })
  const mcp = {
    resources: {
      'file:///docs/*': [],
      'file:///docs/secret': ['never'],
      'db://main/pub/*': [],
      'urn:docs:*': [],
    },
    refusals: 'http',
  }
  setting = await startSetting({
    routes: [
      { match: 'GET /q/run', ...any, workflow: 'query:run' },
      { match: 'GET /q/admin', ...reads('!("admin" in request.query)', 'admin') },
      { match: 'GET /q/role', ...reads('request.query.role != "admin"', 'role') },
      { match: 'GET /q/user', ...reads('!("user.id" in request.query)', 'user.id') },
      { match: 'GET /h/run', ...any, workflow: 'header:x-run' },
      {
        match: 'GET /h/class',
        ...any,
        when: { condition: 'request.headers["x-class"] != "caf\u00e9"', headers: ['x-class'] },
      },
      { match: 'GET,POST /q/any', ...any },
      { match: 'DELETE /q/any', scopes: ['never'] },
      { match: '* /q/every', ...any },
      { match: 'GET /open/any', access: 'public' },
      { match: 'POST /mcp', ...any, resource: 'https://api.example.com/mcp', mcp },
      { match: 'GET /v1/admin', scopes: ['never'] },
      { match: 'GET /v1/admin/{page}', scopes: ['never'] },
      { match: 'GET /v1/report', scopes: ['never'] },
      { match: 'GET /v1/report.json', ...any },
      { match: 'GET /v1/*', ...any },
      { match: 'GET /w/admin', scopes: ['never'] },
      { match: 'GET /w/*', ...any, ambiguous_paths: 'allow' },
    ],
  })
  token = await setting.token({
    workflow_id: 'mine',
    aud: ['https://api.example.com', 'https://api.example.com/mcp'],
  })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

type More = Partial<Omit<Parameters<typeof requestBytes>[0], 'target'>>
const send = (target: string, more: More = {}) => sendAll({ target, token, ...more })
const sendAll = async (request: Parameters<typeof requestBytes>[0]) => {
  const bytes = requestBytes(request)
  const { status, body } = await setting.gate.raw(bytes)
  if (status === 200) return { status, code: 'passed' }
  const { code, error } = JSON.parse(body.toString())
  return { status, code: code ?? error.data.code }
}
/** With names that are no longer than a line. */
const named = (all: readonly string[]) => all.map((one) => [one.slice(0, 50), one] as const)
const passed = { status: 200, code: 'passed' }
const refused = (code: string, status = 400) => ({ status, code })

const FILLERS = Array.from({ length: 1_000 }, (_, i) => `f${i}=`).join('&')

describe('a parameter that a rule reads', () => {
  it.each(
    named([
      '?run=mine',
      '?x=1&y%5Ba%5D=2&run=mine&q=a+b%26run',
      '?%72un=m%69ne',
      '?filter[status]=open&run=mine&q=%E2%82%AC',
      `?${FILLERS.split('&', 99).join('&')}&run=mine`,
    ]),
  )('passes: %s', async (_, query) => {
    expect(await send(`/q/run${query}`)).toEqual(passed)
    expect(setting.origin.requests.map(({ url }) => url)).toEqual([`/q/run${query}`])
  })

  it.each(
    named([
      '?[run]=theirs&run=mine',
      '?%5Brun%5D=theirs&run=mine',
      '?[run][]=theirs&run=mine',
      '?[][run]=theirs&run=mine',
      '?run[]=theirs&run=mine',
      '?run%5B%5D=theirs&run=mine',
      '?run[x]=theirs&run=mine',
      '?run.x=theirs&run=mine',
      '?run=mine&RUN=theirs',
      '?run=mine&%20run=theirs',
      '?run=mine&+run=theirs',
      '?run=mine&run%20=theirs',
      '?run=mine&r_un=theirs',
      '?run=mine&r%00un=theirs',
      '?run=mine&run%00=theirs',
      '?run=mine&run%00x=theirs',
      '?run=mine&r%E2%80%8Bun=theirs',
      '?run=mine&%EF%BB%BFrun=theirs',
      '?run=mine&%EF%BD%92un=theirs',
      '?run=mine&%2572un=theirs',
      '?run=mine&x=1;run=theirs',
      '?run=mine;run=theirs',
      '??run=theirs&run=mine',
      '?run=mine&%u0072un=theirs',
      '?a=?run=theirs&run=mine',
      '?run=mine&a=?run=theirs',
      '?run=mine]=x',
      '?run=mine%5D=x',
      '?run=mine&x=%',
      '?run=mine&x=%FF',
      '?run=m%FFine',
      '?run=mine%00',
      `?${FILLERS}&run=mine`,
      `?${'&'.repeat(100)}run=mine`,
      `?${FILLERS.split('&', 100).join('&')}&run=mine`,
    ]),
  )('has one reading: %s', async (_, query) => {
    expect(await send(`/q/run${query}`)).toEqual(refused('parameter_ambiguous'))
    expect(setting.origin.requests).toEqual([])
  })

  it.each(
    named([
      '?[admin]=1',
      '?admin[]=1',
      '?ADMIN=1',
      '?a=1;admin=1',
      '?admin%00=1',
      `?${FILLERS}&x=1`,
    ]),
  )('is not there in any reading, or refused: %s', async (_, query) => {
    expect(await send(`/q/admin${query}`)).toEqual(refused('parameter_ambiguous'))
  })

  it.each(['user.id=1', 'user[id]=1', 'user.id[x]=1', 'user.id.x=1', 'user_id[]=1'])(
    'of a name with a dot is not there in any reading, or refused: %s',
    async (query) => {
      const code = query === 'user.id=1' ? 'condition_failed' : 'parameter_ambiguous'
      expect((await send(`/q/user?${query}`)).code).toBe(code)
    },
  )

  it('is not taken for another text where it is no UTF-8', async () => {
    expect(await send('/q/role?role=%FF')).toEqual(refused('parameter_ambiguous'))
    expect(await send('/q/role?role=%EF%BF%BD')).toEqual(passed)
    expect(await send('/q/role?role=%EF%BB%BFuser')).toEqual(passed)
  })

  it('alone is asked for that: other rules hand on any query', async () => {
    for (const query of ['?[run]=1&run=2;x', '?%', '?%FF', `?${FILLERS}`, '?=&&=']) {
      expect(await send(`/q/any${query}`)).toEqual(passed)
    }
  })
})

describe('a token in the query', () => {
  it.each([
    'access_token',
    '[access_token]',
    'ACCESS_token',
    'access.token',
    'access_token[]',
    'a;access_token',
  ])('is seen as %s', async (name) => {
    expect(await send(`/q/any?${name}=x`)).toEqual(refused('credential_in_query'))
  })

  it('is refused on a public rule too', async () => {
    expect(await send('/open/any?page=2', { token: '' })).toEqual(passed)
    expect(await send('/open/any?access_token=x', { token: '' })).toEqual(
      refused('credential_in_query'),
    )
  })

  it('is not looked for in names that nobody takes for it', async () => {
    expect(await send('/q/any?accessToken=x&token=x&access_tokens=x')).toEqual(passed)
  })
})

describe('a method that the query names', () => {
  it.each([
    '_method=DELETE',
    '_METHOD=delete',
    '%5Fmethod=DELETE',
    'x=1&X-HTTP-Method-Override=PUT',
    '_method=PURGE',
    'x=1;_method=DELETE',
  ])('is refused where another rule is for it: %s', async (query) => {
    expect(await send(`/q/any?${query}`, { method: 'POST' })).toEqual(refused('method_ambiguous'))
  })

  it('is refused where the query names a second one', async () => {
    for (const query of [
      '_method=GET&_method=POST',
      '_method=post&X-HTTP-Method=GET',
      '_method=GET&x_method=X',
    ]) {
      expect(await send(`/q/any?${query}`, { method: 'POST' })).toEqual(refused('method_ambiguous'))
    }
  })

  it('passes where the same rule is for it, or it is the one of the request', async () => {
    const query = '_method=get&'.repeat(25)
    expect(await send(`/q/any?${query}`, { method: 'POST' })).toEqual(passed)
    expect(await send('/q/any?_method=POST', { method: 'POST' })).toEqual(passed)
    expect(await send('/q/any?_method=get', { method: 'POST' })).toEqual(passed)
    expect(await send('/q/every?_method=DELETE', { method: 'POST' })).toEqual(passed)
    expect(await send('/q/any?method=DELETE&_method=', { method: 'POST' })).toEqual(passed)
  })
})

describe('a resource under a pattern', () => {
  const read = (uri: string) =>
    send('/mcp', {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri } }),
    })

  it.each(['a.txt', 'a/b/', 'caf%C3%A9', 'a?u=http://x/', 'C%23/x'])('passes: %s', async (rest) => {
    expect(await read(`file:///docs/${rest}`)).toEqual(passed)
  })

  it.each([
    'secret;v=1',
    'secret;',
    'a;b/c',
    'secret%3Bv=1',
    'secret%EF%BC%9Bv=1',
    '/etc/x',
    'a//etc/x',
    '%2Fetc/x',
    'a%2fb',
    '%5Cetc%5Cx',
    'a%5Cb',
    '%EF%BC%8Fetc/x',
    '%EF%BC%BCetc',
    '%E2%80%8B/etc/x',
    '%E2%80%8Bsecret',
    'sec%C2%ADret',
    'secret%EF%B8%8F',
    '.%E2%80%8B./etc/x',
    '%EF%BD%93ecret',
    '%EF%BC%852Fetc',
    'secret%EF%BC%9Fx',
    'C:/windows/x',
    'a/c%3A/x',
    'ab%3Ac',
    'secret::$DATA',
    'secret:x',
  ])('is read alike by all: %s', async (rest) => {
    expect(await read(`file:///docs/${rest}`)).toEqual(refused('resource_not_allowed', 403))
  })

  it.each(['db://main/pub/ab:c/xy:80', 'db://main/pub/x?at=c:/y', 'urn:docs:a:b', 'urn:docs:a/b'])(
    'passes: %s',
    async (uri) => {
      expect(await read(uri)).toEqual(passed)
    },
  )

  it.each([
    'urn:docs:/etc/passwd',
    'urn:docs:c:/x',
    'urn:docs:\\x',
    'db://main/pub/\\etc\\x',
    'db://main/pub/x\\\\etc',
    'db://main/pub/c:/windows/x',
    'db://main/pub/C:x',
  ])('is no path that begins anew: %s', async (uri) => {
    expect(await read(uri)).toEqual(refused('resource_not_allowed', 403))
  })
})

describe('a path that others read as one of an earlier rule', () => {
  const READ_AS_ADMIN = [
    'admin.',
    'admin...',
    'admin%20',
    '%20admin',
    'admin%C2%A0',
    'admin%E2%80%8B',
    'admin.json',
    'admin.json/',
    'ADMIN.JSON',
    'admin%20.json',
    'admin.json%20',
    '%EF%BD%81dmin',
    '%EF%BC%A1dmin',
    'admin%3Bx=1',
    'admin%3Fx',
    'admin%3Fx/y/z',
    'admin%23x',
    'admin%EF%BC%9Bx',
    'x%EF%BC%8F..%EF%BC%8Fadmin',
    '%EF%BC%8E%EF%BC%8E/v1/admin',
    'x/%EF%BC%8E%EF%BC%8E/admin',
    '%20/admin',
    'admin+',
    'admin::$DATA',
    'admin:$I30:$INDEX_ALLOCATION',
    'admin%3A%24DATA',
    'admin%EF%BC%9A%EF%BC%84DATA',
    '(S(abc))/admin',
    '(A(x)F(y))admin',
  ]

  it.each(READ_AS_ADMIN)('is refused: %s', async (rest) => {
    expect(await send(`/v1/${rest}`)).toEqual(refused('path_ambiguous'))
    expect(setting.origin.requests).toEqual([])
  })

  it.each([
    'admin./users',
    'admin%3Bx/users',
    '%EF%BD%81dmin/%20users',
    'admin:$I30:$INDEX_ALLOCATION/users',
  ])('is refused below it: %s', async (rest) => {
    const { code } = await send(`/v1/${rest}`)
    expect(['path_ambiguous', 'insufficient_scope']).toContain(code)
  })

  it.each([
    'admins',
    'admin.d/x/y',
    'x.json',
    'a%20b',
    'C%23',
    '%EF%BD%81',
    'admin,x',
    'admin:generate',
    'admin:x$y',
    '$batch',
    '@scope/name.tar.gz',
    'report.json',
  ])('passes where no earlier rule is concerned, or the rule spells it out: %s', async (rest) => {
    expect(await send(`/v1/${rest}`)).toEqual(passed)
  })

  it('is handed on by a rule that says so, but for case and a last slash', async () => {
    for (const rest of READ_AS_ADMIN.filter((one) => !/^admin\.json\/$/i.test(one))) {
      expect(await send(`/w/${rest.replace('/v1/', '/w/')}`)).toEqual(passed)
    }
    expect(await send('/w/ADMIN')).toEqual(refused('path_ambiguous'))
    expect(await send('/w/admin/')).toEqual(refused('path_ambiguous'))
  })
})

describe('a path with many readings, without a token', () => {
  /** Each segment is read otherwise by other servers. */
  const mixed = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      const ends = ['.%20%3Bx', '::.+', '%E2%80%8B.', '.a%3Bb%20', ':$%EF%BC%8E']
      return `%EF%BD%81${i}${ends[i % ends.length]}`
    }).join('/')

  it.each([50, 270, 380])('is refused: %s segments', async (count) => {
    const target = `/v1/${mixed(count)}`
    expect(target.length).toBeLessThan(8_192)
    expect(await sendAll({ target })).toEqual(refused('path_ambiguous'))
    const query = `?${'_method=GET&'.repeat(25)}`
    expect(await sendAll({ target: target + query })).toEqual(refused('path_ambiguous'))
    expect(await send(`/w/${mixed(count)}`)).toEqual(passed)
    expect(await sendAll({ target: `/.edgewarden/${mixed(count)}` })).toEqual(
      refused('route_unknown', 404),
    )
  })

  it.each([
    ['of few readings', mixed(6)],
    ['with dots', 'ab.c/'.repeat(1_600)],
    ['with spaces', 'a%20b/'.repeat(1_300)],
    ['beyond ASCII', '%C3%A9/'.repeat(1_100)],
    ['of one segment', 'ab.c%20'.repeat(1_100)],
  ])('is an ordinary path if it is %s', async (_, rest) => {
    expect(await sendAll({ target: `/v1/${rest}x` })).toEqual(refused('credential_missing', 401))
  })
})

it.each([
  '..%20',
  '%20..%20',
  '..+',
  '..%3B',
  '..%3Fa',
  '..::$DATA',
  '.%E2%80%8B.',
  '%EF%BC%8E%EF%BC%8E',
])('a step up as some servers read it is refused, whatever is there: %s', async (step) => {
  expect(await send(`/v1/files/${step}/later`)).toEqual(refused('path_ambiguous'))
  expect(await send(`/w/files/${step}/later`)).toEqual(passed)
})

describe('a header that a rule reads', () => {
  it.each<[string, string, { status: number; code: string }]>([
    ['/h/run', 'mine', passed],
    ['/h/run', 'm%69ne', refused('workflow_mismatch', 403)],
    ['/h/run', 'mine+', refused('workflow_mismatch', 403)],
    ['/h/run', 'min\xe9', refused('parameter_ambiguous')],
    ['/h/run', 'mine, theirs', refused('parameter_ambiguous')],
    ['/h/class', 'caf%C3%A9 +', passed],
    ['/h/class', 'caf\xe9', refused('parameter_ambiguous')],
    ['/h/class', 'caf\xc3\xa9', refused('parameter_ambiguous')],
  ])(
    'is taken as it is sent, without bytes of two readings: %s %j',
    async (path, value, expected) => {
      const name = path === '/h/run' ? 'X-Run' : 'X-Class'
      expect(await send(path, { headers: [[name, value]] })).toEqual(expected)
    },
  )
})
