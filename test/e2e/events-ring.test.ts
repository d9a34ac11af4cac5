import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { freePort } from '../kit/port.ts'
import { type Receiver, startReceiver } from '../kit/receiver.ts'
import { type Setting, startSetting } from './setting.ts'

/** Three gates of their own, each of which tells both others. Whoever listens has the events of each. */

const OWN = '/.edgewarden'
const NAMES = ['a', 'b', 'c'] as const
type Name = (typeof NAMES)[number]
const resourceOf = (name: Name) => `https://${name}.example.com`
const secretOf = (name: Name) => `Bearer of-the-gate-${name}-4d1f0c`

let setting: Setting
let listener: Receiver
const gates = new Map<Name, Gate>()
beforeAll(async () => {
  listener = await startReceiver()
  setting = await startSetting()
  const ports = new Map(
    await Promise.all(NAMES.map(async (name) => [name, await freePort()] as const)),
  )
  const own = (name: Name) => `http://127.0.0.1:${ports.get(name)}${OWN}`
  for (const name of NAMES) {
    const others = NAMES.filter((one) => one !== name)
    const tell = (one: Name) => ({
      ...{ audience: resourceOf(one), endpoint: `${own(one)}/events`, authorization: 'OWN' },
    })
    const gate = await setting.another({
      port: ports.get(name) as number,
      durableObjects: WITH_AUDIT,
      gate: { resource: resourceOf(name), hosts: [`${name}.example.com`, '127.0.0.1'] },
      issuer: {
        admin: 'all',
        events: others.map((one) => ({
          ...{ issuer: resourceOf(one), audience: resourceOf(name), authorization: one },
          jwks_uri: `${own(one)}/jwks.json`,
        })),
      },
      more: {
        TRANSMIT: {
          ...Object.fromEntries(others.map((one) => [one, tell(one)])),
          listener: {
            ...{ audience: 'https://listener.example', endpoint: `${listener.url}-${name}` },
            authorization: 'OWN',
          },
        },
      },
      secrets: Object.fromEntries([
        ['OWN', secretOf(name)],
        ...others.map((one) => [one, secretOf(one)]),
      ]),
    })
    gates.set(name, gate)
  }
})
afterAll(() => Promise.all([setting?.close(), listener?.close()]))

const gateOf = (name: Name) => gates.get(name) as Gate
const ask = async (name: Name, path: string, claims: object, init: RequestInit = {}) => {
  const token = await setting.token({ aud: resourceOf(name), ...claims })
  const headers = { host: `${name}.example.com`, authorization: `Bearer ${token}` }
  return gateOf(name).fetch(path, { ...init, headers: { ...headers, ...init.headers } })
}
const admin = (name: Name, path: string, body: object | undefined, method = 'POST') =>
  ask(
    name,
    `${OWN}/${path}`,
    { sub: 'admin', client_id: 'admin', scope: 'edgewarden:revoke' },
    {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    },
  )
const revoke = async (name: Name, kind: string, value: string): Promise<string> => {
  const answer = await admin(name, 'revocations', { kind, issuer: setting.issuer.issuer, value })
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { revocations: [{ id: string }] }).revocations[0].id
}
const lift = async (name: Name, id: string) =>
  expect((await admin(name, `revocations/${id}`, undefined, 'DELETE')).status).toBe(204)
const statuses = (claims: object) =>
  Promise.all(NAMES.map(async (name) => (await ask(name, '/v1/x', claims)).status))
const everywhere = (claims: object, status: number) =>
  eventually(async () => expect(await statuses(claims)).toEqual([status, status, status]))

/** How many entries each gate has of a subject, once no gate has anything to send. */
const entriesOf = async (value: string, kind = 'subject') =>
  Promise.all(
    NAMES.map(async (name) => {
      const query = new URLSearchParams({ kind, issuer: setting.issuer.issuer, value })
      const answer = await admin(name, `revocations?${query}`, undefined, 'GET')
      return ((await answer.json()) as { revocations: unknown[] }).revocations.length
    }),
  )
/** What the listener got of a subject: from which gate, and which event. */
const told = (value: string) =>
  listener.received.flatMap(({ path, body }) => {
    const claims = JSON.parse(Buffer.from(body.split('.')[1] ?? '', 'base64url').toString())
    const [uri = ''] = Object.keys(claims.events)
    const event = uri.slice(uri.lastIndexOf('/') + 1)
    return claims.sub_id.sub === value
      ? [{ by: path.at(-1), event, txn: claims.txn as string }]
      : []
  })

describe.each([
  ['subject', (value: string) => ({ sub: value })],
  ['agent', (value: string) => ({ sub: 'someone', client_id: value })],
] as const)('a revocation of a %s at one of three gates', (kind, claimsOf) => {
  it.each(NAMES)(
    'reaches all from %s, is told once by each, and its end reaches all',
    async (name) => {
      const value = `${kind}-of-${name}`
      const claims = claimsOf(value)
      await everywhere(claims, 200)
      const id = await revoke(name, kind, value)
      await everywhere(claims, 401)
      await eventually(() => expect(told(value)).toHaveLength(3))
      await lift(name, id)
      await everywhere(claims, 200)
      await eventually(async () => expect(await entriesOf(value, kind)).toEqual([0, 0, 0]))
      const all = told(value)
      for (const event of ['account-disabled', 'account-enabled']) {
        const same = all.filter((one) => one.event === event)
        expect(same.map(({ by }) => by).sort()).toEqual([...NAMES])
        // One cause, whoever tells of it.
        expect(new Set(same.map(({ txn }) => txn)).size).toBe(1)
      }
      expect(all).toHaveLength(6)
    },
  )
})

it('what two gates revoke by themselves ends only when both have lifted it', async () => {
  const claims = { sub: 'both' }
  const [first, second] = [
    await revoke('a', 'subject', 'both'),
    await revoke('b', 'subject', 'both'),
  ]
  await everywhere(claims, 401)
  // Of each gate, the entries of the others' changes.
  await eventually(async () => expect((await entriesOf('both')).every((n) => n >= 2)).toBe(true))
  await lift('a', first)
  const other = await revoke('a', 'subject', 'behind')
  await everywhere({ sub: 'behind' }, 401)
  expect(await statuses(claims)).toEqual([401, 401, 401])
  await lift('b', second)
  await everywhere(claims, 200)
  await lift('a', other)
  await everywhere({ sub: 'behind' }, 200)
})
