import { expect } from 'vitest'
import type { KINDS } from '../../src/gate/model/revocation.ts'
import type { Issuer } from '../kit/issuer.ts'
import type { Members } from '../kit/signing.ts'
import { AGENT, KID, REVOCATIONS, type World } from './world.ts'

export type Name = 'acme' | 'beta' | 'ops' | 'plain'

/** Each issuer beside the other. */
export const TWO = [
  ['acme', 'beta'],
  ['beta', 'acme'],
] as const

/** One identity in everything, whoever issues it. */
export const SAME = {
  jti: 'token-1',
  sub: 'alice',
  client_id: AGENT,
  sid: 's-1',
  workflow_id: 'run-1',
}

const VALUES: Readonly<Record<(typeof KINDS)[number], string | undefined>> = {
  token: SAME.jti,
  agent: AGENT,
  subject: SAME.sub,
  session: SAME.sid,
  client: AGENT,
  workflow: SAME.workflow_id,
  key: KID,
  issuer: undefined,
}

/** What agents and administrators of each issuer can do. */
export const administration = (world: () => World) => {
  const issuerOf = (name: Name): Issuer => world()[name]

  const ask = async (name: Name, claims: Members = {}) =>
    world().send({ token: await issuerOf(name).mint({ ...SAME, ...claims }) })

  let mayHaveMade = true

  /** A call to the revocation endpoints by an administrator of an issuer. */
  const call = async (
    by: Name,
    { body, ...rest }: { method?: string; target?: string; body?: unknown },
    claims: Members = {},
  ) => {
    if (rest.method === 'POST') mayHaveMade = true
    return world().send({
      target: REVOCATIONS,
      // Not the agent whose things are revoked, so that nobody is locked out.
      token: await issuerOf(by).mint({
        sub: 'admin',
        client_id: 'admin',
        agent: { id: 'admin' },
        scope: 'edgewarden:revoke',
        ...claims,
      }),
      ...rest,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  }

  const revoke = async (by: Name, entry: unknown) => {
    const response = await call(by, { method: 'POST', body: entry })
    expect(response.status).toBe(200)
    const { revocations } = JSON.parse(response.body)
    return revocations[0].id as string
  }

  const list = async (by: Name, query = '') => {
    const response = await call(by, { target: REVOCATIONS + query })
    expect(response.status).toBe(200)
    return JSON.parse(response.body).revocations as { id: string; issuer: string; value?: string }[]
  }

  const ids = async (by: Name) => (await list(by)).map(({ id }) => id)

  const entryOf = (kind: (typeof KINDS)[number], name: Name): Members => ({
    kind,
    issuer: issuerOf(name).issuer,
    ...(VALUES[kind] !== undefined && { value: VALUES[kind] }),
  })

  /** Lifts whatever a test has revoked, so that none depends on another. */
  const liftAll = async () => {
    if (!mayHaveMade) return
    mayHaveMade = false
    for (const id of await ids('ops')) {
      const lifted = await call('ops', { method: 'DELETE', target: `${REVOCATIONS}/${id}` })
      expect(lifted.status).toBe(204)
    }
  }
  return { issuerOf, ask, call, revoke, list, ids, entryOf, liftAll }
}
