/** Tokens as the documentation of each provider shows them: test/vectors/issuers. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createReference } from './decide.ts'
import { makeKey, makeRequest, signToken } from './samples.ts'
import { emptyWorld, type JsonObject } from './types.ts'

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
const KEY = makeKey('key-1', 'RS256')
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
      const { alg: _, ...jwk } = { ...KEY.jwk, alg: undefined, kid: header.kid ?? 'key-1' }
      const key = profile === 'spiffe' ? { ...jwk, use: 'jwt-svid' } : jwk
      const world = { ...emptyWorld(), keys: { example: [key] } }
      const named = 'typ' in header ? header : { ...header, typ: undefined }
      const token = signToken(payload, KEY, named as JsonObject)
      const verdict = reference.decide(
        makeRequest('GET https://api.example.com/x', { token, now: ISSUED * 1000 }),
        world,
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
