import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { anyCharacter, tries } from '../kit/property.ts'
import type { Members } from '../kit/signing.ts'
import { clocked, gather } from './keys-setting.ts'
import { outcome, type Setting, startSetting } from './setting.ts'

/** An agent as its issuer names it. */
interface Agent {
  readonly issuer: string
  readonly agent: string
}

const OWN = '/.edgewarden'
const SCOPES =
  'edgewarden:revoke edgewarden:agents edgewarden:audit:read edgewarden:audit:erase edgewarden:read'

const text = fc
  .array(anyCharacter, { minLength: 1, maxLength: 6 })
  .map((characters) => characters.join(''))
  .filter((one) => !/\p{Cc}/u.test(one))

/** The prefixes of the issuers: none, one that begins another, and any text. */
const PREFIXES = ['', 'a/', 'a/a/', ...fc.sample(text, tries(1))]
const VICTIMS = fc.sample(text, tries(PREFIXES.length))
/** Between looks at what a bounded rule has heard: it may take a second. */
const PAUSE = 200
const issuerOf = (index: number) => `https://issuer-${index}.example`

/** Agents whose ids and names are as alike as can be. */
const agents: readonly Agent[] = PREFIXES.flatMap((prefix, index) => {
  const victim = VICTIMS[index] ?? 'victim'
  const other = PREFIXES[(index + 1) % PREFIXES.length] ?? ''
  const begins = [prefix, other, prefix + prefix].map((one) => one + victim)
  const ids = [victim, 'victim', prefix, ...begins]
  return [...new Set(ids)].filter(Boolean).map((agent) => ({ issuer: issuerOf(index), agent }))
})
const nameOf = ({ issuer, agent }: Agent) => PREFIXES[Number(/\d+/.exec(issuer)?.[0])] + agent

let keys: Issuer
let setting: Setting
beforeAll(async () => {
  keys = await createIssuer()
  const tables = PREFIXES.map((agent_prefix, index) => [
    `i${index}`,
    {
      issuer: issuerOf(index),
      jwks: { keys: [keys.jwk] },
      agent_prefix,
      admin: 'own',
    },
  ])
  setting = await startSetting({
    ...(await clocked(WITH_AUDIT)),
    gate: { shared_ids: true },
    routes: [
      {
        match: 'GET /v1/late',
        scopes: [],
        revocation: { consistency: 'bounded', max_staleness: '1s' },
      },
      { match: 'GET /v1/*', scopes: [] },
    ],
    issuer: { admin: 'all', agent_prefix: 'ops/' },
    more: { ISSUERS_MORE: Object.fromEntries(tables) },
  })
  await gather(setting.gate, 'soon')
  await Promise.all(agents.map(statusOf))
})
afterAll(async () => {
  await setting.close()
  await keys.close()
})

/** The agents' tokens, each made once. */
const tokens = new Map<Agent, Promise<string>>()
const statusOf = async (one: Agent) => {
  const { issuer: iss, agent } = one
  const token = tokens.get(one) ?? keys.mint({ iss, client_id: agent, sub: agent })
  tokens.set(one, token)
  return (await setting.ask('/v1/x', { token: await token })).status
}
/** The agents that are refused. */
const refused = async () => {
  const statuses = await Promise.all(agents.map(statusOf))
  return agents.filter((_, index) => statuses[index] !== 200)
}

/** A call of an administrator; its answer as JSON, with the status. */
const call = async (method: string, path: string, body?: object, by?: Promise<string>) => {
  const response = await setting.ask(OWN + path, {
    method,
    token: await (by ?? setting.token({ client_id: 'operator', sub: 'maria', scope: SCOPES })),
    headers: { 'content-type': 'application/json', 'if-match': '*' },
    ...(body && { body: JSON.stringify(body) }),
  })
  const said = await response.text()
  const answer = said === '' ? {} : (JSON.parse(said) as Members)
  return { ...answer, status: response.status } as Members
}
const queryOf = (one: object) => new URLSearchParams({ ...one })

/** What stops the agent that a record shows: the members of a call are those of the record. */
const STOPS: Readonly<Record<string, (shown: Members) => Promise<Members>>> = {
  'suspend by id': ({ issuer, agent }) => call('POST', '/agents/suspend', { issuer, agent }),
  'suspend by name': ({ issuer, agent_name }) =>
    call('POST', '/agents/suspend', { issuer, agent_name }),
  'put by id': ({ issuer, agent }) =>
    call('PUT', `/agents/entry?${queryOf({ issuer, agent })}`, { status: 'suspended' }),
  'patch by name': ({ issuer, agent_name }) =>
    call('PATCH', `/agents/entry?${queryOf({ issuer, agent_name })}`, { status: 'suspended' }),
  'revoke by id': ({ issuer, agent }) =>
    call('POST', '/revocations', { kind: 'agent', issuer, value: agent }),
  'revoke by name': ({ issuer, agent_name }) =>
    call('POST', '/revocations', { kind: 'agent', issuer, agent_name }),
}

