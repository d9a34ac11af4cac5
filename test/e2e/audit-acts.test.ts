import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { createIssuer } from '../kit/issuer.ts'
import { isRecord } from '../kit/records.ts'
import { sign } from '../kit/signing.ts'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

const OWN = '/.edgewarden'
const OPTIONS = { durableObjects: WITH_AUDIT, issuer: { admin: 'all', agent_prefix: 'acme/' } }

let directory: string
let setting: Setting

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-acts-'))
  setting = await startSetting(OPTIONS)
})
afterAll(async () => {
  await setting.close()
  await rm(directory, { recursive: true, force: true })
})

const SCOPE = 'edgewarden:audit:read edgewarden:revoke'
const admin = () => setting.token({ scope: SCOPE, sub: 'maria', client_id: 'console' })

interface Stored {
  readonly [name: string]: unknown
}

const list = async (query: string, gate: Gate = setting.gate): Promise<readonly Stored[]> => {
  const answer = await askGate(gate, `${OWN}/decisions?limit=1000&${query}`, {
    token: await admin(),
  })
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { decisions: Stored[] }).decisions
}

const revoke = async (value: string, requestId: string, gate: Gate = setting.gate) =>
  askGate(gate, `${OWN}/revocations`, {
    method: 'POST',
    token: await admin(),
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: JSON.stringify({
      kind: 'agent',
      issuer: setting.issuer.issuer,
      value,
      reason: 'leaked',
    }),
  })

