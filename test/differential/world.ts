/** The world of a case, and what changes in it between requests. */
import { type RevocationSubject, revocationId } from '../../src/gate/model/revocation.ts'
import { decide, endApprovals, withdraw } from '../reference/approvals.ts'
import {
  type Approval,
  emptyWorld,
  type Request,
  type Revocation,
  type World,
} from '../reference/types.ts'
import { certificateOf, DECRYPTION_SECRET, keyOf, proofText, tokenText } from './material.ts'
import { BEGIN, type Case, type Change, type KeyName, type RequestSpec } from './shapes.ts'

/** Secrets of every case. */
export const SECRETS: Record<string, string> = {
  API_KEY: 's3cr3t-value-of-the-key',
  DECRYPT: DECRYPTION_SECRET,
}

/** A request as both get it, with the token that it has. */
export interface Sent {
  request: Request
  token: string | undefined
}

/** What is in a sealed id: `mine-1` was given to whoever asks, and `alice-1` to callers with this subject. */
export function opened(sealed: string, subject: string | undefined): { own: string } | undefined {
  const [, holder, number] = /^([a-z]+)-(\d+)$/.exec(sealed) ?? []
  return holder === 'mine' || (holder !== undefined && holder === subject)
    ? { own: `own-${number}` }
    : undefined
}

/** The world in which a case begins. */
export function worldOf({ keys }: Case): World {
  const world = emptyWorld()
  world.secrets = { ...SECRETS }
  for (const [name, names] of Object.entries(keys)) world.keys[name] = jwks(names)
  world.nonce = (nonce) =>
    world.unavailable.signing && nonce !== undefined
      ? 'unavailable'
      : nonce === 'good'
        ? 'valid'
        : 'invalid'
  world.unseal = (id, subject) =>
    world.unavailable.signing ? 'unavailable' : (opened(id, subject) ?? 'unknown')
  return world
}

const jwks = (names: KeyName[]) => names.map((name) => keyOf(name).jwk)

/** Of whom a change revokes or stops something: approvals of their calls end. */
export function stoppedBy({ revoke = [], agents = {} }: Change): Omit<Revocation, 'id'>[] {
  const stopped = Object.entries(agents).filter(([, one]) =>
    ['suspended', 'retired'].includes(one?.status ?? ''),
  )
  return [...revoke, ...stopped.map(([key]) => ({ ...agentOf(key), mode: 'block' as const }))]
}

/** Whose standing approval the one of this number is. */
export const standingAgent = (agent: string, number: number): string =>
  number < 20 ? agent : `${agent}-${Math.floor(number / 20)}`

/** What people decide at a moment, in milliseconds, and which calls wait beside those of requests. */
function changeApprovals(world: World, changed: Change, now: number): void {
  const waiting = world.approvals.filter(
    ({ call, state, expires }) => call !== '' && state === 'waiting' && now < expires,
  )
  for (const [i, does] of (changed.decided ?? []).entries()) {
    const one = waiting.at(-1 - i)
    if (one) decide(world, one, does, now)
  }
  const isGranted = ({ call, state, expires }: Approval) =>
    call !== '' && state === 'granted' && now < expires
  const granted = changed.withdrawn && world.approvals.findLast(isGranted)
  if (granted) withdraw(granted, now)
  for (const { count, within, standing, issuer, agent } of changed.others ?? []) {
    const texts = { call: '', alike: '' }
    for (let i = 0; i < count; i++) {
      const one: Approval = {
        ...{ ...texts, isNamed: () => false, state: 'waiting', asked: now, issuer, within },
        ...{ agent: standing ? standingAgent(agent, i) : agent, expires: now + within },
      }
      world.approvals.push(one)
      if (standing) decide(world, one, { uses: 1, ms: within }, now)
    }
  }
  for (const entry of stoppedBy(changed)) endApprovals(world, entry, now)
}

