import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { folder, inFolder, runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import type { Members } from '../kit/signing.ts'
import { RESOURCE, type Setting, startSetting } from './setting.ts'

const SCOPE =
  'edgewarden:revoke edgewarden:agents edgewarden:audit:read edgewarden:audit:erase edgewarden:read'
const TWIN = 'https://twin.example'
/** An issuer that the gate does not have, and has never had. */
const STRANGE = 'https://auth.example.invalid'

inFolder(await folder())
let setting: Setting
let keys: Issuer
beforeAll(async () => {
  keys = await createIssuer()
  const { stdout } = await runHere(['keygen', '--operator', '--issuer', 'ops'])
  const { vars } = parse(stdout) as { vars: { ISSUERS: object } }
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    gate: { shared_ids: true },
    routes: [
      { match: 'GET /v1/read', scopes: [] },
      { match: 'GET /v1/write', scopes: ['write'] },
      { match: 'GET /v1/acme', scopes: [], issuers: ['acme'] },
    ],
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    more: {
      ISSUERS_OPS: vars.ISSUERS,
      // Its agents have no prefix, so that one can be named as an agent of acme is shown.
      ISSUERS_TWIN: { twin: { issuer: TWIN, jwks: { keys: [keys.jwk] }, admin: 'own' } },
    },
  })
  const token = await setting.token({ client_id: 'reader', sub: 'alice', scope: 'read' })
  for (const path of ['/v1/read', '/v1/write']) await setting.ask(path, { token })
  await eventually(async () => {
    const { decisions } = await call('GET', '/decisions?issuer=acme&subject=alice')
    expect(decisions).toHaveLength(2)
  })
})
afterAll(async () => {
  await setting.close()
  await keys.close()
})