describe('a decision', () => {
  it('is told with its rule then and today, where the policy has changed', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-today-'))
    const rules = (scope: string) => [{ match: 'GET /v1/x', scopes: [scope] }]
    const first = await setting.another({ ...OPTIONS, dataDir, routes: rules('x:read') })
    const token = await setting.token({ client_id: 'agent-today', scope: 'x:read' })
    await askGate(first, '/v1/x', { token })
    const [decision] = await eventually(async () => {
      const found = await list('agent=agent-today', first)
      expect(found).toHaveLength(1)
      return found
    })
    await first.stop()
    const second = await setting.another({ ...OPTIONS, dataDir, routes: rules('x:write') })
    const path = `${OWN}/decisions/${decision?.id}?policy=true`
    const answer = await askGate(second, path, { token: await admin() })
    expect(await answer.json()).toMatchObject({
      policy: { gate: { resource: 'https://api.example.com' }, routes: [{ scopes: ['x:read'] }] },
      rule: { scopes: ['x:read'] },
      today: { changed: true, rule: { scopes: ['x:write'] }, revocations: [] },
    })
    await second.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
})

describe('acts of administrators', () => {
  it('say who has made and lifted which revocation, once', async () => {
    const made = await revoke('agent-7', 'act-revoke-7')
    const { revocations } = (await made.json()) as { revocations: { id: string }[] }
    const id = revocations[0]?.id
    const lifted = await setting.ask(`${OWN}/revocations/${id}`, {
      method: 'DELETE',
      token: await admin(),
      headers: { 'x-request-id': 'act-lift-7' },
    })
    expect(lifted.status).toBe(204)
    const entry = { id, kind: 'agent', issuer: setting.issuer.issuer, value: 'agent-7' }
    for (const [request_id, act] of [
      ['act-revoke-7', 'revoke'],
      ['act-lift-7', 'lift'],
    ]) {
      const [found, ...more] = await eventually(async () => {
        const acts = await list(`kind=act&request_id=${request_id}`)
        expect(acts).not.toEqual([])
        return acts
      })
      expect(more).toEqual([])
      expect(found).toMatchObject({
        v: 1,
        kind: 'act',
        act,
        agent: 'console',
        subject: 'maria',
        issuer: setting.issuer.issuer,
        entries: [{ ...entry, reason: 'leaked' }],
      })
      expect(found).not.toHaveProperty('decision')
      // The call is a decision of its own.
      await eventually(async () =>
        expect(await list(`decision=allowed&request_id=${request_id}`)).toHaveLength(1),
      )
    }
  })

  it('say which agent has given a token back, and that holds after a restart', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-given-back-'))
    const first = await setting.another({ ...OPTIONS, dataDir, reaching: true })
    const by = { client_id: 'agent-done', sub: 'agent-done' }
    const token = await setting.token({ ...by, jti: 'done-1' })
    for (let times = 0; times < 3; times++) {
      const answer = await askGate(first, `${OWN}/revoke`, {
        method: 'POST',
        token: await setting.token(by),
        body: new URLSearchParams({ token }),
      })
      expect(answer.status).toBe(200)
    }
    // After an act that was made later, so that none is missing.
    await revoke('agent-after', 'act-after', first)
    await eventually(async () => {
      const acts = await list('kind=act', first)
      expect(acts.map(({ agent }) => agent).sort()).toEqual(['agent-done', 'console'])
      expect(acts.find(({ agent }) => agent === 'agent-done')).toMatchObject({
        ...{ act: 'revoke', issuer: setting.issuer.issuer },
        entries: [{ kind: 'token', value: 'done-1', issuer: setting.issuer.issuer }],
      })
    })
    // Each in the ring of those whose entry it is.
    const { bytes } = (await first.call('AUDIT_LOG', '0', 'health')) as {
      bytes: Record<string, number>
    }
    expect([(bytes.acts ?? 0) > 0, (bytes.own_acts ?? 0) > 0]).toEqual([true, true])
    await first.stop()
    const second = await setting.another({ ...OPTIONS, dataDir })
    const refused = { status: 401, code: 'token_revoked' }
    expect(await outcome(await askGate(second, '/v1/x', { token }))).toEqual(refused)
    await second.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  it('have the security event that caused them, once, and that holds after a restart', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-events-'))
    const idp = await createIssuer({ alg: 'RS256' })
    const { issuer } = setting.issuer
    const events = [
      { issuer: idp.issuer, audience: 'gate', authorization: 'IDP', jwks_uri: idp.jwksUri },
    ]
    const authorization = 'Bearer of-the-identity-provider'
    const options = {
      ...{ ...OPTIONS, dataDir, secrets: { IDP: authorization } },
      issuer: { ...OPTIONS.issuer, events },
    }
    const uri = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled'
    const sub_id = { format: 'iss_sub', iss: issuer, sub: 'person-1' }
    const iat = Math.floor(Date.now() / 1000)
    const claims = { iss: idp.issuer, aud: 'gate', iat, jti: 'set-1', txn: 'cause-1', sub_id }
    const header = { typ: 'secevent+jwt', kid: idp.kid }
    const setOf = (more: object) => sign(header, { ...claims, ...more }, idp.key)
    const body = await setOf({ events: { [uri]: {} } })
    const send = async (gate: Gate, body: string) => {
      const headers = { 'content-type': 'application/secevent+jwt', authorization }
      const answer = await askGate(gate, `${OWN}/events`, { method: 'POST', headers, body })
      expect(answer.status).toBe(202)
    }
    const first = await setting.another(options)
    for (let i = 0; i < 2; i++) await send(first, body)
    const event = { transmitter: idp.issuer, uri, jti: 'set-1', txn: 'cause-1' }
    const act = { act: 'revoke', event, entries: [{ kind: 'subject', value: 'person-1', issuer }] }
    await eventually(async () => expect(await list('kind=act', first)).toMatchObject([act]))
    expect((await list('kind=act', first)).filter((one) => !isRecord(one))).toEqual([])
    await first.stop()
    const second = await setting.another(options)
    const token = await setting.token({ sub: 'person-1' })
    const refused = { status: 401, code: 'token_revoked' }
    expect(await outcome(await askGate(second, '/v1/x', { token }))).toEqual(refused)
    await send(second, body)
    const acts = async () => {
      const all = await list('kind=act', second)
      expect(all.filter((one) => !isRecord(one))).toEqual([])
      // Acts of the gate itself, such as rotate, come at any time.
      return all.filter((one) => one.event)
    }
    expect(await acts()).toHaveLength(1)
    // One that changes nothing is an act, too.
    const ended = uri.replace('risc/event-type/account-disabled', 'caep/event-type/session-revoked')
    const alone = await setOf({ jti: 'set-2', events: { [ended]: {} } })
    for (let i = 0; i < 2; i++) await send(second, alone)
    const noted = { act: 'event', event: { ...event, uri: ended, jti: 'set-2' }, entries: [] }
    await eventually(async () => expect(await acts()).toMatchObject([noted, act]))
    await Promise.all([second.stop(), idp.close()])
    await rm(dataDir, { recursive: true, force: true })
  })

  it('are apart from the calls that read the audit, which have the names of their filters', async () => {
    await list('subject=someone-73&from=1')
    await eventually(async () => {
      const reads = await list('kind=read')
      expect(reads.map(({ filters }) => filters)).toContainEqual(['limit', 'subject', 'from'])
      expect(reads[0]).toMatchObject({ agent: 'console', subject: 'maria', decision: 'allowed' })
      expect(JSON.stringify(reads)).not.toContain('someone-73')
    })
    for (const act of await list('kind=act')) expect(act).not.toHaveProperty('decision')
  })

  it('stay where own=false leaves out the calls of the gate itself', async () => {
    await eventually(async () => expect(await list('kind=read')).not.toEqual([]))
    const isOwn = ({ route, decision }: Stored) =>
      decision !== undefined && String(route).includes(` ${OWN}/`)
    const all = await list('')
    const others = await list('own=false')
    expect(all.filter(isOwn)).not.toEqual([])
    expect(others.filter(isOwn)).toEqual([])
    expect(others.filter(({ kind }) => kind === 'act')).not.toEqual([])
    // New reads were stored meanwhile; what came before them is the same.
    expect(all.filter((one) => !isOwn(one)).map(({ id }) => id)).toEqual(others.map(({ id }) => id))
    expect(await list('own=true&kind=read')).not.toEqual([])
    expect(await list('own=false&kind=read')).toEqual([])
    const token = await admin()
    const usage = await (await setting.ask(`${OWN}/usage?by=rule&own=false`, { token })).text()
    expect(usage).not.toContain(` ${OWN}/`)
    for (const path of ['decisions', 'decisions/live', 'usage']) {
      const answer = await setting.ask(`${OWN}/${path}?own=no`, { token })
      expect([path, await outcome(answer)]).toMatchObject([
        path,
        { status: 400, code: 'decision_query_invalid' },
      ])
    }
  })

  it('on one agent are found by its issuer and id, and no others', async () => {
    const { issuer } = setting.issuer
    for (const agent of ['agent-on', 'agent-off']) await revoke(agent, `act-${agent}`)
    const name = new URLSearchParams({ on_issuer: issuer, on_agent: 'agent-on' })
    await eventually(async () =>
      expect(await list('kind=act&request_id=act-agent-off')).toHaveLength(1),
    )
    await eventually(async () =>
      expect(await list(`${name}`)).toMatchObject([
        { act: 'revoke', subject: 'maria', entries: [{ value: 'agent-on', reason: 'leaked' }] },
      ]),
    )
    // What the agent that acted did is not what was done to it.
    expect(await list('on_issuer=acme&on_agent=console')).toEqual([])
    expect(await list('on_issuer=acme&on_agent=agent-on')).toHaveLength(1)
    const refused = async (path: string, query: string) => {
      const answer = await setting.ask(`${OWN}/${path}?${query}`, { token: await admin() })
      const { code, problems } = (await answer.json()) as Stored & { problems: Stored[] }
      return [answer.status, code, problems[0]?.path]
    }
    const invalid = (path: string) => [400, 'decision_query_invalid', path]
    expect(await refused('decisions', 'on_agent=agent-on')).toEqual(invalid('on_issuer'))
    expect(await refused('decisions', 'on_issuer=acme')).toEqual(invalid('on_agent'))
    for (const other of ['acne', 'https://other.example']) {
      const query = new URLSearchParams({ on_issuer: other, on_agent: 'agent-on' })
      expect(await refused('decisions', `${query}`)).toEqual(invalid('on_issuer'))
    }
    expect(await refused('decisions', 'on_agent_name=a&on_agent=a&on_issuer=acme')).toEqual(
      invalid('on_agent_name'),
    )
    for (const path of ['usage', 'decisions/live']) {
      expect(await refused(path, `${name}`)).toEqual(invalid('on_issuer'))
    }
    const log = async (...words: readonly string[]) => {
      const argv = ['log', ...words, '--gate', setting.gate.url, '--token-env', 'TOKEN']
      return runHere(argv, { TOKEN: await admin() })
    }
    const on = ['--on-agent-id', 'agent-on', '--on-issuer', 'acme']
    const { stdout } = await log(...on)
    expect(stdout).toMatch(/^.* act revoke .*agent agent-on of .*, reason: leaked.*\n$/)
    expect((await log('--on-agent-id', 'none', '--on-issuer', 'acme')).stdout).toBe(
      'No decision was found.\n',
    )
    expect((await log('--on-agent', 'acme/agent-on')).stdout).toBe(stdout)
    expect((await log('--on-agent', 'acme/agent-on', '--on-issuer', 'acme')).stdout).toBe(stdout)
    expect((await log('--on-agent', 'acme/none')).stdout).toBe('No decision was found.\n')
    // A name without the prefix is not guessed.
    const unknown = await log('--on-agent', 'agent-on')
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('on_agent_name: ')])
    const both = ['--on-agent', 'agent-on', '--on-agent-id', 'agent-on']
    const followed = ['--on-agent', 'agent-on', '--follow']
    for (const words of [on.slice(0, 2), on.slice(2), [...on, '--follow'], both, followed]) {
      const { code, stdout: out, stderr } = await log(...words)
      expect([code, out]).toEqual([2, ''])
      expect(stderr).toContain('--on-agent-id')
    }
  })

  it('are none where the change was refused', async () => {
    const refused = await setting.ask(`${OWN}/revocations`, {
      method: 'POST',
      token: await admin(),
      headers: { 'content-type': 'application/json', 'x-request-id': 'act-refused' },
      body: '{"kind":"nothing"}',
    })
    expect(refused.status).toBe(400)
    await eventually(async () => expect(await list('request_id=act-refused')).toHaveLength(1))
    expect(await list('kind=act&request_id=act-refused')).toEqual([])
    expect((await setting.ask(`${OWN}/decisions?kind=b`, { token: await admin() })).status).toBe(
      400,
    )
  })

  it('have erasing a person, whose values are gone', async () => {
    const token = await setting.token({
      sub: 'erika',
      client_id: 'agent-erased',
      jti: 'erika-token',
    })
    for (let i = 0; i < 3; i++) await setting.ask('/v1/x', { token })
    await eventually(async () => expect(await list('subject=erika')).toHaveLength(3))
    const erase = async (body: object, claims: object = {}) =>
      setting.ask(`${OWN}/audit/erase`, {
        method: 'POST',
        token: await setting.token({ scope: 'edgewarden:audit:erase', sub: 'maria', ...claims }),
        headers: { 'content-type': 'application/json', 'x-request-id': 'act-erase-1' },
        body: JSON.stringify(body),
      })
    const { issuer } = setting.issuer
    expect((await erase({ subject: 'erika' })).status).toBe(400)
    expect((await erase({ subject: 'erika', issuer }, { scope: SCOPE })).status).toBe(403)
    for (const cursor of ['../0', '7', '0.x']) {
      const answer = await erase({ subject: 'erika', issuer, cursor })
      expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'erasure_invalid' }])
    }
    expect(await list('subject=erika')).toHaveLength(3)

    const env = { TOKEN: await setting.token({ scope: 'edgewarden:audit:erase', sub: 'maria' }) }
    const args = ['audit', 'erase', '--subject', 'erika', '--issuer', issuer]
    const erased = await runHere([...args, '--gate', setting.gate.url, '--token-env', 'TOKEN'], env)
    expect(erased.stdout).toMatch(/^3 records changed\./)
    expect(await list('subject=erika')).toEqual([])
    expect(JSON.stringify(await list('kind=act')) + JSON.stringify(await list(''))).not.toContain(
      'erika',
    )
    const kept = await list('agent=agent-erased')
    expect(kept).toHaveLength(3)
    for (const one of kept) expect(one).toMatchObject({ decision: 'allowed', erased: true })
    const acts = (await list('kind=act')).filter(({ act }) => act === 'erase')
    expect(acts).toMatchObject([{ subject: 'maria', records: 3 }])
    expect((await erase({ subject: 'erika', issuer })).status).toBe(200)
  })
})
