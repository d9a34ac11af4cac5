import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { rejudge } from '../../../src/command/operate/rejudge.ts'
import { check } from '../../../src/command/policy/check.ts'
import { type RoutesOptions, routes } from '../../../src/command/policy/routes.ts'
import { policy } from '../../policy/support.ts'
import { folder, PARTS, toml, unplaced, write } from './kit.ts'

const directory = await folder()

const GITHUB = `[vars.ISSUERS.github]
issuer = "https://token.actions.githubusercontent.com"
profile = "generic"
agent_prefix = "github/"
agent_id = "event_name"
scopes_from = "grants"
claims = { repository_owner_id = "456" }
[vars.ISSUERS.idp]
issuer = "https://idp.acme.dev"
agent_prefix = "idp/"
scopes_from = "both"`
const RULES = `[[vars.ROUTES]]
match = "GET /docs"
scopes = ["docs:read"]
[[vars.ROUTES]]
match = "PUT /docs"
scopes = ["docs:write"]
claims = { environment = "production" }
[[vars.ROUTES]]
match = "POST /jobs"
scopes = ["docs:read"]
agent_types = ["ci"]`
const GRANTS = `[[vars.GRANTS]]
issuer = "github"
claims = { repository_id = "123" }
scopes = ["docs:read"]
agent_type = "ci"
[[vars.GRANTS]]
issuer = "github"
claims = { ref = "refs/heads/main" }
scopes = ["docs:write", "docs:read"]
[[vars.GRANTS]]
issuer = "github"
claims = { event_name = "schedule" }
scopes = []
agent_type = "cron"
[[vars.GRANTS]]
issuer = "idp"
claims = { groups = "readers" }
scopes = ["docs:read"]`
const issuer = PARTS.issuer.replace('admin =', 'agent_prefix = "acme/"\nadmin =')
const text = (changes: object = {}) =>
  toml({ issuer: `${issuer}\n${GITHUB}`, route: RULES, more: GRANTS, ...changes })
const file = await write(directory, 'wrangler.toml', text())
const of = async (claims: object, options: Partial<RoutesOptions> = {}) =>
  routes({ file, claims: JSON.stringify(claims), ...options })
const JOB = {
  iss: 'https://token.actions.githubusercontent.com',
  repository_id: '123',
  repository_owner_id: '456',
}

const matchesOf = ({ json }: Awaited<ReturnType<typeof of>>) =>
  (json as { routes: readonly { match: string }[] }).routes.map(({ match }) => match)

describe('routes --claims', () => {
  it('lists what such a token gets, by which grants, and the rules that it reaches', async () => {
    const outcome = await of(JOB)
    expect(outcome).toMatchObject({
      exitCode: 0,
      json: {
        agent: { issuer: 'github', scopes: 'docs:read', agentType: 'ci' },
        granted_by: { 'docs:read': ['GRANTS[0]'] },
      },
    })
    expect(matchesOf(outcome)).toEqual(['GET /docs', 'POST /jobs'])
    expect(outcome.out[0]).toBe('docs:read: by GRANTS[0]')
  })

  it('leaves out rules whose claims it does not fit', async () => {
    const claims = { ...JOB, repository_id: '9', ref: 'refs/heads/main' }
    expect(matchesOf(await of(claims))).toEqual(['GET /docs'])
    const production = await of({ ...claims, environment: 'production' })
    expect(matchesOf(production)).toEqual(['GET /docs', 'PUT /docs'])
    expect(production.out[0]).toBe('docs:write: by GRANTS[1]')
  })

  it('keeps those that are reached without a token', async () => {
    const optional = `${RULES.replace('environment', 'tenant')}\naccess = "optional"`
    const open = `${optional}\nclaims = { tenant = "other" }`
    const other = await write(directory, 'optional.toml', text({ route: open }))
    const found = await routes({ file: other, claims: JSON.stringify(JOB) })
    expect(matchesOf(found)).toEqual(['GET /docs', 'POST /jobs'])
  })

  it('adds to what the token says where the issuer’s table says so', async () => {
    const claims = { scope: 'docs:write', environment: 'production', groups: ['readers'] }
    const outcome = await of(claims, { issuer: 'idp' })
    expect(matchesOf(outcome)).toEqual(['GET /docs', 'PUT /docs'])
    expect(matchesOf(await of({ ...claims, groups: [] }, { issuer: 'idp' }))).toEqual(['PUT /docs'])
  })

  it.each<[string, object, string]>([
    ['fits nothing of the issuer’s claims', { ...JOB, repository_owner_id: '9' }, 'claim_rejected'],
    ['names its agent by no text', { ...JOB, event_name: 7 }, 'agent_id_malformed'],
    ['gets two types', { ...JOB, event_name: 'schedule' }, 'grant_conflict'],
  ])('says that a token is refused that %s', async (_name, claims, code) => {
    expect(await of(claims)).toMatchObject({
      exitCode: 1,
      out: [`Such a token is refused: ${code}.`],
      json: { refused: code, routes: [] },
    })
  })

  it('says which claims such a token needs and lacks', async () => {
    const asksOf = ({ json }: Awaited<ReturnType<typeof of>>) =>
      (json as { routes: readonly { asks: object }[] }).routes.map(({ asks }) => asks)
    const claims = { groups: ['readers'], sub: 'alice' }
    expect(asksOf(await of(claims, { issuer: 'idp' }))).toEqual([
      { issuer_required_claims: ['client_id', 'jti'] },
    ])
    expect(asksOf(await of({ ...claims, client_id: 'app', jti: '1' }, { issuer: 'idp' }))).toEqual([
      {},
    ])
    expect(asksOf(await of(JOB))).toEqual([{}, {}])
  })

  it('takes the trust domain of a SPIFFE ID as the gate does, whatever iss says', async () => {
    const iss = 'https://oidc.mesh.dev'
    const mesh = `[vars.ISSUERS.mesh]
issuer = "spiffe://mesh.dev"
jwks_uri = "https://bundle.mesh.dev/"
profile = "spiffe"
agent_prefix = "mesh/"
scopes_from = "grants"
claims = { iss = "${iss}" }`
    const grants = `[[vars.GRANTS]]
issuer = "mesh"
claims = { sub = "spiffe://mesh.dev/planner" }
scopes = ["docs:read"]`
    const other = await write(
      directory,
      'spiffe.toml',
      text({ issuer: `${issuer}\n${mesh}`, more: grants }),
    )
    const asked = (claims: object, options = {}) =>
      routes({ file: other, claims: JSON.stringify(claims), ...options })
    const sub = 'spiffe://mesh.dev/planner'
    expect(matchesOf(await asked({ sub, iss }))).toEqual(['GET /docs'])
    expect(matchesOf(await asked({ sub, iss }, { issuer: 'mesh' }))).toEqual(['GET /docs'])
    expect(await asked({ sub })).toMatchObject({ json: { refused: 'claim_rejected' } })
    for (const one of ['spiffe://evil.dev/planner', 'spiffe://mesh.dev']) {
      expect((await asked({ sub: one, iss })).exitCode).toBe(2)
      expect(await asked({ sub: one, iss }, { issuer: 'mesh' })).toMatchObject({
        json: { refused: 'issuer_unknown' },
      })
    }
  })

  it('reads a file, and cannot tell without claims or an issuer', async () => {
    const claims = await write(directory, 'claims.json', JSON.stringify(JOB))
    expect(matchesOf(await routes({ file, claims: `@${claims}` }))).toHaveLength(2)
    expect(await routes({ file, claims: '[]' })).toMatchObject({
      exitCode: 2,
      err: [expect.stringContaining('--claims must be a JSON object')],
    })
    expect(await of({ ...JOB, iss: undefined })).toMatchObject({
      exitCode: 2,
      err: [expect.stringContaining('--claims needs the issuer')],
    })
    expect(await routes({ file, claims: `@${join(directory, 'none')}` })).toMatchObject({
      exitCode: 2,
    })
  })
})

