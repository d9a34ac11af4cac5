import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { agenticClaims, checksumOf, type RegisteredAgent } from '../kit/agentic.ts'
import { createProofKey, type ProofKey, proofOf } from '../kit/dpop.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { createKey, type Members, sign } from '../kit/signing.ts'
import { clocked, gather } from './keys-setting.ts'
import { askGate, outcome, RESOURCE, type Setting, startSetting } from './setting.ts'
import { endsInTime, fate, hanging, lastEvent, SSE } from './streaming.ts'

/** Agents whose code is approved in the registry, from the first request to a new version of the code. */

const PASSED = { status: 200, code: undefined }
const HELD = { status: 403, code: 'agent_checksum_changed' }
const OPS = await createKey()
const MORE = {
  WATCH: { code: { signals: ['changed'] } },
  ISSUERS_OPS: {
    ops: {
      issuer: 'https://ops.example',
      jwks: { keys: [OPS.jwk] },
      admin: 'all',
      rules: false,
    },
  },
}
const ROUTES = [
  { match: 'GET /v1/approved', scopes: [], agents: 'approved' },
  { match: 'GET /v1/*', scopes: [] },
]
const BOUNDED = { revocation: { consistency: 'bounded', max_staleness: '2s' } }

let directory: string
let setting: Setting
/** A gate on the same set that may be late by two seconds, and one that only tells. */
let [late, telling]: readonly Gate[] = []
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-agentic-'))
  const issuer = { profile: 'agentic-jwt' }
  const same = { routes: ROUTES, more: MORE }
  setting = await startSetting({
    ...same,
    ...(await clocked(WITH_AUDIT)),
    issuer,
    beside: [
      { ...same, issuer, gate: BOUNDED, durableObjects: WITH_AUDIT },
      { ...same, issuer: { ...issuer, changed: 'alert' }, durableObjects: WITH_AUDIT },
    ],
  })
  ;[late, telling] = setting.gate.beside
  await gather(setting.gate, 'soon')
})
afterAll(async () => {
  await setting?.close()
  await rm(directory, { recursive: true, force: true })
})

let agents = 0
const newAgent = async (): Promise<RegisteredAgent> => {
  const id = `patcher-${++agents}`
  return { id, checksum: checksumOf('a'), registration: `reg_${id}_1`, key: await createProofKey() }
}
const [NEW, OTHER] = [checksumOf('b'), checksumOf('c')]

interface Sent {
  readonly path?: string
  readonly at?: Gate | undefined
  readonly key?: ProofKey
}
const send = async (
  agent: RegisteredAgent,
  { path = '/v1/x', at = setting.gate, key = agent.key }: Sent = {},
) => {
  return outcome(await askGate(at, path, { headers: await headersOf(agent, path, key) }))
}
const headersOf = async (agent: RegisteredAgent, path: string, key = agent.key) => {
  const token = await setting.token(agenticClaims(agent))
  const dpop = await proofOf(key, { url: RESOURCE + path, token })
  return { authorization: `DPoP ${token}`, dpop }
}

type Entry = Readonly<Record<string, unknown>>
const call = async (method: string, path: string, body?: object, headers: Members = {}) => {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: 'https://ops.example', aud: RESOURCE, sub: 'maria', client_id: 'cli' }
  const more = { jti: `${Math.random()}`, iat: now, exp: now + 60, scope: 'edgewarden:agents' }
  const token = await sign({ typ: 'at+jwt', kid: OPS.kid }, { ...claims, ...more }, OPS)
  const response = await setting.ask(
    `/.edgewarden${path.startsWith('/alerts') ? path : `/agents${path}`}`,
    {
      method,
      token,
      headers: { 'content-type': 'application/json', ...(headers as Record<string, string>) },
      ...(body && { body: JSON.stringify(body) }),
    },
  )
  const text = (await response.json()) as {
    agent: Entry
    agents: Entry[]
    alerts: Entry[]
    problems?: object[]
  }
  return { status: response.status, etag: response.headers.get('etag') ?? '', ...text }
}
const at = ({ id }: RegisteredAgent) =>
  `/entry?${new URLSearchParams({ issuer: setting.issuer.issuer, agent: id })}`
/** Approves what is written, as an owner who has just read the entry. */
const approve = async (agent: RegisteredAgent, fields: object) => {
  const { status, etag } = await call('GET', at(agent))
  const answer =
    status === 404
      ? await call('PUT', at(agent), fields)
      : await call('PATCH', at(agent), { status: 'approved', ...fields }, { 'if-match': etag })
  expect(answer.status).toBe(200)
  return answer.agent
}
const changed = async () => {
  const { agents } = await call('GET', '?needs=changed')
  return agents.map(({ agent }) => agent)
}

