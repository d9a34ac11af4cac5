import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sightingOf, tell } from '../../e2e/learned.ts'
import type { Members } from '../../kit/signing.ts'
import { type ConsoleSetting, OPERATOR, startConsole } from './console-setting.ts'

/** An issuer that the administrator of another one may not see. */
const OTHER = 'https://other.example'
const REACH = '/.edgewarden/console/reach'
const ROUTES = [
  { match: 'GET /v1/files/{id}', scopes: { any: ['files:read', 'files:read:{id}'] } },
  { match: 'POST /v1/files', scopes: ['files:write'], agent_types: ['editor'] },
  { match: 'GET /v1/any', scopes: [], agents: 'approved' },
  { match: 'GET /v1/watched', scopes: ['files:write'], mode: 'shadow' },
  { match: 'GET /v1/open', access: 'public' },
]

let setting: ConsoleSetting
beforeAll(async () => {
  setting = await startConsole({ reaching: true, routes: ROUTES })
  const seen = (agent: string, more: object) =>
    sightingOf(setting, agent, 'careful', Date.now(), more)
  await tell(setting, 'careful', [
    seen('reader', { granted: ['files:read'] }),
    seen('of-7', { granted: ['files:read:7'], types: ['editor'] }),
    seen('editor', { granted: ['files:write'], types: ['editor'] }),
    seen('writer', { granted: ['files:write'] }),
  ])
})
afterAll(() => setting.close())

const ask = async (query: Members, scope = 'edgewarden:agents', of = setting): Promise<Members> => {
  const answer = await of.ask(`${REACH}?${new URLSearchParams(query as Record<string, string>)}`, {
    token: await of.token({ client_id: 'operator', scope }),
  })
  return { status: answer.status, ...((await answer.json()) as Members) }
}
const names = (found: Members) => ((found.agents ?? []) as Members[]).map(({ agent }) => agent)
const who = async (method: string, path: string) => names(await ask({ method, path }))

describe('who may call', () => {
  it('is said by the scopes and types that the gate has seen', async () => {
    expect(await who('GET', '/v1/files/7')).toEqual(['of-7', 'reader'])
    expect(await who('GET', '/v1/files/8')).toEqual(['reader'])
    expect(await who('POST', '/v1/files')).toEqual(['editor'])
    expect(await who('GET', '/v1/any')).toEqual(['editor', 'of-7', 'reader', 'writer'])
  })

  it('agrees with the gate', async () => {
    const call = async (agent: string, claims: Members, path: string, method = 'GET') => {
      const token = await setting.token({ client_id: agent, ...claims })
      return (await setting.ask(path, { method, token })).status
    }
    const of7 = { scope: 'files:read:7' }
    expect(await call('of-7', of7, '/v1/files/7')).toBe(200)
    expect(await call('of-7', of7, '/v1/files/8')).toBe(403)
    const writer = { scope: 'files:write' }
    expect(await call('writer', writer, '/v1/files', 'POST')).toBe(403)
    expect(await call('editor', { ...writer, agent_type: 'editor' }, '/v1/files', 'POST')).toBe(200)
  })

  it('has the rule and what it asks', async () => {
    expect(await ask({ method: 'GET', path: '/v1/any' })).toMatchObject({
      rule: {
        match: 'GET /v1/any',
        needs: 'any valid token',
        issuers: ['acme'],
        asks: { agents: 'approved' },
      },
      agents: [{ status: 'discovered' }, {}, {}, {}],
    })
  })

  it('is anyone where no token is needed', async () => {
    for (const path of ['/v1/open', '/v1/watched']) {
      const found = await ask({ method: 'GET', path })
      expect([path, found.anyone, found.agents]).toEqual([path, true, undefined])
    }
  })

  it('is nobody where the gate refuses the request', async () => {
    const code = async (query: Members) => (await ask(query)).refused
    expect(await code({ method: 'GET', path: '/v2' })).toBe('route_unknown')
    expect(await code({ method: 'GET', path: '/v1/any', host: 'other.example' })).toBe(
      'host_unknown',
    )
    expect(await code({ method: 'GET', path: '/v1/a//b' })).toBe('path_ambiguous')
  })
})

