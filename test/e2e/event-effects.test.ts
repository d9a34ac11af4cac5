import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectDenial } from './denied.ts'
import { CAEP, now, OF_BOTH, RISC, SSF, startEvents } from './event-world.ts'

const IDP = 'https://idp.acme.example'
const DAY = 24 * 60 * 60
/** More than the tolerance of clocks before now. */
const BEFORE = 60

type Events = Awaited<ReturnType<typeof startEvents>>
let at: Events
/** The same events, with other effects. */
let other: Events
beforeAll(async () => {
  at = await startEvents(IDP)
  other = await startEvents(IDP, {
    effects: {
      ...{ 'session-revoked': 'revoke', 'credential-change': 'revoke' },
      ...{ 'account-disabled': 'alert', 'device-compliance-change': 'alert' },
    },
  })
})
afterEach(() => Promise.all([at.liftAll(), other.liftAll()]))
afterAll(() => Promise.all([at.close(), other.close()]))

const taken = ({ status, body }: Awaited<ReturnType<Events['tell']>>) =>
  expect([status, body]).toEqual([202, ''])
const refused = ({ status, body }: Awaited<ReturnType<Events['tell']>>, code: string) =>
  expect([status, JSON.parse(body).code]).toEqual([400, code])
const old = () => ({ iat: now() - BEFORE })
const newer = () => ({ iat: now() })
/** The time of an event between old and newer tokens. */
const between = () => ({ iat: now() - BEFORE / 2 })

const opaque = (id: string) => ({ format: 'opaque', id })
const change = (change_type: string, credential_type = 'password') => ({
  ...{ change_type, credential_type },
})

describe('session-revoked', () => {
  it('ends the tokens of the session that it names, older and newer', async () => {
    const sub_id = { format: 'complex', user: at.about('alice'), session: opaque('s-1') }
    taken(await at.tell(`${CAEP}session-revoked`, {}, { sub_id }))
    for (const issued of [old(), newer()]) {
      expectDenial(await at.ask({ sid: 's-1', ...issued }), 401, 'token_revoked')
    }
    expect((await at.ask({ sid: 's-2' })).status).toBe(200)
    expect((await at.ask({})).status).toBe(200)
    expect((await at.ask({ sid: 's-1' }, 'beta')).status).toBe(200)
    expect(await at.list('acme')).toMatchObject([{ kind: 'session', value: 's-1', mode: 'block' }])
  })

  it.each([
    ['alone', { format: 'complex', session: opaque('s-1') }],
    ['as an opaque subject', opaque('s-1')],
  ])('takes a session %s', async (_, sub_id) => {
    taken(await at.tell(`${CAEP}session-revoked`, {}, { sub_id }))
    expectDenial(await at.ask({ sid: 's-1' }), 401, 'token_revoked')
    expect((await at.ask({ sub: 's-1' })).status).toBe(200)
  })

  it('changes nothing without a session, unless the policy says so', async () => {
    taken(await at.tell(`${CAEP}session-revoked`))
    expect(await at.list('ops')).toEqual([])
    taken(await other.tell(`${CAEP}session-revoked`, {}, between()))
    expectDenial(await other.ask(old()), 401, 'token_revoked')
    expect((await other.ask(newer())).status).toBe(200)
  })
})

describe.each([
  ['token-claims-change', { claims: { role: 'ro-admin' } }],
  ['credential-change', change('revoke', 'fido2-roaming')],
  ['credential-change', change('delete', 'x509')],
  ['credential-change', change('update')],
  ['assurance-level-change', { namespace: 'NIST-AAL', current_level: 'nist-aal1' }],
  ['assurance-level-change', { current_level: 'nist-aal1', change_direction: 'decrease' }],
  ['device-compliance-change', { previous_status: 'compliant', current_status: 'not-compliant' }],
])('%s %j', (name, event) => {
  it('asks for a new authentication of the subject with older tokens', async () => {
    taken(await at.tell(CAEP + name, event, between()))
    const answer = await at.ask(old())
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([401, 'step_up_required'])
    expect(answer.header('www-authenticate')).toContain('insufficient_user_authentication')
    expect((await at.ask(newer())).status).toBe(200)
    expect((await at.ask({ sub: 'bob', ...old() })).status).toBe(200)
    expect(await at.list('acme')).toMatchObject([
      { kind: 'subject', value: 'alice', mode: 'step-up', reason: name, reach: 'own' },
    ])
  })
})

it.each([
  ['credential-change', change('create')],
  ['credential-change', change('update', 'app')],
  ['assurance-level-change', { current_level: 'nist-aal2', change_direction: 'increase' }],
  ['device-compliance-change', { previous_status: 'not-compliant', current_status: 'compliant' }],
])('%s %j changes nothing', async (name, event) => {
  taken(await at.tell(CAEP + name, event))
  expect(await at.list('ops')).toEqual([])
  expect((await at.ask(old())).status).toBe(200)
})