it.concurrent('an agent whose code has changed is held, approved, and goes on', async () => {
  const agent = await newAgent()
  const next = { ...agent, checksum: NEW }
  expect(await send(agent)).toEqual(PASSED)
  // Nothing is approved yet, so nothing is compared.
  expect(await send(next)).toEqual(PASSED)
  await eventually(async () => {
    const { agent: entry } = await call('GET', at(agent))
    expect(entry).toMatchObject({
      status: 'discovered',
      seen: {
        checksums: [agent.checksum, NEW],
        registrations: [agent.registration],
        keys: [agent.key.jkt],
      },
    })
  })
  const { checksum, registration, key } = agent
  await approve(agent, { checksums: [checksum], registrations: [registration], keys: [key.jkt] })
  expect(await changed()).not.toContain(agent.id)

  expect(await send(agent)).toEqual(PASSED)
  expect(await send(agent, { path: '/v1/approved' })).toEqual(PASSED)
  expect(await send(next)).toEqual(HELD)
  expect(await send(next, { path: '/v1/approved' })).toEqual(HELD)
  await eventually(async () => expect(await changed()).toContain(agent.id))
  const { agent: entry } = await call('GET', at(agent))
  expect(entry).toMatchObject({ checksums: [checksum], needs: ['owner', 'changed'] })
  expect(entry.seen).toMatchObject({ checksums: expect.arrayContaining([NEW]) })

  // A rollout: both are approved, then the old one no longer.
  await approve(agent, { checksums: [checksum, NEW] })
  expect(await changed()).not.toContain(agent.id)
  expect(await send(agent)).toEqual(PASSED)
  expect(await send(next)).toEqual(PASSED)
  await approve(agent, { checksums: [NEW] })
  expect(await send(next)).toEqual(PASSED)
  expect(await send(agent)).toEqual(HELD)
})

describe.concurrent('an approved agent is refused', () => {
  it.concurrent('with the checksum, the registration or the key of another', async () => {
    const [agent, other] = [await newAgent(), await newAgent()]
    const { checksum, registration, key } = agent
    const fields = { checksums: [checksum], registrations: [registration], keys: [key.jkt] }
    await approve(agent, fields)
    expect(await send(agent)).toEqual(PASSED)
    expect(await send({ ...agent, checksum: OTHER })).toEqual(HELD)
    const again = { ...agent, registration: `reg_${agent.id}_2` }
    const registered = { status: 403, code: 'agent_registration_changed' }
    expect(await send(again)).toEqual(registered)
    const bound = { status: 403, code: 'agent_key_changed' }
    expect(await send({ ...agent, key: other.key })).toEqual(bound)
    const proof = { status: 401, code: 'proof_key_mismatch' }
    expect(await send(agent, { key: other.key })).toEqual(proof)
    // What is not written is not compared.
    await approve(agent, { registrations: null, keys: null })
    expect(await send(again)).toEqual(PASSED)
    expect(await send({ ...agent, key: other.key })).toEqual(PASSED)
  })

  it.concurrent('by a gate whose rules may be late, within the bound, and accepted likewise', async () => {
    const agent = await newAgent()
    const next = { ...agent, checksum: NEW }
    await approve(agent, { checksums: [agent.checksum] })
    await eventually(async () => expect(await send(next, { at: late })).toEqual(HELD))
    expect(await send(agent, { at: late })).toEqual(PASSED)
    await approve(agent, { checksums: [NEW] })
    await eventually(async () => expect(await send(agent, { at: late })).toEqual(HELD))
    expect(await send(next, { at: late })).toEqual(PASSED)
  })

  it.concurrent('with its open streams ended, once their code is no longer approved', async () => {
    hanging(setting, '/v1/stream', SSE)
    const ends = await endsInTime(async () => {
      const agent = await newAgent()
      await approve(agent, { checksums: [agent.checksum] })
      const { authorization, dpop } = await headersOf(agent, '/v1/stream')
      const headers = { authorization, dpop, accept: 'text/event-stream' }
      const stream = fate(await askGate(late as Gate, '/v1/stream', { headers }))
      await approve(agent, { checksums: [NEW] })
      return [(await stream).bytes.toString()]
    })
    expect(ends).toEqual([lastEvent(HELD.code)])
  })

  it.concurrent('not where the issuer only tells: then the registry lists and logs it', async () => {
    const agent = await newAgent()
    await approve(agent, { checksums: [agent.checksum] })
    expect(await send({ ...agent, checksum: NEW }, { at: telling })).toEqual(PASSED)
    await eventually(async () => expect(await changed()).toContain(agent.id))
    expect(await send({ ...agent, checksum: NEW })).toEqual(HELD)
    const told = JSON.stringify({
      event: 'agent_changed',
      issuer: setting.issuer.issuer,
      agent: agent.id,
    })
    await eventually(() => expect(setting.gate.output()).toContain(told))
    const alerts = async () =>
      (await call('GET', '/alerts')).alerts.filter((one) => one.agent === agent.id)
    const alert = { watch: 'code', signal: 'changed', usual: { checksums: [agent.checksum] } }
    await eventually(async () =>
      expect(await alerts()).toMatchObject([{ ...alert, seen: { checksums: [NEW] } }]),
    )
    // Once approved, the next change is told of, too.
    await approve(agent, { checksums: [agent.checksum, NEW] })
    await send({ ...agent, checksum: OTHER }, { at: telling })
    await eventually(async () =>
      expect(await alerts()).toMatchObject([{ seen: { checksums: [OTHER] } }, alert]),
    )
  })
})
