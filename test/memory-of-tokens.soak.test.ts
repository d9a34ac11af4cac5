import { KeyObject, sign } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createTokenMemory } from '../src/gate/app/platform/token-memory.ts'
import { LIMITS } from '../src/gate/base/limits.ts'
import type { Policy } from '../src/gate/model/policy.ts'
import {
  createGuard,
  type Decision,
  forward,
  type Guard,
  type PolicyInput,
  parsePolicy,
} from '../src/index.ts'
import { clock, ISSUER, NOW, noLimits, RESOURCE } from './kit/facts.ts'
import { createKey, type Members, type SigningKey, unsigned } from './kit/signing.ts'

const MIB = 1024 * 1024
const RULES = 20
/** What a heap may have more than was counted: garbage that lives, tables that grow by doubling. */
const SLACK = { factor: 1.25, bytes: 4 * MIB }
/** Room of a sixth: it is full in a sixth of the time, and what is never let go shows as well. */
const ROOM = { entries: LIMITS.verifiedTokens / 6, bytes: LIMITS.verifiedTokenBytes / 6 }
const ROOM_SLACK = { ...SLACK, bytes: 2 * MIB }
const MINUTE = 60_000
const MANY = 100_000
/** Agents that ask again after so many requests of others. */
const HONEST = 20
const EVERY = 500

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** Bytes of all that is reachable, on the heap and beside it. */
const held = async (): Promise<number> => {
  for (let i = 0; i < 3; i++) {
    collect()
    await new Promise((done) => setTimeout(done, 10))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const mib = (bytes: number) => Math.round((10 * bytes) / MIB) / 10

let key: SigningKey
let signingKey: KeyObject
let policy: Policy

beforeAll(async () => {
  key = await createKey('Ed25519', 'k')
  signingKey = KeyObject.from(key.privateKey)
  policy = policyOf([
    { match: 'GET /docs/{id}', scopes: { any: ['docs:{id}', 'all'] } },
    { match: 'POST /mcp', scopes: [], mcp: { tools: { echo: [] } } },
    ...Array.from({ length: RULES }, (_, i) => ({
      match: `GET /r${i}/{id}`,
      scopes: [],
      when: `request.params.id != "" && (!has(token.list) || size(token.list) > ${i})`,
      rate_limit: { limit: 1, period: '1d' },
    })),
  ])
})

const policyOf = (routes: PolicyInput['ROUTES']): Policy => {
  const read = parsePolicy({
    GATE: {
      resource: RESOURCE,
      origin: 'https://origin.example.net',
      assertion: { binding: 'identity', algorithm: 'EdDSA' },
      revocation: { consistency: 'strict' },
    },
    ISSUERS: {
      acme: {
        issuer: ISSUER,
        algorithms: ['Ed25519'],
        profile: 'generic',
        agent_id: '/client_id',
        jwks: { keys: [key.jwk] },
      },
    },
    ROUTES: routes,
  })
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  return read.value.policy
}

/** Signed at once by Node: of WebCrypto each signature would be a turn to wait for. */
const mint = (agent: string, claims: Members = {}): string => {
  const payload = {
    iss: ISSUER,
    sub: 'alice',
    client_id: agent,
    aud: RESOURCE,
    jti: `id of ${agent}`,
    iat: NOW,
    exp: NOW + 300,
    scope: 'a:read b:read',
    ...claims,
  }
  const text = unsigned({ alg: 'Ed25519', typ: 'at+jwt', kid: 'k' }, payload).slice(0, -1)
  return `${text}.${sign(null, Buffer.from(text), signingKey).toString('base64url')}`
}

/** A guard as an isolate has it, with the memory that it counts in. */
const isolate = (room: { readonly entries?: number; readonly bytes?: number } = {}) => {
  const tokens = createTokenMemory({ clock, ...room })
  return { tokens, guard: createGuard(policy, { clock, tokens, limits: noLimits }) }
}

const requestOf = (token: string, path: string) =>
  new Request(RESOURCE + path, { headers: { authorization: `Bearer ${token}` } })

/** Sends one request through the gate to an origin that answers at once; its assertion is made on the way. */
const ask = async (guard: Guard, token: string, path: string): Promise<Decision> => {
  const request = requestOf(token, path)
  const decision = await guard(request)
  const send = async () => new Response(null, { status: 204 })
  const { status } = await forward(request, decision, { send })
  if (status !== 204) throw new Error(`${path}: ${status}`)
  return decision
}

interface Load {
  readonly what: string
  readonly tokens: number
  readonly claims?: (i: number) => Members
  /** Paths that each of them asks for. */
  readonly paths: readonly string[]
}

const everyRule = (values: number) =>
  Array.from({ length: RULES * values }, (_, i) => `/r${i % RULES}/v${Math.floor(i / RULES)}`)
const LIST = Array.from({ length: 250 }, () => [])

const LOADS: readonly Load[] = [
  { what: '800 tokens at 20 rules', tokens: 800, paths: everyRule(1) },
  { what: '8,000 agents', tokens: 8_000, paths: ['/r0/x'] },
  {
    what: '12 tokens with long claims, at 20 rules for 16 values each',
    tokens: 12,
    claims: (i) => ({ scope: Array.from({ length: 900 }, (_, n) => `s${i}:${n}`).join(' ') }),
    paths: everyRule(16),
  },
  {
    what: '80 tokens with long lists, at 20 rules',
    tokens: 80,
    claims: () => ({ list: LIST }),
    paths: everyRule(1),
  },
]

describe('what is remembered for tokens', () => {
  it.each(LOADS)(
    '$what: takes no more than is counted',
    async ({ tokens: count, claims, paths }) => {
      const { tokens, guard } = isolate(ROOM)
      await ask(guard, mint('first'), '/r0/x')
      const before = await held()
      for (let i = 0; i < count; i++) {
        const token = mint(`agent-${i}`, claims?.(i))
        for (const path of paths) await ask(guard, token, path)
      }
      const taken = (await held()) - before
      console.log({ taken: mib(taken), counted: mib(tokens.bytes), tokens: tokens.size })
      expect(tokens.bytes).toBeLessThanOrEqual(ROOM.bytes)
      expect(taken).toBeLessThan(ROOM_SLACK.factor * tokens.bytes + ROOM_SLACK.bytes)
    },
  )
})

/** Counts signatures that are verified. A spy would hold what each was called with. */
const countVerified = () => {
  const { verify } = crypto.subtle
  let count = 0
  crypto.subtle.verify = (...asked) => {
    count++
    return verify.apply(crypto.subtle, asked)
  }
  onTestFinished(() => {
    crypto.subtle.verify = verify
  })
  return () => count
}

/** Requests of agents that come again and again, and are each to be decided by what was decided at first. */
const honestAgents = async (guard: Guard) => {
  const agents = await Promise.all(
    Array.from({ length: HONEST }, async (_, i) => {
      const token = mint(`honest-${i}`, { scope: `docs:of-${i}` })
      const askAgain = () => ask(guard, token, `/docs/of-${i}`)
      const { admission } = (await askAgain()).known
      return { askAgain, admission }
    }),
  )
  return async () => {
    for (const { askAgain, admission } of agents) {
      expect((await askAgain()).known.admission).toBe(admission)
    }
  }
}

/** Sends one request of ten on, which takes more time than to decide it. */
const askOrDecide = async (i: number, guard: Guard, token: string, path: string) => {
  const { outcome } = await (i % 10 === 0 ? ask(guard, token, path) : guard(requestOf(token, path)))
  if (outcome !== 'passed') throw new Error(`${path}: ${outcome}`)
}

describe('of a hundred thousand', () => {
  it.each([
    {
      what: 'tokens',
      verified: MANY,
      flood: (guard: Guard) => async (i: number) =>
        askOrDecide(i, guard, mint(`agent-${i}`, { scope: 'all' }), '/docs/x'),
    },
    {
      what: 'paths of a template rule that one token asks for',
      verified: 1,
      flood: (guard: Guard) => {
        const token = mint('walker', { scope: 'all' })
        return async (i: number) =>
          askOrDecide(i, guard, token, `/docs/${`${i}`.padStart(128, '0')}`)
      },
    },
  ])(
    '$what no more is held than there is room for, and nobody else is forgotten',
    async ({ flood, verified }) => {
      const { tokens, guard } = isolate()
      await ask(guard, mint('first'), '/r0/x')
      const before = await held()
      const count = countVerified()
      const askHonest = await honestAgents(guard)
      const send = flood(guard)
      const seen: { taken: number; counted: number; tokens: number }[] = []
      for (let i = 1; i <= MANY; i++) {
        await send(i)
        if (i % EVERY === 0) await askHonest()
        if (i % (MANY / 5) !== 0) continue
        const taken = (await held()) - before
        expect(tokens.bytes).toBeLessThanOrEqual(LIMITS.verifiedTokenBytes)
        expect(taken).toBeLessThan(SLACK.factor * tokens.bytes + SLACK.bytes)
        seen.push({ taken: mib(taken), counted: mib(tokens.bytes), tokens: tokens.size })
      }
      console.log(seen)
      expect(count()).toBe(HONEST + verified)
    },
  )
})

it(
  'of stalled uploads no more is held than there is room for, also where the memory of tokens is full',
  async () => {
    const { tokens: memory, guard } = isolate()
    const tokens = Array.from({ length: 20 }, (_, i) => mint(`uploader-${i}`))
    await ask(guard, mint('first'), '/r0/x')
    const before = await held()
    for (let i = 0; i < 400; i++) {
      const token = mint(`agent-${i}`)
      for (const path of everyRule(1)) await ask(guard, token, path)
    }
    const remembered = (await held()) - before
    expect(memory.bytes).toBeGreaterThan(0.9 * LIMITS.verifiedTokenBytes)
    const part = new Uint8Array(960)
    const ends: (() => void)[] = []
    const decisions = Array.from({ length: 200 }, (_, i) => {
      let left = 1_000
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => void ends.push(() => controller.error(new Error('gone'))),
        // Each part is one of its own, as a connection brings them.
        pull: (controller) => {
          if (left-- <= 0) return new Promise<void>(() => {})
          controller.enqueue(part.slice())
          return Promise.resolve()
        },
      })
      const headers = {
        authorization: `Bearer ${tokens[i % tokens.length]}`,
        'content-type': 'application/json',
      }
      return guard({
        method: 'POST',
        url: `${RESOURCE}/mcp`,
        headers: new Headers(headers),
        body,
      } as never)
    })
    await new Promise((done) => setTimeout(done, 3_000))
    const taken = (await held()) - before
    const most = memory.bytes + LIMITS.heldBodies.bytes
    console.log({ remembered: mib(remembered), taken: mib(taken), most: mib(most) })
    expect(taken).toBeLessThan(SLACK.factor * most + SLACK.bytes)
    expect(taken - remembered).toBeLessThan(SLACK.factor * LIMITS.heldBodies.bytes + SLACK.bytes)
    for (const end of ends) {
      try {
        end()
      } catch {
        // One that was refused is cancelled, and takes no error.
      }
    }
    const codes = (await Promise.all(decisions)).map(
      (one) => one.outcome === 'denied' && one.denial.code,
    )
    expect(new Set(codes)).toEqual(new Set(['bodies_full', 'body_incomplete']))
  },
  MINUTE,
)

it('of strangers’ tokens with headers of their own, nothing but the headers is kept', async () => {
  const { guard } = isolate()
  const flood = async (first: number, count: number) => {
    for (let i = first; i < first + count; i++) {
      const header = { alg: 'Ed25519', kid: `${i}`, more: Array(100).fill([]) }
      const token = unsigned(header, { iss: 'https://stranger.example', more: 'x'.repeat(11_000) })
      expect((await guard(requestOf(`${token}AAAA`, '/docs/x'))).outcome).toBe('denied')
    }
  }
  await flood(0, 20)
  const before = await held()
  await flood(20, 950)
  expect((await held()) - before).toBeLessThan(2 * MIB)
})