describe('check', () => {
  it('says how a stranger would get in, and where', async () => {
    const open = await write(
      directory,
      'open.toml',
      text({ issuer: `${issuer}\n${GITHUB.replace(/claims = .*\n/, '')}` }),
    )
    const { err, exitCode } = await check({ file: open })
    expect(exitCode).toBe(1)
    expect(err[0]).toMatch(
      /open\.toml:\d+:1: ISSUERS\.github\.claims: pins no owner.* in by GRANTS\[1\]; GRANTS\[2\]/,
    )
  })

  it('names the place of a grant with a mistake, and of one that opens nothing', async () => {
    const wrong = GRANTS.replace('"docs:write", "docs:read"', '"docs:wrote"')
    const warned = await write(directory, 'wrong.toml', text({ more: wrong }))
    const lines = wrong.split('\n').findIndex((line) => line.includes('docs:wrote'))
    const { err } = await check({ file: warned })
    const line =
      text({ more: wrong })
        .split('\n')
        .findIndex((one) => one.includes('docs:wrote')) + 1
    expect(lines).toBeGreaterThan(0)
    expect(err.find((one) => one.includes('GRANTS[1].scopes[0]'))).toMatch(
      new RegExp(`wrong\\.toml:${line}:\\d+: .*\`docs:wrote\` opens nothing`),
    )
    const broken = await write(
      directory,
      'broken.toml',
      text({ more: `${GRANTS}\nagent_ids = "x"` }),
    )
    expect(unplaced(await check({ file: broken })).err[0]).toContain(
      'GRANTS[3].agent_ids: unknown key `agent_ids`; did you mean `agent_id`?',
    )
  })
})

describe('a record of a token with grants', () => {
  it('is judged by the scopes, type and id that it had, since its claims are not all known', async () => {
    const read = policy({
      ISSUERS: { idp: { issuer: 'https://idp.example', scopes_from: 'grants' } },
      GRANTS: [{ issuer: 'idp', claims: { groups: 'x' }, scopes: ['docs:read'] }],
      ROUTES: [{ match: 'GET /docs', scopes: ['docs:read'] }],
    })
    const record = {
      ...{ issuer: 'https://idp.example', route: 'GET /docs', host: 'api.example.com' },
      ...{ method: 'GET', time: '2026-11-20T10:15:02.114Z', agent: 'a', subject: 'a', client: 'a' },
      ...{ jti: 'j', aud: ['https://api.example.com'], iat: 1_795_169_700, exp: 1_795_169_760 },
      ...{ token_scopes: ['docs:read'], granted_by: ['GRANTS[0]'] },
    }
    const judged = await rejudge(read, record)
    expect(judged).toMatchObject({ decision: 'allowed', rule: 'GET /docs' })
    expect(judged?.not_judged).toContain('grants')
    expect(await rejudge(read, { ...record, token_scopes: [] })).toMatchObject({
      decision: 'denied',
      code: 'scope_missing',
    })
  })
})