/** Changes the world at a moment, in milliseconds. Whether revocations or statuses changed. */
export async function change(world: World, changed: Change, now: number): Promise<boolean> {
  changeApprovals(world, changed, now)
  for (const [name, names] of Object.entries(changed.keys ?? {})) {
    world.keys[name] = names === null ? undefined : jwks(names)
  }
  if (changed.bindings) Object.assign(world.bindings, changed.bindings)
  if (changed.unavailable) {
    world.unavailable = Object.fromEntries(changed.unavailable.map((name) => [name, true]))
  }
  if (changed.answered) world.inProgress = {}
  if (changed.liftAll) world.revocations = []
  for (const entry of changed.revoke ?? []) {
    const id = await revocationId(subjectOf(entry), entry.mode)
    // One entry for each subject and mode: the set has ids of these.
    world.revocations = [...world.revocations.filter((other) => other.id !== id), { id, ...entry }]
  }
  for (const [key, standing] of Object.entries(changed.agents ?? {})) {
    if (standing === null) delete world.agents[key]
    else world.agents[key] = { ...standing, id: await revocationId(agentOf(key), modeOf(standing)) }
  }
  return [changed.liftAll, changed.revoke, changed.agents].some((one) => one !== undefined)
}

export const subjectOf = ({
  kind,
  issuer,
  value = '',
}: Omit<Revocation, 'id'>): RevocationSubject => ({
  kind,
  issuer,
  value,
})

const agentOf = (key: string): RevocationSubject => {
  const [issuer = '', ...id] = key.split(' ')
  return { kind: 'agent', issuer, value: id.join(' ') }
}

const modeOf = ({ status }: { status: string }) =>
  (status === 'discovered' ? 'throttle' : status) as 'approved'

/** The entries of the set that say what the world says. */
export async function entriesOf(world: World) {
  const made = { created: BEGIN, createdBy: 'operator' }
  const revocations = world.revocations.map((entry) => ({
    ...subjectOf(entry),
    id: entry.id ?? '',
    mode: entry.mode,
    ...(entry.at !== undefined && { at: entry.at }),
    ...(entry.expires !== undefined && { expires: entry.expires }),
    ...made,
  }))
  const agents = await Promise.all(
    Object.entries(world.agents).map(async ([key, standing]) => {
      const subject = agentOf(key)
      const { status, expires, throttle, checksums, registrations, keys } = standing
      const pins = {
        ...(checksums && { checksums }),
        ...(registrations && { registrations }),
        ...(keys && { keys }),
      }
      return [
        ...(status === 'discovered'
          ? []
          : [
              {
                ...subject,
                id: standing.id ?? '',
                mode: status,
                ...(expires !== undefined && { expires }),
                ...(status === 'approved' && Object.keys(pins).length > 0 && { pins }),
                ...made,
              },
            ]),
        ...(throttle === undefined
          ? []
          : [
              {
                ...subject,
                id: await revocationId(subject, 'throttle'),
                mode: 'throttle' as const,
                limit: throttle,
                ...made,
              },
            ]),
      ]
    }),
  )
  return [...revocations, ...agents.flat()]
}

function factsOf(certificate: string): NonNullable<Request['certificate']> {
  const [name = '', state] = certificate.split(':').reverse()
  return {
    presented: true,
    verified: state !== 'unverified',
    ...(state === 'revoked' && { revoked: true }),
    sha256: certificateOf(name),
  }
}

/** The request of a step at a moment, in milliseconds. */
export function sentOf(spec: RequestSpec, { tokens }: Case, now: number): Sent {
  const named = spec.token === undefined ? undefined : tokens[spec.token]
  const token = named && tokenText(named)
  const headers = [...spec.headers]
  const { as = 'Bearer ' } = spec
  if (token !== undefined) {
    const [, name, before = ''] = /^header:([^:]+):(.*)$/.exec(as) ?? []
    if (as.startsWith('protocol:')) {
      headers.push(['Sec-WebSocket-Protocol', `chat, ${as.slice('protocol:'.length)}${token}`])
    } else if (name !== undefined) headers.unshift([name, `${before}${token}`])
    else headers.unshift(['Authorization', `${as}${token}`])
  }
  if (spec.proof) {
    const { method, scheme, host, target } = spec
    const url = `${scheme}://${host}${target.split('?')[0]}`
    const about = { method, url, token: token ?? '', now: Math.floor(now / 1000) }
    headers.push(['DPoP', proofText(spec.proof, about)])
  }
  const { method, scheme, host, target, body, address, country, asn, botScore, certificate } = spec
  const { person } = spec
  return {
    token,
    request: {
      method,
      scheme,
      host,
      target,
      headers,
      address,
      now,
      ...(spec.held && { held: true }),
      ...(body !== undefined && { body }),
      ...(country !== undefined && { country }),
      ...(asn !== undefined && { asn }),
      ...(botScore !== undefined && { botScore }),
      ...(person && { person }),
      ...(certificate !== undefined && { certificate: factsOf(certificate) }),
    },
  }
}
