import { describe, expect, it } from 'vitest'
import { GATE, parse, type Vars } from './support.ts'

/** What is said of a policy whose assertion is written, as `path: message` lines. */
const warnings = (vars: Vars): readonly string[] => {
  const parsed = parse(vars)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.warnings.map(({ path, message }) => `${path}: ${message}`)
}

const inject = (...names: readonly string[]) => ({
  inject: Object.fromEntries(names.map((name) => [name, `\${KEY}`])),
})

let count = 0
const route = (keys: object = {}) => ({ match: `GET /r/${count++}`, scopes: [], ...keys })
const open = (keys: object = {}) => ({ match: `GET /r/${count++}`, access: 'public', ...keys })

describe('a service token of Cloudflare Access', () => {
  it.each([
    ['CF-Access-Client-Id', 'CF-Access-Client-Secret'],
    ['cf_access_client_secret', 'CF-Access-Client-Id'],
  ])('is warned of with %s only', (name, missing) => {
    expect(warnings({ ROUTES: [route(inject(name))] })).toEqual([
      expect.stringContaining(`ROUTES[0].inject: lacks ${missing}: Cloudflare Access`),
    ])
  })

  it('is none with both, nor with neither', () => {
    const both = inject('CF-Access-Client-Id', 'cf-access-client-secret', 'Authorization')
    expect(warnings({ ROUTES: [route(both)] })).toEqual([])
    expect(warnings({ ROUTES: [route(inject('Authorization'))] })).toEqual([])
  })
})

describe('an origin with a name of Cloudflare', () => {
  const at = (origin: string, gate: object = {}) => ({ GATE: { ...GATE, origin, ...gate } })

  it.each([
    ['https://0f9e8d7c.cfargotunnel.com', /^GATE\.origin: .*the public host name of the tunnel/],
    ['https://api.acme.workers.dev', /^GATE\.origin: .*anyone can send to it.*"service:NAME"/],
    ['https://acme.pages.dev/api', /^GATE\.origin: .*anyone can send to it.*Cloudflare Access/],
  ])('is warned of: %s', (origin, message) => {
    expect(warnings(at(origin))).toEqual([expect.stringMatching(message)])
    const own = message.source.replace('GATE\\.', 'ROUTES\\[1\\]\\.')
    expect(warnings({ ROUTES: [route(), route({ origin })] })).toEqual([
      expect.stringMatching(new RegExp(own)),
    ])
  })

  it('is warned of once', () => {
    const origin = 'https://api.acme.workers.dev'
    const ROUTES = [route(), route({ origin }), route(), open()]
    expect(warnings({ ...at(origin), ROUTES })).toEqual([expect.stringMatching(/^GATE\.origin: /)])
  })

  it.each<[string, Vars]>([
    ['that only ends alike', at('https://myworkers.dev')],
    ['that is inside of another', at('https://workers.dev.acme.com')],
    ['behind a binding', at('https://api.acme.workers.dev', { origin_via: 'API' })],
    [
      'that no rule sends to',
      { ...at('https://a.workers.dev'), ROUTES: [route({ origin: GATE.origin })] },
    ],
    ['bound as a service', at('service:API')],
  ])('is none %s', (_, vars) => {
    expect(warnings(vars)).toEqual([])
  })

  it('may be public where every request to it has a secret, unless it answers nobody', () => {
    const ROUTES = [route(inject('X-Gate-Secret')), route(inject('X-Gate-Secret'))]
    expect(warnings({ ...at('https://a.b.workers.dev'), ROUTES })).toEqual([])
    expect(warnings({ ...at('https://a.pages.dev'), ROUTES })).toEqual([])
    expect(warnings({ ...at('https://a.cfargotunnel.com'), ROUTES })).toHaveLength(1)
    const some = [...ROUTES, route()]
    expect(warnings({ ...at('https://a.b.workers.dev'), ROUTES: some }).join()).toContain(
      'public address of a Worker',
    )
  })
})

describe('plain http to an origin', () => {
  const plain = 'http://origin.acme.dev'

  it.each<[string, object, object]>([
    ['GATE.origin', { origin: plain }, {}],
    ['ROUTES[0].origin', {}, { origin: plain }],
    // The binding of GATE is for GATE's own origin.
    ['ROUTES[0].origin', { origin_via: 'VPC' }, { origin: plain }],
  ])('is warned of: %s', (path, gate, keys) => {
    expect(warnings({ GATE: { ...GATE, ...gate }, ROUTES: [route(keys)] })).toEqual([
      expect.stringContaining(`${path}: is plain http`),
    ])
  })

  it.each<[string, object, object]>([
    ['through a binding', { origin: plain, origin_via: 'VPC' }, {}],
    ['through a binding of the rule', {}, { origin: plain, origin_via: 'VPC' }],
    ['on this machine', { origin: 'http://127.0.0.1:8080' }, {}],
  ])('is not %s', (_, gate, keys) => {
    expect(warnings({ GATE: { ...GATE, ...gate }, ROUTES: [route(keys)] })).toEqual([])
  })
})

describe('a service binding', () => {
  it('has nothing to protect: nothing is said of it, whatever is written', () => {
    const { assertion: _, ...gate } = { ...GATE, origin: 'service:API' }
    const ROUTES = [
      route(inject('X-Gate-Secret')),
      route(),
      route({ origin: 'service:OTHER' }),
      open(),
      route({ access: 'optional' }),
    ]
    expect(warnings({ GATE: gate, ROUTES })).toEqual([])
  })
})

describe('a clock tolerance above that of verifyAgent', () => {
  const says = (gate: object) =>
    warnings({ GATE: { ...GATE, ...gate } }).filter((line) =>
      line.startsWith('GATE.clock_tolerance'),
    )

  it.each([{}, { assertion: { binding: 'body' } }])(
    'is warned of with assertion %j',
    (assertion) => {
      const keys = { assertion: 'identity', ...assertion }
      expect(says({ clock_tolerance: '6s', ...keys })).toEqual([
        expect.stringContaining('their clockTolerance'),
      ])
      expect(says({ clock_tolerance: '5s', ...keys })).toEqual([])
    },
  )

  it('is none of anybody where there is no assertion', () => {
    expect(says({ clock_tolerance: '60s', assertion: 'off' })).toEqual([])
  })
})
