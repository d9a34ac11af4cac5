import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeAll, describe, expect, it } from 'vitest'
import { createTokenMemory } from '../src/adapters/token-memory.ts'
import { LIMITS } from '../src/base/limits.ts'
import { createGuard, forward, type Guard, parsePolicy } from '../src/index.ts'
import type { Policy } from '../src/model/policy.ts'
import { clock, ISSUER, NOW, noLimits, RESOURCE } from './kit/facts.ts'
import { createKey, type Members, type SigningKey, sign } from './kit/signing.ts'

const MIB = 1024 * 1024
const RULES = 20
/** What a heap may have more than was counted: garbage that lives, tables that grow by doubling. */
const SLACK = { factor: 1.25, bytes: 4 * MIB }
/** Room of a sixth: it is full in a sixth of the time, and what is never let go shows as well. */
const ROOM = { entries: LIMITS.verifiedTokens / 6, bytes: LIMITS.verifiedTokenBytes / 6 }
const ROOM_SLACK = { ...SLACK, bytes: 2 * MIB }
const MINUTE = 60_000

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
let policy: Policy

beforeAll(async () => {
  key = await createKey('Ed25519', 'k')
  policy = policyOf(
    Array.from({ length: RULES }, (_, i) => ({
      match: `GET /r${i}/{id}`,
      scopes: [],
      when: `request.params.id != "" && (!has(token.list) || size(token.list) > ${i})`,
      rate_limit: { limit: 1, period: '1d' },
    })),
  )
})

const policyOf = (routes: readonly Members[]): Policy => {
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

const mint = (agent: string, claims: Members = {}) =>
  sign(
    { typ: 'at+jwt', kid: 'k' },
    {
      iss: ISSUER,
      sub: 'alice',
      client_id: agent,
      aud: RESOURCE,
      jti: `id of ${agent}`,
      iat: NOW,
      exp: NOW + 300,
      scope: 'a:read b:read',
      ...claims,
    },
    key,
  )

/** A guard as an isolate has it, with the memory that it counts in. */
const isolate = () => {
  const tokens = createTokenMemory({ clock, ...ROOM })
  return { tokens, guard: createGuard(policy, { clock, tokens, limits: noLimits }) }
}

/** Sends one request through the gate to an origin that answers at once; its assertion is made on the way. */
const ask = async (guard: Guard, token: string, path: string): Promise<void> => {
  const request = new Request(RESOURCE + path, { headers: { authorization: `Bearer ${token}` } })
  const decision = await guard(request)
  const send = async () => new Response(null, { status: 204 })
  const { status } = await forward(request, decision, { send })
  if (status !== 204) throw new Error(`${path}: ${status}`)
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
      const { tokens, guard } = isolate()
      await ask(guard, await mint('first'), '/r0/x')
      const before = await held()
      for (let i = 0; i < count; i++) {
        const token = await mint(`agent-${i}`, claims?.(i))
        for (const path of paths) await ask(guard, token, path)
      }
      const taken = (await held()) - before
      console.log({ taken: mib(taken), counted: mib(tokens.bytes), tokens: tokens.size })
      expect(tokens.bytes).toBeLessThanOrEqual(ROOM.bytes)
      expect(taken).toBeLessThan(ROOM_SLACK.factor * tokens.bytes + ROOM_SLACK.bytes)
    },
  )
})

it(
  'of stalled uploads no more is held than there is room for',
  async () => {
    const rule = { match: 'POST /mcp', scopes: [], mcp: { tools: { echo: [] } } }
    const guard = createGuard(policyOf([rule]), { clock })
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => mint(`uploader-${i}`)))
    const before = await held()
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
    console.log({ taken: mib(taken), most: mib(LIMITS.heldBodies.bytes) })
    expect(taken).toBeLessThan(SLACK.factor * LIMITS.heldBodies.bytes + SLACK.bytes)
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