describe('the agent that is shown is the agent that stops', () => {
  it('by its entry in the registry, whatever its id begins with', async () => {
    const shown: Members[] = []
    await eventually(async () => {
      shown.length = 0
      for (const [index] of PREFIXES.entries()) {
        const page = await call('GET', `/agents?${queryOf({ issuer: issuerOf(index) })}`)
        shown.push(...(page.agents as Members[]))
      }
      expect(shown).toHaveLength(agents.length)
    })
    for (const [index, one] of shown.entries()) {
      const { issuer, agent } = one as unknown as Agent
      const name = one.agent_name ?? agent
      expect(name).toBe(nameOf({ issuer, agent }))
      const [how = '', stop] = Object.entries(STOPS)[(index + Math.floor(index / 6)) % 6] ?? []
      const stopped = await stop?.({ ...one, agent_name: name })
      expect([how, agent, stopped?.status]).toEqual([how, agent, 200])
      expect([how, await refused()]).toEqual([how, [{ issuer, agent }]])
      const [made] = (stopped?.revocations ?? []) as Members[]
      if (made) {
        expect(made).toMatchObject({ value: agent, ...(name !== agent && { name }) })
        const list = await call('GET', `/revocations?${queryOf({ issuer, agent_name: name })}`)
        expect(list.revocations).toEqual([made])
        const all = `/revocations?${queryOf({ kind: 'agent', issuer, value: agent })}`
        expect((await call('DELETE', all)).revocations).toEqual([made])
      } else {
        expect(stopped?.agent).toMatchObject({ issuer, agent, status: 'suspended' })
        await call('POST', '/agents/resume', { issuer, agent })
      }
      const entry = await call('GET', `/agents/entry?${queryOf({ issuer, agent_name: name })}`)
      expect(entry.agent).toMatchObject({ issuer, agent })
    }
    expect(await refused()).toEqual([])
  })

  it('by its decisions in the audit', async () => {
    for (const [index, { issuer, agent }] of agents.entries()) {
      const name = nameOf({ issuer, agent })
      const by = index % 2 === 0 ? { agent } : { agent_name: name }
      const found = await eventually(async () => {
        const page = await call('GET', `/decisions?${queryOf({ issuer, ...by, limit: 1 })}`)
        const [record] = page.decisions as Members[]
        expect(record).toMatchObject({ issuer, agent })
        return record
      })
      expect(found?.agent_name ?? agent).toBe(name)
      const usage = await call('GET', `/usage?${queryOf({ issuer, ...by })}`)
      expect(usage.usage).toMatchObject([{ issuer, agent }])
    }
  })
})

describe('a call that names an agent', () => {
  const [issuer, agent] = [issuerOf(1), 'victim']

  it.each([
    ['both', { issuer, agent, agent_name: `a/${agent}` }, 'must not be given beside the id'],
    ['a name without the prefix', { issuer, agent_name: agent }, "issuer's agent_prefix"],
    ['neither', { issuer }, 'is required'],
    ['a name without its issuer', { agent_name: 'a/x' }, 'is required'],
  ])('by %s is refused', async (_, named, why) => {
    const { agent: value, ...rest } = { agent: undefined, ...named }
    for (const answer of [
      await call('POST', '/agents/suspend', named),
      await call('GET', `/agents/entry?${queryOf(named)}`),
      await call('POST', '/revocations', { kind: 'agent', value, ...rest }),
    ]) {
      const problems = expect.arrayContaining([
        { path: expect.any(String), message: expect.stringContaining(why) },
      ])
      expect(answer).toMatchObject({ status: 400, problems })
    }
    expect(await refused()).toEqual([])
  })

  it('of another issuer tells its administrator nothing about the prefix', async () => {
    const own = () => keys.mint({ iss: issuerOf(2), client_id: 'boss', scope: SCOPES })
    for (const agent_name of ['a/x', 'x']) {
      const query = queryOf({ issuer, agent_name })
      for (const path of ['/decisions', '/usage', '/agents/entry', '/revocations']) {
        const answer = await call('GET', `${path}?${query}`, undefined, own())
        expect([path, answer]).toMatchObject([path, { status: 403 }])
        expect(answer.problems).toBeUndefined()
      }
    }
  })
})

describe('a revocation', () => {
  /** One identity in everything, whoever issues it, and another for each row. */
  const claimsOf = (row: string) => ({
    jti: `id-${row}`,
    sub: `alice-${row}`,
    client_id: `same-${row}`,
    workflow_id: `run-${row}`,
    act: { sub: `chief-${row}`, act: { sub: `inner-${row}` } },
  })

  const coversNothingElse = async (kind: string, value: string, row: string) => {
    const tokens = await Promise.all(
      PREFIXES.map((_, index) => keys.mint({ iss: issuerOf(index), ...claimsOf(row) })),
    )
    const codesAt = (path: string) =>
      Promise.all(
        tokens.map(async (token) => (await outcome(await setting.ask(path, { token }))).code),
      )
    const none = PREFIXES.map(() => undefined)
    const only = PREFIXES.map((_, index) => (index === 1 ? 'token_revoked' : undefined))
    await eventually(async () => expect(await codesAt('/v1/late')).toEqual(none), PAUSE)
    const made = await call('POST', '/revocations', { kind, issuer: issuerOf(1), value })
    expect(await codesAt('/v1/x')).toEqual(only)
    await eventually(
      async () => expect((await codesAt('/v1/late'))[1]).toBe('token_revoked'),
      PAUSE,
    )
    expect(await codesAt('/v1/late')).toEqual(only)
    const [entry] = made.revocations as [Members]
    expect((await call('DELETE', `/revocations/${entry.id}`)).status).toBe(204)
  }

  it.concurrent.each([
    ['subject', 'alice'],
    ['workflow', 'run'],
    ['client', 'same'],
    ['token', 'id'],
    ['agent', 'same'],
    ['agent', 'chief'],
    ['agent', 'inner'],
  ])(
    'of kind %s (%s) covers nothing of another issuer, on strict and on bounded rules',
    (kind, of) => {
      const row = `${kind}-${of}`
      return coversNothingElse(kind, `${of}-${row}`, row)
    },
  )

  // The rows above have the same key.
  it('of kind key covers nothing of another issuer, on strict and on bounded rules', () =>
    coversNothingElse('key', keys.kid, 'key'))
})
