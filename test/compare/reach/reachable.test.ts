import { describe, expect, it } from 'vitest'
import { reachable } from '../../../src/compare/reach/reachable.ts'
import type { Described } from '../../../src/compare/reach/ways.ts'
import { policy } from '../../gate/policy/support.ts'

const ISSUERS = {
  acme: { issuer: 'https://auth.acme.example', agent_prefix: 'acme/', admin: 'own' },
  beta: { issuer: 'https://auth.beta.example', agent_prefix: 'beta/' },
}
const POLICY = policy({
  ISSUERS,
  ROUTES: [
    { match: 'GET /docs/special', scopes: ['special'] },
    { match: 'GET /docs/{id}', scopes: { any: ['docs:read', 'docs:read:{id}'] } },
    { match: 'GET /both/{a}/{b}', scopes: ['a:{a}', 'b:{b}'] },
    { match: 'GET /pair/{a}/{b}', scopes: ['p:{a}:{b}'] },
    { match: 'POST /docs', scopes: ['docs:write'], agent_types: ['orchestrator'] },
    { match: 'GET /runs/{run}', scopes: ['runs'], workflow: 'path:run' },
    { match: 'GET /jobs/{run}', scopes: ['jobs:{run}'], workflow: 'path:run' },
    { match: 'GET /steps', scopes: ['runs'], workflow: 'header:x-run' },
    { match: 'GET /beta', scopes: ['beta'], issuers: ['beta'] },
    { match: 'GET /maybe', scopes: ['maybe'], access: 'optional' },
    { match: 'GET /open', access: 'public' },
  ],
  SCOPES: {
    'docs:write': ['docs:read'],
    vip: ['docs:read:42'],
    'all-a': ['a:*'],
    'all-jobs': ['jobs:*'],
    'edgewarden:read': ['docs:read'],
  },
})

const paths = async (described: Described): Promise<readonly string[]> =>
  (await reachable(POLICY, described)).map(({ route, only, isAnonymous, issuers }) =>
    [
      route.path,
      ...only.map((one) => JSON.stringify(one)),
      ...(isAnonymous || issuers.length === 2 ? [] : issuers.map(({ name }) => name)),
    ].join(' '),
  )

const ALWAYS = ['/maybe', '/open']

describe('reachable', () => {
  it.each<[Described, string[]]>([
    [{ scopes: [] }, []],
    [{ scopes: ['docs:read'] }, ['/docs/{id}']],
    [{ scopes: ['docs:write'], type: 'orchestrator' }, ['/docs/{id}', '/docs']],
    [{ scopes: ['docs:write'], type: 'sub-agent' }, ['/docs/{id}']],
    [{ scopes: ['docs:write'] }, ['/docs/{id}', '/docs']],
    [{ scopes: ['docs:read:42'] }, ['/docs/{id} {"id":"42"}']],
    [{ scopes: ['docs:read:42', 'docs:read:7'] }, ['/docs/{id} {"id":"42"} {"id":"7"}']],
    [{ scopes: ['docs:read:42', 'docs:read'] }, ['/docs/{id}']],
    [{ scopes: ['vip'] }, ['/docs/{id} {"id":"42"}']],
    // An earlier rule takes that path.
    [{ scopes: ['docs:read:special'] }, []],
    [{ scopes: ['a:1', 'b:2'] }, ['/both/{a}/{b} {"a":"1","b":"2"}']],
    [{ scopes: ['a:1'] }, []],
    [{ scopes: ['all-a', 'b:2'] }, ['/both/{a}/{b} {"b":"2"}']],
    // SCOPES names a:*, and this agent does not have all of it.
    [{ scopes: ['a:x', 'b:2'] }, ['/both/{a}/{b} {"a":"x","b":"2"}']],
    [{ scopes: ['p:x:y'] }, ['/pair/{a}/{b} {"a":"x","b":"y"}']],
    [{ scopes: ['p:x'] }, []],
    [{ scopes: ['runs'] }, ['/runs/{run}', '/steps']],
    [{ scopes: ['runs'], workflow: 'w9' }, ['/runs/{run} {"run":"w9"}', '/steps']],
    [{ scopes: ['runs'], workflow: 'a/b' }, ['/steps']],
    [{ scopes: ['all-jobs'], workflow: 'w9' }, ['/jobs/{run} {"run":"w9"}']],
    // No scope has such a value.
    [{ scopes: ['all-jobs'], workflow: 'w 9' }, []],
    [{ scopes: ['beta'] }, ['/beta beta']],
    [{ scopes: ['beta'], issuer: ISSUERS.acme.issuer }, []],
    // Such a scope counts only of an issuer with admin.
    [{ scopes: ['edgewarden:read'] }, ['/docs/{id} acme']],
    [{ scopes: ['edgewarden:read'], issuer: ISSUERS.beta.issuer }, []],
  ])('%j', async (described, expected) => {
    expect(
      (await paths(described)).filter((one) => !ALWAYS.includes(one.split(' ')[0] ?? '')),
    ).toEqual(expected)
  })

  describe('where an earlier rule takes some paths of a rest', () => {
    const rest = policy({
      ISSUERS: { acme: ISSUERS.acme },
      ROUTES: [
        { match: 'GET /v1/open/{item}', access: 'public' },
        { match: 'GET /v1/{tenant}/{item}', scopes: ['items'] },
        { match: 'GET /v1/{tenant}/*', scopes: ['files:{tenant}'] },
        { match: 'GET /v2/all/*', scopes: ['all'] },
        { match: 'GET /v2/low/{a}', scopes: ['all'] },
        { match: 'GET /v2/low/{a}/{b}/*', scopes: ['all'] },
        { match: 'GET /v2/top/{a}/*', scopes: ['all'] },
        { match: 'GET /v2/{tenant}/*', scopes: ['v2:{tenant}'] },
        { match: 'GET /runs/{run}/{step}', scopes: ['steps'] },
        { match: 'GET /runs/{run}/*', scopes: [], workflow: 'path:run' },
      ],
    })
    const ANY_RUN = 'GET /runs/{run}/*'
    it.each<[string, Described, string[]]>([
      ['deeper', { scopes: ['files:acme'] }, ['GET /v1/{tenant}/* {"tenant":"acme"}', ANY_RUN]],
      ['deeper', { scopes: ['files:open'] }, ['GET /v1/{tenant}/* {"tenant":"open"}', ANY_RUN]],
      ['between', { scopes: ['v2:low'] }, ['GET /v2/{tenant}/* {"tenant":"low"}', ANY_RUN]],
      ['empty', { scopes: ['v2:top'] }, ['GET /v2/{tenant}/* {"tenant":"top"}', ANY_RUN]],
      ['no', { scopes: ['v2:all'] }, [ANY_RUN]],
      ['deeper', { scopes: [], workflow: 'r1' }, [`${ANY_RUN} {"run":"r1"}`]],
    ])('has those with %s rests of %j', async (_, described, expected) => {
      const found = await reachable(rest, described)
      expect(
        found.flatMap(({ route, only, isAnonymous }) =>
          isAnonymous ? [] : [[route.name, ...only.map((one) => JSON.stringify(one))].join(' ')],
        ),
      ).toEqual(expected)
    })
  })

  it('holds nothing against an agent that is not known of it', async () => {
    const found = await reachable(POLICY, {})
    expect(found).toHaveLength(POLICY.routes.length)
    expect(found.every(({ only }) => only.length === 0)).toBe(true)
  })
})
