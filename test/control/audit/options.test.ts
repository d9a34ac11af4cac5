import { describe, expect, it } from 'vitest'
import { receiverOf } from '../../../src/gate/policy/keys/audit.ts'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import { readVars } from '../../../src/gate/policy/reading/vars.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'

const VARS = {
  GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
  ISSUERS: { acme: { issuer: 'https://auth.acme.example' } },
  ROUTES: [{ match: 'GET /v1/files/{id}', scopes: [] }],
}

const read = (audit?: unknown, isBound = true) =>
  parsePolicy(
    { ...VARS, ...(audit !== undefined && { AUDIT: audit }) },
    { has: (_, name) => isBound || name !== 'AUDIT_LOG', secret: () => undefined },
  )

const policyOf = (audit?: unknown, isBound?: boolean) => {
  const bundle = read(audit, isBound)
  if (!bundle.ok) throw new Error(JSON.stringify(bundle.reason))
  return bundle.value.policy
}

const mistakes = (audit: unknown, isBound?: boolean) => {
  const bundle = read(audit, isBound)
  return bundle.ok ? [] : bundle.reason.map(({ path, message }) => `${path} ${message}`)
}

describe('AUDIT', () => {
  it('has defaults, and none without the binding', () => {
    expect(policyOf().audit).toEqual({
      retention: 30 * 86_400,
      maxBytes: 2e9,
      maxRows: 80_000,
      shards: 1,
      addresses: false,
      pathValues: new Set(),
      claims: [],
    })
    expect(policyOf(undefined, false)).not.toHaveProperty('audit')
    expect([policyOf(), policyOf(undefined, false)].map(({ gate }) => gate.journal)).toEqual([
      { allowed: 0 },
      { allowed: 1 },
    ])
  })

  it('is read, and shown', () => {
    const given = {
      retention: '365d',
      max_size: '500MB',
      rows_a_day: 'unlimited',
      shards: 4,
      jurisdiction: 'eu',
      addresses: true,
      path_values: ['id'],
      claims: ['department', 'org.id'],
    }
    const policy = policyOf(given)
    expect(policy.audit).toEqual({
      retention: 365 * 86_400,
      maxBytes: 5e8,
      maxRows: Number.POSITIVE_INFINITY,
      shards: 4,
      jurisdiction: 'eu',
      addresses: true,
      pathValues: new Set(['id']),
      claims: [['department'], ['org', 'id']],
    })
    expect(showPolicy(policy).audit).toEqual({ ...given, retention: `${365 * 86_400}s` })
    expect(showPolicy(policy, 'https://auth.acme.example')).not.toHaveProperty('audit')
  })

  it.each([
    [{ retention: '30m' }, 'AUDIT.retention must be at least 3600s'],
    [{ max_size: '1MB' }, 'AUDIT.max_size must be a size from "10MB" to "9GB"'],
    [{ rows_a_day: 99 }, 'AUDIT.rows_a_day must be a whole number from 100 to 1000000000, or'],
    [{ retain: '1d' }, 'AUDIT.retain '],
    ['on', 'AUDIT must be a table'],
  ])('%j is a mistake', (given, mistake) => {
    expect(mistakes(given)).toEqual([expect.stringContaining(mistake)])
  })

  it('needs its binding, which is no part of it', () => {
    expect(mistakes({}, false)).toEqual([
      'bindings.AUDIT_LOG is not there: the Durable Object namespace of AuditLog, needed by AUDIT',
    ])
    const namespace = Object.assign(Object.create({ idFromName() {} }), {})
    expect(readVars({ AUDIT: '{"shards":2}', AUDIT_LOG: namespace })).toMatchObject({
      vars: { AUDIT: { shards: 2 } },
      issues: [],
    })
    const message = 'is not read; did you mean `AUDIT`?'
    for (const path of ['AUDIT_LOCAL', 'AUDITS', 'Audit']) {
      expect(readVars({ [path]: {} }).issues).toEqual([{ path, message }])
    }
    expect(readVars({ AUDIT_LOG: {}, AUDITOR: {} }).issues).toEqual([])
  })
})

describe('the secret ALERTS', () => {
  const key = `whsec_${Buffer.alloc(24, '+/').toString('base64')}`
  const url = 'https://hooks.example/x'
  const read = (secret: unknown) => {
    const issues: string[] = []
    const receiver = receiverOf(secret, (path, message) =>
      issues.push(`${path.join('.')} ${message}`),
    )
    return { receiver, issues: issues.join() }
  }

  it('has an address and a key', () => {
    const { receiver, issues } = read(JSON.stringify({ url, key, gate: 'g', format: 'standard' }))
    expect(issues).toBe('')
    expect(receiver).toMatchObject({ url, gate: 'g', format: 'standard' })
    expect(Buffer.from(receiver?.key ?? []).toString()).toBe('+/'.repeat(12))
    expect(read(JSON.stringify({ url, format: 'slack' })).receiver).toEqual({
      url,
      format: 'slack',
    })
    expect(read(JSON.stringify({ url: 'http://127.0.0.1:9/x', key })).issues).toBe('')
  })

  it('may be absent', () => expect(read(undefined)).toEqual({ receiver: undefined, issues: '' }))

  it.each<[string, RegExp]>([
    ['https://hooks.example', /^ must be a table/],
    [JSON.stringify({ key }), /^url is required$/],
    [JSON.stringify({ url: 'http://hooks.example', key }), /^url must be an https URL$/],
    [JSON.stringify({ url: 'https://u:p@hooks.example', key }), /^url must have no credentials$/],
    [JSON.stringify({ url }), /^key must be set$/],
    [JSON.stringify({ url, key: 'whsec_c2hvcnQ=' }), /^key must be whsec_ and 24 bytes/],
    [JSON.stringify({ url, key, format: 'teams' }), /^format unknown value/],
    [JSON.stringify({ url, key, to: 'x' }), /^to /],
    [`{"url":"${url}","url":"${url}","key":"${key}"}`, /^ must be a table/],
  ])('is refused: %s', (secret, issue) => {
    const { receiver, issues } = read(secret)
    expect(receiver).toBeUndefined()
    expect(issues).toMatch(issue)
    expect(issues).not.toContain(key)
  })
})