describe('what an agent may call', () => {
  const rules = async (agent: string) => {
    const found = await ask({ issuer: 'acme', agent })
    return ((found.rules ?? []) as Members[]).map(({ match, only }) => [match, only])
  }

  it('is said with the values of the path that it needs', async () => {
    const free = [
      ['GET /v1/any', []],
      ['GET /v1/watched', []],
      ['GET /v1/open', []],
    ]
    expect(await rules('reader')).toEqual([['GET /v1/files/{id}', []], ...free])
    expect(await rules('of-7')).toEqual([['GET /v1/files/{id}', [{ id: '7' }]], ...free])
    expect(await rules('editor')).toEqual([['POST /v1/files', []], ...free])
    expect(await rules('writer')).toEqual(free)
  })

  it('has the agent as the registry shows it', async () => {
    const issuer = setting.issuer.issuer
    expect(await ask({ issuer, agent_name: 'acme/writer' })).toMatchObject({
      agent: { issuer, agent: 'writer', agent_name: 'acme/writer', status: 'discovered' },
    })
  })
})

describe('a question that is wrong', () => {
  it('is refused with what is wrong', async () => {
    const wrong: readonly (readonly [Members, string])[] = [
      [{}, 'method'],
      [{ method: 'GET' }, 'path'],
      [{ method: 'get', path: '/v1/any' }, 'method'],
      [{ method: 'GET', path: 'v1/any' }, 'path'],
      [{ method: 'GET', path: '/v1/any#x' }, 'path'],
      [{ method: 'GET', path: '/v1/any', more: '1' }, 'more'],
      [{ method: 'GET', path: '/v1/any', cursor: 'x' }, 'cursor'],
      [{ agent: 'reader' }, 'issuer'],
      [{ issuer: 'acme', agent: 'reader', path: '/v1/any' }, 'path'],
    ]
    for (const [query, path] of wrong) {
      const found = await ask(query)
      const paths = ((found.problems ?? []) as Members[]).map((one) => one.path)
      expect([query, found.status, found.code, paths]).toEqual([
        query,
        400,
        'agent_invalid',
        expect.arrayContaining([path]),
      ])
    }
    expect(await ask({ issuer: 'acmee', agent: 'reader' })).toMatchObject({
      problems: [{ path: 'issuer', message: expect.stringContaining('did you mean acme?') }],
    })
    expect(await ask({ issuer: 'acme', agent: 'raeder' })).toMatchObject({
      status: 404,
      code: 'agent_unknown',
    })
  })

  it('needs the scope of the registry', async () => {
    const query = { method: 'GET', path: '/v1/any' }
    expect(await ask(query, 'edgewarden:read')).toMatchObject({
      status: 403,
      code: 'scope_missing',
    })
  })
})

describe('an administrator of one issuer', () => {
  it('sees its own agents and rules, and no others', async () => {
    const own = await startConsole({
      issuer: { admin: 'own', agent_prefix: 'acme/' },
      reaching: true,
      more: { ISSUERS_MORE: { other: { issuer: OTHER, agent_prefix: 'other/' } } },
      routes: [
        { match: 'GET /v1/theirs', scopes: ['secret:scope'], issuers: ['other'] },
        { match: 'GET /v1/any', scopes: [] },
      ],
    })
    try {
      await tell(own, 'careful', [
        sightingOf(own, 'mine', 'careful', Date.now()),
        { ...sightingOf(own, 'theirs', 'careful', Date.now()), issuer: OTHER },
      ])
      const shared = await ask({ method: 'GET', path: '/v1/any' }, OPERATOR, own)
      expect([names(shared), (shared.rule as Members).issuers]).toEqual([['mine'], ['acme']])
      const hidden = await ask({ method: 'GET', path: '/v1/theirs' }, OPERATOR, own)
      expect(hidden).toMatchObject({ status: 403, code: 'admin_reach' })
      expect(JSON.stringify(hidden)).not.toContain('secret:scope')
      const rules = await ask({ issuer: 'acme', agent: 'mine' }, OPERATOR, own)
      expect((rules.rules as Members[]).map(({ match }) => match)).toEqual(['GET /v1/any'])
      const foreign = { issuer: OTHER, agent: 'theirs' }
      expect(await ask(foreign, OPERATOR, own)).toMatchObject({ status: 403, code: 'admin_reach' })
    } finally {
      await own.close()
    }
  })
})
