import { expect } from 'vitest'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import type { PolicyEnv } from '../../../src/gate/policy/reading/env.ts'
import { warningsOf } from '../../../src/gate/policy/warnings.ts'
import { editorMistakesOfVars } from '../../kit/config-schema.ts'

/** A policy without a mistake, to break in one place. */
export const GATE = {
  resource: 'https://api.example.com',
  origin: 'https://origin.example.com',
  assertion: 'identity',
}
export const ACME = { issuer: 'https://auth.acme.example' }
export const CHAT = { match: 'POST /v1/chat', scopes: ['chat:write'] }
export const ITEM = { match: 'GET /v1/items/{id}', scopes: ['items:read'] }

/** Everything has been bound but the audit, which is another default for the journal; with one secret. */
export const ENV: PolicyEnv = {
  has: (kind, name) =>
    kind === 'secret' ? name === 'KEY' : !['MISSING', 'AUDIT_LOG'].includes(name),
  secret: (name) => (name === 'KEY' ? 's3cr3t-value' : undefined),
}

export interface Vars {
  readonly GATE?: object
  readonly ISSUERS?: object
  readonly ROUTES?: readonly unknown[]
  readonly SCOPES?: object
  readonly GRANTS?: readonly unknown[]
}

/** Reads a policy. Of one without a mistake an editor says nothing either. */
export const parse = (changes: Vars, env: PolicyEnv = ENV) => {
  const vars = { GATE, ISSUERS: { acme: ACME }, ROUTES: [CHAT], ...changes }
  const parsed = parsePolicy(vars, env, warningsOf)
  if (parsed.ok) expect(editorMistakesOfVars(vars)).toEqual([])
  return parsed
}

/** Mistakes as `path: message` lines. */
export const mistakes = (vars: Vars, env?: PolicyEnv): readonly string[] => {
  const parsed = parse(vars, env)
  return parsed.ok ? [] : parsed.reason.map(({ path, message }) => `${path}: ${message}`)
}

export const policy = (vars: Vars = {}, env?: PolicyEnv) => {
  const parsed = parse(vars, env)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason, undefined, 2))
  return parsed.value.policy
}

/** The rule a request of this policy falls under. */
export const rule = (
  vars: Vars,
  path = '/v1/chat',
  method: 'GET' | 'POST' | 'OPTIONS' = 'POST',
) => {
  const found = policy(vars).router.find(method, 'api.example.com', path).match
  if (!found) throw new Error(`no rule for ${method} ${path}`)
  return found.route
}
