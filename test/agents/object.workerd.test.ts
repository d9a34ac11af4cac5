import { reset } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, it } from 'vitest'
import type { AgentRegistry } from '../../src/agents/object.ts'
import type { AuditLog } from '../../src/audit/object.ts'
import { keyText } from '../../src/core/model/agents.ts'
import { recordAt } from '../audit/record.ts'
import { eventually } from '../kit/eventually.ts'
import { sqlOf } from './support.workerd.ts'

const { AGENTS, AUDIT_LOG } = env as unknown as {
  readonly AGENTS: DurableObjectNamespace<AgentRegistry>
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
}

afterEach(() => reset())

const ISSUER = 'https://auth.acme.example'
const TERMS = { prefix: '/.edgewarden', maxRows: Number.POSITIVE_INFINITY }

it('discovers agents by what the audit has stored, strangers and own endpoints never', async () => {
  const now = Date.now()
  const call = { mcp: { method: 'tools/call', name: 'get_weather' }, route: 'POST /mcp' }
  const known = [
    recordAt(now, { colo: 'AMS', key_thumbprint: 'jkt-1' }),
    recordAt(now + 1, {
      ...call,
      grant: ['weather:read'],
      actors: [{ sub: 'planner', issuer: ISSUER }],
    }),
    recordAt(now + 2, { agent: 'planner', decision: 'denied', code: 'scope_missing' }),
    recordAt(now + 3, { agent: 'ops', route: 'GET /.edgewarden/policy' }),
  ]
  const strangers = [recordAt(now, { agent: 'stranger' })]
  const terms = { retention: 86_400, maxBytes: 1e9, maxRows: Number.POSITIVE_INFINITY }
  await AUDIT_LOG.getByName('0').append({ id: 'one', known, strangers, ...terms, agents: TERMS })
  const rows = async () =>
    sqlOf(AGENTS.getByName('registry'), 'SELECT agent, status, seen FROM agents ORDER BY agent')
  await eventually(async () => expect(await rows()).toHaveLength(2))
  const [one, planner] = await rows()
  expect([one?.agent, planner?.agent]).toEqual(['agent-1', 'planner'])
  expect(JSON.parse(String(one?.seen))).toMatchObject({
    keys: ['jkt-1'],
    used: { 'files:read': expect.any(Number), 'weather:read': expect.any(Number) },
    uses: {
      '["GET /v1/files/{id}"]': expect.any(Number),
      '["POST /mcp","get_weather"]': expect.any(Number),
    },
    parents: [keyText({ issuer: ISSUER, agent: 'planner' })],
  })
  expect(JSON.parse(String(planner?.seen))).toMatchObject({
    uses: {},
    children: [keyText({ issuer: ISSUER, agent: 'agent-1' })],
  })
})