it.each([
  ['credential-change', { credential_type: 'password' }],
  ['credential-change', { change_type: 'lost' }],
  ['device-compliance-change', { previous_status: 'compliant' }],
  ['device-compliance-change', { current_status: true }],
])('%s %j is refused: it lacks what the effect depends on', async (name, event) => {
  refused(await at.tell(CAEP + name, event), 'event_invalid')
  expect(await at.list('ops')).toEqual([])
})

it('sessions-revoked revokes older tokens', async () => {
  taken(await at.tell(`${RISC}sessions-revoked`, {}, between()))
  expectDenial(await at.ask(old()), 401, 'token_revoked')
  expect((await at.ask(newer())).status).toBe(200)
})

it('the policy decides what an event does', async () => {
  taken(await other.tell(`${CAEP}credential-change`, change('revoke'), between()))
  expectDenial(await other.ask(old()), 401, 'token_revoked')
  expect((await other.ask(newer())).status).toBe(200)
  await other.liftAll()
  taken(await other.tell(`${RISC}account-disabled`))
  const status = { previous_status: 'compliant', current_status: 'not-compliant' }
  taken(await other.tell(`${CAEP}device-compliance-change`, status))
  expect(await other.list('ops')).toEqual([])
})

it('stream-updated changes nothing', async () => {
  const sub_id = opaque('stream-1')
  taken(await at.tell(`${SSF}stream-updated`, { status: 'paused' }, { sub_id }))
  expect(await at.list('ops')).toEqual([])
})

it('an event about tokens that have all expired changes nothing', async () => {
  taken(await at.tell(`${CAEP}token-claims-change`, { claims: {} }, { iat: now() - 6 * DAY }))
  expect(await at.list('ops')).toEqual([])
})

it('account-enabled lifts only what account-disabled has set', async () => {
  taken(await at.tell(`${RISC}account-disabled`, {}, { iat: now() - 20 }))
  taken(await at.tell(`${CAEP}token-claims-change`, { claims: {} }, { iat: now() - 20 }))
  taken(await at.tell(`${RISC}account-enabled`))
  expect(await at.list('acme')).toMatchObject([{ mode: 'step-up' }])
})

describe('a subject', () => {
  const event = [`${RISC}account-disabled`, {}] as const

  it('may be opaque: it is the sub of the issuer', async () => {
    taken(await at.tell(...event, { sub_id: opaque('alice') }))
    expectDenial(await at.ask({}), 401, 'token_revoked')
    expect((await at.ask({}, 'beta')).status).toBe(200)
  })

  it('may be complex, with a device and a tenant', async () => {
    const user = { format: 'complex', user: at.about('alice'), device: opaque('d') }
    taken(await at.tell(...event, { sub_id: { ...user, tenant: opaque('t') } }))
    expectDenial(await at.ask({}), 401, 'token_revoked')
    expect((await at.ask({ sub: 'bob' })).status).toBe(200)
  })

  it('may be a token, in events about claims', async () => {
    const sub_id = { format: 'jwt_id', iss: at.issuerOf('acme').issuer, jti: 'token-7' }
    const claims = { sub_id, ...between() }
    taken(await at.tell(`${CAEP}token-claims-change`, { claims: {} }, claims))
    expectDenial(await at.ask({ jti: 'token-7', ...old() }), 401, 'step_up_required')
    expect((await at.ask({ jti: 'token-8', ...old() })).status).toBe(200)
    refused(await at.tell(...event, { sub_id }), 'event_refused')
  })

  it.each<[what: string, subject: () => object]>([
    ['a tenant alone', () => ({ format: 'complex', tenant: opaque('t') })],
    ['a device alone', () => ({ format: 'complex', device: opaque('d') })],
    ['a session alone, of an account', () => ({ format: 'complex', session: opaque('s') })],
    ['a group', () => ({ format: 'complex', user: at.about('alice'), group: opaque('g') })],
    ['an email address', () => ({ format: 'email', email: 'alice@acme.example' })],
    ['a user in another format', () => ({ format: 'complex', user: { format: 'did', url: 'x' } })],
    ['one with another member', () => ({ ...at.about('alice'), more: 'x' })],
    ['an empty id', () => opaque('')],
    [
      'a user of another issuer',
      () => ({ format: 'complex', user: at.about('alice', 'beta'), session: opaque('s') }),
    ],
    [
      'a session of another issuer',
      () => ({ format: 'complex', user: at.about('alice'), session: at.about('s', 'beta') }),
    ],
  ])('%s is refused', async (_, sub_id) => {
    refused(await at.tell(...event, { sub_id: sub_id() }), 'event_refused')
    expect(await at.list('ops')).toEqual([])
  })

  it('without an issuer is refused where the transmitter speaks of two', async () => {
    const iss = 'https://both.example'
    const sub_id = opaque('alice')
    refused(await at.tell(...event, { iss, sub_id }, OF_BOTH), 'event_refused')
    taken(await at.tell(...event, { iss, sub_id: at.about('alice', 'beta') }, OF_BOTH))
    expect((await at.ask({})).status).toBe(200)
    expectDenial(await at.ask({}, 'beta'), 401, 'token_revoked')
  })
})
