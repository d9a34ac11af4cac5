import { describe, expect, it } from 'vitest'
import { GATE, parse } from './support.ts'

let count = 0
const rule = (keys: object = {}) => ({ match: `GET /r/${count++}`, scopes: [], ...keys })
const sending = (header: string, keys: object = {}) =>
  rule({ inject: { [header]: `\${KEY}` }, ...keys })
const open = (keys: object = {}) => ({ match: `GET /r/${count++}`, access: 'public', ...keys })
const optional = () => rule({ access: 'optional' })

/** What is said of rules, as `path: message` lines. */
const said = (routes: readonly object[], gate: object = {}): readonly string[] => {
  const parsed = parse({ GATE: { ...GATE, ...gate }, ROUTES: routes })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.warnings.map(({ path, message }) => `${path}: ${message}`)
}

const GATES = 'X-Gate-Secret'
const OTHER = 'https://other.acme.dev'

describe('a header by which an origin knows the gate', () => {
  it.each<[string, readonly object[], string]>([
    ['in one rule of two', [sending(GATES), rule()], 'ROUTES[1].inject: lacks `x-gate-secret`'],
    ['in the later one', [rule(), sending(GATES)], 'ROUTES[0].inject: lacks `x-gate-secret`'],
    [
      'beside another header',
      [sending(GATES), sending('X-Other')],
      'ROUTES[1].inject: lacks `x-gate-secret`',
    ],
    [
      'of Cloudflare Access',
      [
        ...[0, 1].map(() =>
          rule({
            inject: { 'CF-Access-Client-Id': `\${KEY}`, 'CF-Access-Client-Secret': `\${KEY}` },
          }),
        ),
        rule(),
      ],
      'ROUTES[2].inject: lacks `cf-access-client-secret`',
    ],
    ['before a public rule', [sending(GATES), open()], 'ROUTES[1].access: is not `required`'],
    [
      'before an optional rule',
      [sending(GATES), optional()],
      'ROUTES[1].access: is not `required`',
    ],
    [
      'at an origin of rules',
      [sending(GATES, { origin: OTHER }), rule({ origin: OTHER }), rule()],
      'ROUTES[1].inject: lacks `x-gate-secret`',
    ],
    [
      'at one origin, spelled in two ways',
      [sending(GATES, { origin: OTHER }), rule({ origin: `${OTHER}/` })],
      'ROUTES[1].inject: lacks `x-gate-secret`',
    ],
  ])('is missed %s', (_, routes, expected) => {
    expect(said(routes)).toEqual([expect.stringContaining(expected)])
  })

  it('is missed once for all rules of a kind, however many templates it has', () => {
    const routes = [
      sending(GATES),
      rule({ inject: { x_gate_secret: `v1 \${KEY}` } }),
      ...[0, 1, 2, 3, 4, 5].map(() => rule()),
      open(),
      optional(),
    ]
    expect(said(routes)).toEqual([
      expect.stringContaining('(also ROUTES[3], ROUTES[4], ROUTES[5] and 2 more)'),
      expect.stringMatching(/^ROUTES\[8\]\.access: .*\(also ROUTES\[9\]\)/),
    ])
  })

  it.each<[string, readonly object[], object?]>([
    ['every rule sends it', [sending(GATES), sending('x-gate_secret'), sending(GATES)]],
    [
      'the others go to another origin',
      [sending(GATES), rule({ origin: OTHER }), open({ origin: OTHER })],
    ],
    ['the others go to another path there', [sending(GATES), rule({ origin: `${GATE.origin}/b` })]],
    ['the others go through a binding', [sending(GATES), rule({ origin_via: 'VPC' })]],
    ['nobody else reaches the origin', [sending(GATES), rule()], { origin: 'http://localhost:1' }],
    ['the origin is a service', [sending(GATES), rule(), open()], { origin: 'service:API' }],
  ])('is not missed where %s', (_, routes, gate) => {
    expect(said(routes, gate)).toEqual([])
  })
})

describe("an API's own credential", () => {
  it.each([
    'Authorization',
    'X-API-Key',
    'api-key',
    'apikey',
    'x-goog-api-key',
    'xi-api-key',
    'Ocp-Apim-Subscription-Key',
    'X-Auth-Token',
    'Private-Token',
    'Cookie',
    'OpenAI-Organization',
    'X-Client-Id',
  ])('may be sent by most rules only: %s', (header) => {
    expect(said([sending(header), sending(header), rule(), open(), optional()])).toEqual([])
  })
})
