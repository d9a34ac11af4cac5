/** Tokens as the documentation of each provider shows them: test/vectors/issuers. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createReference } from './decide.ts'
import { PROFILES } from './profiles.ts'
import { emptyWorld, type JsonObject, type Jwk } from './types.ts'

interface Vector {
  name: string
  header: JsonObject
  payload: JsonObject
  code: string
  identity?: { agentId: string; clientId: string; scope: string; workflowId?: string }
}

interface Provider {
  profile: string
  issuer: string
  audiences?: string[]
  entry?: Record<string, unknown>
  tokens: Vector[]
}

const FOLDER = join(import.meta.dirname, '../vectors/issuers')
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const signed = (header: object, claims: object) => {
  const input = `${part({ alg: 'RS256', typ: 'at+jwt', kid: 'key-1', ...header })}.${part(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`
}
/** The `iat` of most tokens. */
const ISSUED = 1_767_225_600

for (const file of readdirSync(FOLDER)) {
  const { profile, issuer, audiences, entry, tokens }: Provider = JSON.parse(
    readFileSync(join(FOLDER, file), 'utf8'),
  )
  const table = { profile, issuer, ...(audiences && { audiences }), ...entry }
  const reference = createReference({
    GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
    ISSUERS: { example: table },
    ROUTES: [{ match: 'GET /x', scopes: [] }],
  })
  describe(file, () => {
    it.each(tokens)('$name: $code', ({ header, payload, code, identity }) => {
      const jwk = { ...publicKey.export({ format: 'jwk' }), kid: header.kid ?? 'key-1' } as Jwk
      const key = profile === 'spiffe' ? { ...jwk, use: 'jwt-svid' } : jwk
      const token = signed('typ' in header ? header : { ...header, typ: undefined }, payload)
      const verdict = reference.decide(
        {
          ...{ method: 'GET', scheme: 'https', host: 'api.example.com', target: '/x' },
          headers: [['Authorization', `Bearer ${token}`]],
          address: '192.0.2.7',
          now: ISSUED * 1000,
        },
        { ...emptyWorld(), keys: { example: [key] } },
      )
      expect(verdict.code ?? 'ok').toBe(code)
      if (identity === undefined) return
      const sent = Object.fromEntries(verdict.headers ?? [])
      expect(decodeURIComponent(sent['x-agent-id'] ?? '')).toBe(identity.agentId)
      expect(decodeURIComponent(sent['x-agent-client-id'] ?? '')).toBe(identity.clientId)
      expect(sent['x-agent-scope'] ?? '').toBe(identity.scope)
      expect(sent['x-agent-workflow-id']).toBe(identity.workflowId)
      expect(Number(sent['x-agent-token-expires'])).toBeGreaterThan(ISSUED)
    })
  })
}

it('every profile has the required claims and the lifetime that docs/issuers.md says', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/issuers.md'), 'utf8')
  const [, table = ''] = page.split('<!-- generated: profiles -->')
  const seconds = (text = '') => Number.parseInt(text, 10) * (text.endsWith('h') ? 3600 : 60)
  const names = (text = '') => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  const rows = table.split('\n').filter((line) => line.startsWith('| `'))
  for (const row of rows) {
    const cells = row.split(/(?<!\\)\|/).map((cell) => cell.trim())
    const [, profile, typ, agent, , client, , required, longest] = cells
    const [name = ''] = names(profile)
    const own = PROFILES[name]
    const types = typ?.split(', ').map((each) => (each === 'none' ? 'absent' : names(each)[0]))
    expect([name, own?.required, own?.lifetime]).toEqual([name, names(required), seconds(longest)])
    expect([own?.agentId, own?.clientId, own?.typ]).toEqual([names(agent), names(client), types])
  }
  expect(rows.length).toBe(Object.keys(PROFILES).length)
})