/** A call of an administrator of every issuer; its answer with the status. */
const call = async (method: string, path: string, body?: object): Promise<Members> => {
  const response = await setting.ask(`/.edgewarden${path}`, {
    method,
    token: await setting.token({ client_id: 'ops', sub: 'maria', scope: SCOPE }),
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { ...JSON.parse(text === '' ? '{}' : text), status: response.status }
}
/** The status, code and first problem of a refused call. */
const refused = async (...args: Parameters<typeof call>) => {
  const { status, code, problems } = await call(...args)
  const [{ path, message } = {} as Members] = (problems ?? []) as Members[]
  return [status, code, path, message]
}
const command = (...args: readonly string[]) =>
  runHere([...args, '--gate', setting.gate.url, '--key', 'ops.jwk', '--audience', RESOURCE])

describe('an issuer by the name of its table', () => {
  it('is found by the commands as by its URL', async () => {
    const acme = ['--issuer', 'acme']
    expect(await command('revoke', 'agent', 'gone', ...acme)).toMatchObject({ code: 0 })
    const listed = await command('list', ...acme)
    expect([listed.code, listed.stdout]).toEqual([0, expect.stringContaining('agent "gone"')])
    const lifted = await command('lift', ...acme)
    expect([lifted.code, lifted.stdout]).toEqual([
      0,
      expect.stringContaining('Lifted agent "gone"'),
    ])
    expect((await command('lift', '--issuer', 'amce')).stderr).toMatch(/^The gate refused/)
    const log = await command('log', ...acme, '--json')
    expect(JSON.parse(log.stdout).decisions.length).toBeGreaterThan(0)
    const usage = await command('usage', ...acme)
    expect([usage.code, usage.stdout]).toEqual([0, expect.stringContaining('reader')])
    expect(await command('agents', 'list', ...acme)).toMatchObject({ code: 0 })
    expect(await command('alerts', ...acme)).toMatchObject({ code: 0 })
  })

  it('is found by the endpoints', async () => {
    const made = await call('POST', '/revocations', { kind: 'agent', issuer: 'acme', value: 'x' })
    const issuer = setting.issuer.issuer
    expect(made).toMatchObject({ status: 200, revocations: [{ issuer }] })
    const found = await call('GET', '/revocations?issuer=acme')
    expect(found.revocations).toEqual(made.revocations)
    expect((await call('DELETE', '/revocations?issuer=acme')).revocations).toEqual(
      found.revocations,
    )
    const suspended = await call('POST', '/agents/suspend', { issuer: 'acme', agent: 'y' })
    expect(suspended.agent).toMatchObject({ issuer, agent: 'y' })
    expect((await call('GET', '/agents/entry?issuer=acme&agent=y')).status).toBe(200)
  })
})

describe('a name that the gate does not have', () => {
  const codes = {
    '/decisions': 'decision_query_invalid',
    '/decisions/live': 'decision_query_invalid',
    '/usage': 'decision_query_invalid',
    '/revocations': 'revocation_invalid',
    '/agents': 'agent_invalid',
    '/alerts': 'agent_invalid',
  }
  it.each(Object.entries(codes))('is refused by GET %s, with the nearest', async (path, code) => {
    expect(await refused('GET', `${path}?issuer=amce`)).toEqual([
      ...[400, code, 'issuer'],
      'is not an issuer of this gate; did you mean acme?',
    ])
    const near = setting.issuer.issuer.replace('127.0.0.1', '127.0.1')
    const told = await refused('GET', `${path}?issuer=${encodeURIComponent(near)}`)
    expect(told.slice(0, 3)).toEqual([400, code, 'issuer'])
    expect(told[3]).toContain(`; did you mean ${setting.issuer.issuer}?`)
    const strange = await refused('GET', `${path}?issuer=${encodeURIComponent(STRANGE)}`)
    expect(strange[3]).toMatch(/^is not an issuer of this gate; it has acme, http/)
  })

  it.each(['/decisions', '/decisions/live', '/usage'])(
    'is refused by GET %s as a code and as a rule',
    async (path) => {
      expect(await refused('GET', `${path}?code=scope_mising`)).toEqual([
        ...[400, 'decision_query_invalid', 'code'],
        'is not a code of this gate; did you mean scope_missing?',
      ])
      const rule = encodeURIComponent('GET /v1/reed')
      // The command asks so after several pages.
      const since = path === '/decisions' ? `&from=${Date.now() / 1_000}` : ''
      expect(await refused('GET', `${path}?rule=${rule}${since}`)).toEqual([
        ...[400, 'decision_query_invalid', 'rule'],
        'is not a rule of this gate; did you mean GET /v1/read?',
      ])
    },
  )

  it('is refused by calls that change something', async () => {
    const near = 'is not an issuer of this gate; did you mean acme?'
    const entry = { kind: 'agent', issuer: 'acmee', value: 'x' }
    for (const [method, path, body, code] of [
      ['POST', '/revocations', entry, 'revocation_invalid'],
      ['DELETE', '/revocations?issuer=acmee', undefined, 'revocation_invalid'],
      ['POST', '/agents/suspend', { issuer: 'acmee', agent: 'x' }, 'agent_invalid'],
      ['POST', '/audit/erase', { issuer: 'acmee', subject: 'alice' }, 'erasure_invalid'],
    ] as const) {
      expect(await refused(method, path, body)).toEqual([400, code, 'issuer', near])
    }
    const many = await refused('POST', '/revocations', {
      revocations: [{ ...entry, issuer: 'acme' }, entry],
    })
    expect(many).toEqual([400, 'revocation_invalid', 'revocations[1].issuer', near])
    const erased = { issuer: STRANGE, subject: 'alice' }
    expect((await refused('POST', '/audit/erase', erased)).slice(0, 3)).toEqual([
      ...[400, 'erasure_invalid', 'issuer'],
    ])
  })

  it('ends a command with an error, and no "nothing" is said', async () => {
    for (const args of [
      ['list', '--issuer', 'acmee'],
      ['lift', '--issuer', 'acmee'],
      ['log', '--issuer', 'acmee'],
      ['log', '--code', 'scope_mising'],
      ['usage', '--rule', 'GET /v1/reed'],
      ['audit', 'erase', '--subject', 'alice', '--issuer', 'acmee'],
      ['agents', 'list', '--issuer', 'acmee'],
      ['alerts', '--issuer', 'acmee'],
    ]) {
      const { code, stdout, stderr } = await command(...args)
      expect([args, code, stdout]).toEqual([args, 1, ''])
      expect([args, stderr]).toEqual([args, expect.stringContaining('; did you mean ')])
    }
  })
})

describe('an administrator of one issuer', () => {
  const asked = async (path: string) => {
    const token = await keys.mint({ iss: TWIN, client_id: 'boss', sub: 'boss', scope: SCOPE })
    const response = await setting.ask(`/.edgewarden${path}`, { token })
    const text = await response.text()
    return { status: response.status, code: response.ok ? '' : JSON.parse(text).code, text }
  }

  it('names its own, and learns nothing of others', async () => {
    for (const path of ['/decisions', '/usage', '/revocations', '/agents']) {
      expect(await asked(`${path}?issuer=twin`)).toMatchObject({ status: 200 })
      const refusals = ['acme', 'acmee', STRANGE, setting.issuer.issuer].map(async (name) => {
        const { status, code } = await asked(`${path}?issuer=${encodeURIComponent(name)}`)
        return `${status} ${code}`
      })
      const code = ['/decisions', '/usage'].includes(path) ? 'decision_reach' : 'admin_reach'
      expect(new Set(await Promise.all(refusals))).toEqual(new Set([`403 ${code}`]))
    }
    const { status, text } = await asked('/decisions?rule=GET+/v1/acmf')
    expect([status, text.includes('/v1/acme')]).toEqual([400, false])
    expect((await asked('/decisions?rule=GET+/v1/acme')).status).toBe(400)
  })
})

describe('an agent as it is shown', () => {
  /** The issuers and agents that a command finds, each once. */
  const found = async (...args: readonly string[]) => {
    const { stdout } = await command('log', ...args, '--json')
    const { decisions } = JSON.parse(stdout) as { decisions: Members[] }
    return [...new Set(decisions.map(({ issuer, agent }) => `${issuer} ${agent}`))].sort()
  }
  /** Sends a request of an agent of each issuer. */
  const act = async (agent: string, other: string) => {
    const claims = { client_id: other, sub: other }
    for (const token of [
      await setting.token({ client_id: agent, sub: agent }),
      await keys.mint({ iss: TWIN, ...claims }),
    ]) {
      expect((await setting.ask('/v1/read', { token })).status).toBe(200)
    }
    await eventually(async () => {
      for (const [issuer, id] of [
        ['acme', agent],
        ['twin', other],
      ] as const) {
        expect(await found('--agent-id', id, '--issuer', issuer)).toHaveLength(1)
      }
    })
  }

  it('is found without its issuer, and an id only with its issuer', async () => {
    await act('shown', 'plain')
    const acme = setting.issuer.issuer
    expect(await found('--agent', 'acme/shown')).toEqual([`${acme} shown`])
    expect(await found('--agent', 'plain')).toEqual([`${TWIN} plain`])
    const usage = await command('usage', '--agent', 'acme/shown')
    expect([usage.code, usage.stdout]).toEqual([0, expect.stringContaining(`${acme}`)])
    for (const args of [
      ['--agent-id', 'shown'],
      ['--agent-id', 'a', '--agent', 'b', '--issuer', 'acme'],
    ]) {
      const { code, stdout, stderr } = await command('log', ...args)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('--agent-id needs --issuer')
    }
    const none = await command('log', '--agent-id', 'acme/shown', '--issuer', 'acme')
    expect([none.code, none.stderr]).toEqual([
      0,
      '--agent-id is the id that the issuer gives it. The name as log shows it: --agent.\n',
    ])
  })

  it('is of one issuer, or the call is refused and names the issuers', async () => {
    await act('reader', 'acme/reader')
    const acme = setting.issuer.issuer
    const message = 'can be of several issuers; add the issuer: acme or twin'
    for (const path of ['/decisions', '/decisions/live', '/usage']) {
      expect(await refused('GET', `${path}?agent_name=acme/reader`)).toEqual([
        ...[400, 'decision_query_invalid', 'agent_name', message],
      ])
    }
    const { code, stdout, stderr } = await command('log', '--agent', 'acme/reader')
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(message)
    expect(await found('--agent', 'acme/reader', '--issuer', 'acme')).toEqual([`${acme} reader`])
    expect(await found('--agent', 'acme/reader', '--issuer', TWIN)).toEqual([`${TWIN} acme/reader`])
  })

  it('does not mix agents of two issuers that have the same id', async () => {
    await act('repo:123', 'repo:123')
    expect(await refused('GET', '/decisions?agent=repo:123')).toEqual([
      ...[400, 'decision_query_invalid', 'agent'],
      'can be of several issuers; add the issuer: acme or twin',
    ])
    expect(await found('--agent', 'repo:123')).toEqual([`${TWIN} repo:123`])
  })

  it('is found among the revocations', async () => {
    const entry = { kind: 'agent', issuer: 'acme', value: 'listed' }
    const { revocations } = await call('POST', '/revocations', entry)
    expect((await call('GET', '/revocations?agent_name=acme/listed')).revocations).toEqual(
      revocations,
    )
    const lifted = await command('lift', '--agent', 'acme/listed')
    expect([lifted.code, lifted.stdout]).toEqual([
      0,
      expect.stringContaining('Lifted agent "listed"'),
    ])
  })
})

describe('an act on an agent as it is shown', () => {
  const acts = [
    ['revoke', 'agent'],
    ...['show', 'suspend', 'resume', 'approve', 'set', 'retire', 'adopt'].map((one) => [
      'agents',
      one,
    ]),
  ]

  it.each(acts)('is refused by %s %s if several issuers can have the agent', async (...act) => {
    const { code, stdout, stderr } = await command(...act, 'acme/acted')
    expect([code, stdout]).toEqual([2, ''])
    const either = '--issuer acme --as-name or --issuer twin --as-name'
    expect(stderr).toBe(`"acme/acted" can be an agent of several issuers. Add ${either}.\n`)
    expect((await call('GET', '/agents/entry?issuer=acme&agent=acted')).code).toBe('agent_unknown')
  })

  it('takes what the refusal says to add', async () => {
    const added = ['acme/acted', '--issuer', 'acme', '--as-name']
    const { stdout } = await command('agents', 'suspend', ...added)
    expect(stdout).toMatch(/^acme\/acted: suspended\n/)
  })

  it('finds the issuer by the name alone where one can have the agent', async () => {
    const { code, stdout } = await command('agents', 'suspend', 'alone')
    expect([code, stdout]).toEqual([0, expect.stringContaining(TWIN)])
    const revoked = await command('revoke', 'agent', 'alone', '--reason', 'odd')
    expect([revoked.code, revoked.stdout]).toEqual([
      0,
      expect.stringContaining(`Revoked agent "alone" of ${TWIN}`),
    ])
    await command('lift', '--agent', 'alone')
  })

  it('asks for the issuer where the text is its id', async () => {
    const { code, stderr } = await command('revoke', 'agent', 'alone', '--as-id')
    expect([code, stderr]).toEqual([2, '--issuer is missing: each issuer has agents of its own\n'])
  })
})

describe('the status of an agent', () => {
  const list = async () => (await command('agents', 'list', 'stopped', '--issuer', 'acme')).stdout
  const show = async () =>
    (await command('agents', 'show', 'stopped', '--issuer', 'acme', '--as-id')).stdout
  const entry = '/agents/entry?issuer=acme&agent=stopped'
  beforeAll(() => call('PUT', entry, { status: 'approved' }))

  it.each([
    ['agent', ['agent', 'stopped', '--as-id']],
    ['issuer', ['issuer']],
  ])('is revoked while a revocation of kind %s refuses it', async (kind, wanted) => {
    expect(await list()).toMatch(/^acme\/stopped +approved /m)
    const args = ['--issuer', 'acme', '--reason', 'odd', '--force']
    expect((await command('revoke', ...wanted, ...args)).code).toBe(0)
    expect(await list()).toMatch(/^acme\/stopped +revoked /m)
    expect(await show()).toMatch(/^acme\/stopped: revoked\n/)
    expect(await show()).toContain(`kind ${kind}, reason odd`)
    expect((await command('lift', '--issuer', 'acme', '--kind', kind)).code).toBe(0)
    expect(await list()).toMatch(/^acme\/stopped +approved /m)
    expect((await call('GET', entry)).agent).not.toHaveProperty('revoked')
  })

  it('is the one of the registry if a revocation is of older tokens only', async () => {
    await call('POST', '/revocations', {
      kind: 'agent',
      issuer: 'acme',
      value: 'stopped',
      mode: 'before',
      at: 1,
    })
    expect(await show()).toMatch(/^acme\/stopped: approved\n/)
  })
})

describe('audit erase', () => {
  it('erases for the name of the table what it erases for the URL', async () => {
    const { code, stdout } = await command(
      'audit',
      'erase',
      '--subject',
      'alice',
      '--issuer',
      'acme',
    )
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^2 records changed\./)])
  })
})
