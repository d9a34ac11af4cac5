import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importJWK } from 'jose'
import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { ok } from '../src/gate/base/result.ts'
import type { Facts } from '../src/gate/guard/guard.ts'
import type { VerificationKey } from '../src/gate/model/token.ts'
import { identityHeaders } from '../src/gate/relay/origin/headers.ts'
import { policy } from './gate/policy/support.ts'
import { NOW, RESOURCE } from './kit/facts.ts'
import { startLine } from './kit/line.ts'
import { ROOT } from './kit/repository.ts'
import { createKey, sign } from './kit/signing.ts'

/** The token and the policy that docs/configuration/delegation.md shows for a sub-agent. */
const page = readFileSync(join(ROOT, 'docs/configuration/delegation.md'), 'utf8')
const [, json = '', toml = ''] =
  /^## From an orchestrator to a sub-agent$.*?```json\n(.*?)```\n\n```toml\n(.*?)```/ms.exec(
    page,
  ) ?? []
const CLAIMS = JSON.parse(json) as Record<string, unknown>
const { vars } = parse(toml) as { vars: { ISSUERS: object; ROUTES: Record<string, unknown>[] } }

const key = await createKey('ES256')
const imported = (await importJWK(key.jwk, 'ES256')) as VerificationKey['key']
const line = startLine({ keys: { find: () => ok({ key: imported, kid: key.kid }) } })

const ask = async (
  path: string,
  { method = 'GET', claims = {}, routes = vars.ROUTES } = {} as {
    readonly method?: string
    readonly claims?: object
    readonly routes?: readonly object[]
  },
) => {
  const rest = { aud: RESOURCE, jti: 'token-1', iat: NOW - 60, exp: NOW + 600 }
  const token = await sign({ typ: 'at+jwt', kid: key.kid }, { ...rest, ...CLAIMS, ...claims }, key)
  return line.ask(policy({ ISSUERS: vars.ISSUERS, ROUTES: routes }), path, token, { method })
}

describe('the example of a sub-agent', () => {
  const own = '/v1/runs/run-7/documents'

  it('reads in its own run, and is told as it says', async () => {
    const { code, known } = await ask(own)
    expect(code).toBe('passed')
    const headers = new Map(identityHeaders(known as Facts))
    for (const name of ['Id', 'Delegation']) {
      const value = headers.get(`x-agent-${name.toLowerCase()}`)
      expect(page).toContain(`\`X-Agent-${name}: ${value}\``)
    }
  })

  it('is kept out of another run, and from writing, for each reason in turn', async () => {
    expect((await ask('/v1/runs/run-8/documents')).code).toBe('workflow_mismatch')
    const writing = async (delegation: object) =>
      (
        await ask(own, {
          method: 'POST',
          routes: vars.ROUTES.map((rule) => (rule.delegation ? { ...rule, delegation } : rule)),
        })
      ).code
    const actors = ['orchestrator']
    expect(await writing({ max_depth: 1, actors })).toBe('delegation_too_deep')
    expect(await writing({ actors })).toBe('actor_not_allowed')
    expect(await writing({})).toBe('scope_missing')
  })

  it('has no more than its parent', async () => {
    const claims = { scope: 'documents:read documents:delete' }
    expect((await ask(own, { claims })).code).toBe('delegation_scope_exceeded')
  })

  it('does not keep the orchestrator from writing', async () => {
    const act = { sub: 'orchestrator', iss: CLAIMS.iss, sub_profile: 'ai_agent' }
    const claims = { act, scope: 'documents:read documents:write', parent_scope: undefined }
    expect((await ask(own, { method: 'POST', claims })).code).toBe('passed')
  })
})
