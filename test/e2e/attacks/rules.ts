import type { Ask } from '../world.ts'
import { at } from './addresses.ts'

/** What a rule asks of a token or request and does not get. The token's claims, and the request. */
export const RULES: readonly (readonly [
  name: string,
  status: number,
  code: string,
  claims: Readonly<Record<string, unknown>>,
  ask: Ask,
])[] = [
  ...[
    'admin',
    'admin:al',
    'admin:all2',
    'ADMIN:ALL',
    'admin:all,x',
    'x,admin:all',
    'admin:*',
    '*',
    '.*',
    'admin',
    '__proto__',
    'constructor',
    'toString',
    '',
  ].map(
    (scope) =>
      [`scope "${scope}"`, 403, 'scope_missing', { scope }, at('/v1/admin/users')] as const,
  ),
  ['no scope', 403, 'scope_missing', { scope: undefined }, at('/v1/admin/users')],
  ['scp', 403, 'scope_missing', { scp: 'admin:all' }, at('/v1/admin/users')],
  ['permissions', 403, 'scope_missing', { permissions: ['admin:all'] }, at('/v1/admin/users')],
  [
    'one of two',
    403,
    'scope_missing',
    { scope: 'docs:write' },
    at('/v1/docs/7', { method: 'DELETE' }),
  ],
  [
    'the other',
    403,
    'scope_missing',
    { scope: 'docs:delete:7' },
    at('/v1/docs/7', { method: 'DELETE' }),
  ],
  ['a scope of another id', 403, 'scope_missing', { scope: 'docs:read:77' }, at('/v1/docs/7')],
  ['the template itself', 403, 'scope_missing', { scope: 'docs:read:{id}' }, at('/v1/docs/7')],
  ['a scope with a star', 403, 'scope_missing', { scope: 'docs:read:*' }, at('/v1/docs/7')],
  ...['a%20b', 'a:b', 'a%3Ab', '%7Bid%7D', 'a*', 'a'.repeat(129), '%C3%A4', "a'b"].map(
    (id) =>
      [
        `id ${id.slice(0, 9)} in a scope`,
        403,
        'scope_value_invalid',
        { scope: `docs:write docs:delete:${decodeURIComponent(id).replace(/[ äb"]/g, '')}` },
        at(`/v1/docs/${id}`, { method: 'DELETE' }),
      ] as const,
  ),
  ...[undefined, 'Planner', 'planner ', 'planners', '__proto__'].map(
    (agent_type) =>
      [
        `agent type ${agent_type}`,
        403,
        'agent_type_not_allowed',
        { agent_type },
        at('/v1/planners'),
      ] as const,
  ),
  ...[undefined, 'r2', 'R1', 'r1 '].map(
    (workflow_id) =>
      [
        `workflow ${workflow_id}`,
        403,
        'workflow_mismatch',
        { workflow_id },
        at('/v1/runs/r1/log'),
      ] as const,
  ),
  ...['', '?run=', '?run=r1&run=r1', '?run=r1&run=r2', '?Run=r1', '?run', '?run[]=r1'].map(
    (query) =>
      [
        `workflow query "${query}"`,
        400,
        'parameter_ambiguous',
        { workflow_id: 'r1' },
        at(`/v1/runs-by-query${query}`),
      ] as const,
  ),
  ...[[], [''], ['r1', 'r1'], ['r1', 'r2'], ['r1,r2']].map(
    (values) =>
      [
        `workflow header ${JSON.stringify(values)}`,
        400,
        'parameter_ambiguous',
        { workflow_id: 'r1' },
        at('/v1/runs-by-header', { headers: values.map((value) => ['X-Run', value]) }),
      ] as const,
  ),
  ...[
    [['X-Run', 'r1'] as const, ['X_Run', 'r2'] as const],
    [['X_Run', 'r1'] as const],
    [['X-Run', 'r1'] as const, ['Connection', 'close, X-Run'] as const],
    [['X-Run', 'r1'] as const, ['Connection', 'x_run'] as const],
  ].map(
    (headers) =>
      [
        `workflow headers ${JSON.stringify(headers)}`,
        400,
        'parameter_ambiguous',
        { workflow_id: 'r1' },
        at('/v1/runs-by-header', { headers }),
      ] as const,
  ),
  ['a token without act', 403, 'actor_missing', { sub: 'alice' }, at('/v1/delegated')],
  [
    'the allowed actor further in',
    403,
    'actor_not_allowed',
    { sub: 'alice', act: { sub: 'x', act: { sub: 'planner' } } },
    at('/v1/delegated'),
  ],
  [
    'the allowed actor of another issuer',
    403,
    'actor_not_allowed',
    { sub: 'alice', act: { sub: 'planner', iss: 'BETA' } },
    at('/v1/delegated'),
  ],
  [
    'another subject',
    403,
    'subject_not_allowed',
    { sub: 'mallory', act: { sub: 'planner' } },
    at('/v1/delegated'),
  ],
  [
    'a chain of four',
    403,
    'delegation_too_deep',
    { act: { sub: 'a', act: { sub: 'b', act: { sub: 'c', act: { sub: 'd' } } } } },
    at('/v1/any'),
  ],
  ['an issuer of other routes', 401, 'issuer_not_accepted', {}, at('/v1/beta-only')],
  ['no tenant', 401, 'claim_rejected', {}, at('/v1/tenant')],
  ['another tenant', 401, 'claim_rejected', { tenant: 'Blue' }, at('/v1/tenant')],
  ['a tenant by prototype', 401, 'claim_rejected', { constructor: 'blue' }, at('/v1/tenant')],
  ['a life longer than the rule has', 401, 'token_lifetime', {}, at('/v1/short')],
  ['the audience of other routes', 401, 'audience_mismatch', {}, at('/v1/other-audience')],
]
