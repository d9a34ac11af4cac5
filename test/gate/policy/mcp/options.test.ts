import { describe, expect, it } from 'vitest'
import { MCP_REVISIONS, type McpRule } from '../../../../src/gate/model/mcp.ts'
import { showPolicy } from '../../../../src/gate/policy/show.ts'
import { ACME, GATE, mistakes, parse, policy, rule } from '../support.ts'

const ROUTE = { match: 'GET,POST,DELETE /mcp', scopes: ['mcp:connect'] }
const OWN = { resource: 'https://api.example.com/mcp' }
const TOOLS = { tools: { read: ['files:read'] } }

const routes = (mcp: unknown, changes: object = {}) => [{ ...ROUTE, mcp, ...changes }]
const ruleOf = (mcp: unknown, changes: object = {}): McpRule => {
  const found = rule({ ROUTES: routes(mcp, changes) }, '/mcp').mcp
  if (!found) throw new Error('no mcp')
  return found
}
const wrong = (mcp: unknown, changes: object = {}) => mistakes({ ROUTES: routes(mcp, changes) })

const scopesOf = (mcp: McpRule, name: string) =>
  mcp.names.tools.find(name)?.scopes.scopes.map(({ source }) => source)

describe('mcp', () => {
  it('has defaults, and shows no kind of which nothing is named', () => {
    expect(showPolicy(policy({ ROUTES: routes(TOOLS) })).routes[0]?.mcp).toEqual({
      ...TOOLS,
      ...{ methods: [], revisions: [...MCP_REVISIONS], origins: [], max_body: 1_048_576 },
      ...{ refusals: 'auto', list: 'obtainable' },
    })
  })

  it('takes everything it may be told, and shows it as it is written', () => {
    const mcp = {
      tools: {
        read: ['files:read'],
        'files_*': { any: ['files:read', 'files:admin'] },
        pay: { scopes: ['pay'], agent_types: ['agent'], when: 'arguments.amount < 100.0' },
        free: { scopes: [], when: { condition: 'request.query.a == "b"', query: ['a'] } },
      },
      prompts: { '*': [] },
      resources: { 'file:///docs/*': ['files:read'], 'memo://today': [] },
      methods: ['logging/setLevel', 'vendor.example/$x'],
      revisions: ['2025-11-25', '2026-07-28'],
      origins: ['https://app.example.com', 'http://localhost:3000'],
      max_body: 2_048,
      refusals: 'json-rpc',
      list: 'allowed',
      offered_scopes: ['files:read', 'pay'],
    }
    const read = policy({ ROUTES: routes(mcp) })
    expect(showPolicy(read).routes[0]?.mcp).toEqual(mcp)
    expect(Object.isFrozen(read.routes[0]?.mcp)).toBe(true)
  })

  it.each<[object, readonly string[]]>([
    [{}, ['a', 'b', 'c']],
    [{ offered_scopes: [] }, []],
    [{ offered_scopes: ['files:read', 'pay'] }, ['files:read', 'pay']],
  ])('offers in the metadata the scopes of all names, unless they are set: %j', (more, names) => {
    const mcp = {
      tools: { one: ['a', 'x:{arguments.id}'], two: { any: ['b', 'a'] } },
      prompts: { three: { scopes: ['c'], agent_types: ['agent'] } },
      ...more,
    }
    const read = policy({ ROUTES: routes(mcp) })
    const [route] = read.routes
    const needed = route?.scopes.scopes.map(({ source }) => source) ?? []
    expect(read.resources.get(route?.resource ?? '')?.scopes).toEqual([...needed, ...names])
  })

  it('keeps names that objects have by themselves', () => {
    const tools = JSON.parse('{ "__proto__": ["a"], "constructor": ["b"], "toString": [] }')
    const mcp = ruleOf({ tools })
    expect(scopesOf(mcp, '__proto__')).toEqual(['a'])
    expect(scopesOf(mcp, 'constructor')).toEqual(['b'])
    expect(scopesOf(mcp, 'toString')).toEqual([])
    expect(scopesOf(ruleOf(TOOLS), '__proto__')).toBeUndefined()
    expect(scopesOf(ruleOf(TOOLS), 'constructor')).toBeUndefined()
    const shown = showPolicy(policy({ ROUTES: routes({ tools }) })).routes[0]?.mcp
    expect(Object.keys((shown as { tools: object }).tools)).toEqual(Object.keys(tools))
  })

  it('is a mistake for a table without anything, of unknown keys, and for no table', () => {
    const named = 'one of `tools`, `prompts`, `resources`, `methods`'
    expect(wrong({})).toEqual([`ROUTES[0].mcp: must name what may be used: ${named}`])
    expect(wrong({ origins: ['https://a.example'] })).toEqual([
      `ROUTES[0].mcp: must name what may be used: ${named}`,
    ])
    expect(wrong({ tols: {} }).join()).toContain('did you mean `tools`?')
    expect(wrong('all')).toEqual(['ROUTES[0].mcp: must be a table'])
    expect(wrong({ methods: [] })).toEqual(['ROUTES[0].mcp.methods: must not be an empty list'])
    for (const kind of ['tools', 'prompts', 'resources']) {
      expect(wrong({ [kind]: {} }).join()).toContain(`mcp.${kind}: must not be empty`)
      expect(wrong({ [kind]: ['a'] }).join()).toContain(`mcp.${kind}: must be a table`)
    }
  })

  it.each(['', 'a*b', '*a', 'a**', ' a', 'a\tb', 'a\u200bb', '\ud800', `${'a'.repeat(128)}*`])(
    'has no tool and no prompt with the name %j',
    (name) => {
      const message = /is not a valid name|only at the end/
      for (const kind of ['tools', 'prompts']) {
        expect(wrong({ [kind]: { [name]: [] } })).toEqual([expect.stringMatching(message)])
      }
    },
  )

  it('may have names of every language', () => {
    const names = ['get weather', 'größe', '天気', 'a'.repeat(128), '*', 'a*', 'a.b/c-d_e:f']
    const tools = Object.fromEntries(names.map((name) => [name, []]))
    const uris = ['file:///docs/*', 'file:///a..b/v1.2/.hidden', 'memo://*', 'note:a%20b', '*']
    const resources = Object.fromEntries(uris.map((uri) => [uri, []]))
    expect(wrong({ tools, resources })).toEqual([])
  })

  it.each([
    ['/docs/*', /is not a valid name/],
    ['file:///ä', /is not a valid name/],
    ['file:///a*b', /only at the end/],
    ['file:///docs/%2e%2E/etc', /two ways/],
    ['file:///docs\\..\\x', /two ways/],
    ['file:///docs%00', /two ways/],
    ['file:///docs%2*', /two ways/],
    ['https://api.example.com*', /hosts that begin like this one/],
  ])('has no resource with the name %j', (name, message) => {
    expect(wrong({ resources: { [name]: [] } })).toEqual([expect.stringMatching(message)])
  })

  it.each<[object, RegExp]>([
    [{ tools: { a: null } }, /tools\.a: must be a list of scopes, \{ any = \[...\] \}, or a table/],
    [{ tools: { a: { agent_types: ['x'] } } }, /tools\.a\.scopes: is required/],
    [{ tools: { a: { scopes: [], wen: '' } } }, /tools\.a\.wen: .*did you mean `when`\?/],
    [{ tools: { a: { any: [] } } }, /tools\.a\.any: must not be an empty list/],
    [{ tools: { a: { any: ['x'], when: 'true' } } }, /tools\.a\.when: unknown key/],
    [{ tools: { a: ['x y'] } }, /tools\.a\[0\]: .*Two scopes/],
    [{ tools: { a: ['edgewarden:read'] } }, /own endpoints/],
    [{ tools: { a: { scopes: { any: [7] } } } }, /tools\.a\.scopes\.any\[0\]: must be a string/],
    [{ tools: { a: { scopes: [], agent_types: [] } } }, /agent_types: must not be an empty list/],
    [{ methods: ['tools/call'] }, /methods\[0\]: .*must not be listed/],
    [{ methods: ['notifications/progress'] }, /must not be listed/],
    [{ methods: ['a*'] }, /is not a method name/],
    [{ ...TOOLS, revisions: ['2024-11-05'] }, /revisions\[0\]: unknown value/],
    [{ ...TOOLS, origins: ['*'] }, /origins\[0\]: must name each origin/],
    [{ ...TOOLS, origins: ['http://app.example.com'] }, /origins\[0\]: .*loopback/],
    [{ ...TOOLS, origins: ['https://App.example.com'] }, /origins\[0\]: must be/],
    [{ ...TOOLS, origins: ['https://app.example.com:443'] }, /origins\[0\]: must be an origin/],
    [{ ...TOOLS, origins: ['null'] }, /origins\[0\]: must be/],
    [{ ...TOOLS, max_body: 1_023 }, /max_body: must be a number of bytes from 1024/],
    [{ ...TOOLS, max_body: 4_194_305 }, /max_body: must be/],
    [{ ...TOOLS, offered_scopes: ['a b'] }, /offered_scopes\[0\]: must be one scope/],
    [{ ...TOOLS, offered_scopes: ['edgewarden:read'] }, /offered_scopes\[0\]: .*endpoints/],
    [{ ...TOOLS, refusals: 'https' }, /refusals: .*did you mean `http`\?/],
  ])('refuses %j as a mistake', (mcp, message) => {
    expect(wrong(mcp)).toEqual([expect.stringMatching(message)])
  })

  it('reports every mistake at once', () => {
    const found = wrong({ tools: { a: 1, 'b*c': ['x y'] }, methods: ['ping'], max_body: 0 })
    expect(found.map((one) => one.split(': ')[0])).toEqual([
      'ROUTES[0].mcp.tools.a',
      'ROUTES[0].mcp.tools["b*c"]',
      'ROUTES[0].mcp.tools["b*c"][0]',
      'ROUTES[0].mcp.methods[0]',
      'ROUTES[0].mcp.max_body',
    ])
  })
})

describe('a scope with a template', () => {
  const template = (scope: string) =>
    wrong({ tools: { a: [scope] } }, { match: 'POST /{tenant}/mcp' })

  it.each([
    'files:{arguments.root}:{arguments.path}',
    'files:{arguments.a-b.c_d.$e}',
    'files:{tenant}:{arguments.path}',
    'files:{arguments.path}.lock',
    '{tenant}:read',
  ])('may be %s', (scope) => {
    expect(template(scope)).toEqual([])
  })

  it.each([
    ['{arguments.scope}:read', /begin with text of your own/],
    ['{tenant}:{arguments.path}', /begin with text of your own/],
    ['files{arguments.path}', /begin with text of your own/],
    ['files:x{arguments.path}', /begin with text of your own/],
    ['files:{arguments.a}{arguments.b}', /two parameters/],
    ['files:{arguments.a}/{arguments.b}', /two parameters/],
    ['files:{arguments.a}:x{arguments.b}', /begin with text of your own/],
    ['files:{arguments}', /unknown path parameter `arguments`/],
    ['files:{arguments..a}', /an argument is written \{arguments\.name\}/],
    ['files:{arguments.a[0]}', /an argument is written/],
    ['files:{tenannt}', /did you mean `tenant`\?/],
    ['files:{arguments.a}:{other}', /unknown path parameter `other`/],
  ])('may not be %s', (scope, message) => {
    expect(template(scope)).toEqual([expect.stringMatching(message)])
    expect(template(scope)[0]).toMatch(/^ROUTES\[0\]\.mcp\.tools\.a/)
  })

  it.each<[unknown, string]>([
    [{ any: ['a', 'r:{tenant}:{arguments.id}'] }, ': `r:{tenant}:{arguments.id}`: takes an arg'],
    [
      { scopes: [], when: 'arguments.z == 1.0' },
      '.when: reads `z` of the arguments, and resources',
    ],
    [{ scopes: [], when: '!has(arguments.z)' }, '.when: reads `z` of the arguments'],
  ])('of a resource takes no arguments: %j', (needs, message) => {
    const changes = { match: 'POST /{tenant}/mcp' }
    const found = wrong({ resources: { 'x:y': needs } }, changes)
    expect(found).toEqual([expect.stringContaining(`ROUTES[0].mcp.resources["x:y"]${message}`)])
    for (const kind of ['tools', 'prompts'])
      expect(wrong({ [kind]: { a: needs } }, changes)).toEqual([])
    const ofPath = { scopes: ['r:{tenant}'], when: 'request.params.tenant == token.tenant' }
    expect(wrong({ resources: { 'x:y': ofPath } }, changes)).toEqual([])
  })

  it('of a rule takes no arguments', () => {
    expect(wrong(TOOLS, { scopes: ['files:{arguments.path}'] })).toEqual([
      'ROUTES[0].scopes[0]: `files:{arguments.path}`: a path parameter is written {name}',
    ])
  })
})

const warnings = (vars: Parameters<typeof parse>[0]): readonly string[] => {
  const parsed = parse(vars)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason, undefined, 2))
  return parsed.value.warnings.map(({ path, message }) => `${path}: ${message}`)
}

describe('a rule with mcp', () => {
  const condition = (when: unknown) => ({ tools: { a: { scopes: [], when } } })

  it.each<[object, RegExp, object?]>([
    [{ access: 'optional' }, /^ROUTES\[0\]\.mcp: is only for rules with access = "required"/],
    [{ forward_token: true }, /^ROUTES\[0\]\.forward_token: must be left out with mcp/],
    [{ match: '* /mcp' }, /^ROUTES\[0\]\.match: takes `PUT`, `PATCH`, `OPTIONS`/],
    [{ match: 'GET /mcp' }, /^ROUTES\[0\]\.match: must take POST/],
    [{ when: 'arguments.id == "a"' }, /^ROUTES\[0\]\.when: .*unknown variable `arguments`/],
    [{}, /tools\.a\.when: unknown path parameter/, condition('request.params.id == arguments.id')],
  ])('is a mistake with %j', (changes, message, mcp = TOOLS) => {
    expect(wrong(mcp, changes)).toEqual([expect.stringMatching(message)])
  })

  it('is a mistake where it is public, and where no keys sign', () => {
    const open = mistakes({ ROUTES: [{ match: 'POST /mcp', access: 'public', mcp: TOOLS }] })
    expect(open).toEqual([expect.stringMatching(/^ROUTES\[0\]\.mcp: .*this one is public$/)])
    const off = { ...GATE, assertion: 'off' }
    const unsigned = mistakes({ GATE: off, ROUTES: routes(TOOLS) })
    expect(unsigned).toEqual([expect.stringMatching(/^ROUTES\[0\]\.mcp: needs the keys/)])
  })

  it('is enforced in shadow mode, and says so', () => {
    const shadow = { GATE: { ...GATE, mode: 'shadow' }, ROUTES: routes(TOOLS) }
    expect(policy(shadow).routes[0]?.mode).toBe('enforce')
    expect(warnings(shadow)).toContain(
      'ROUTES[0].mode: is `enforce` here: a rule with mcp is never in shadow mode; write mode = "enforce"',
    )
  })

  it('may be beside inject', () => {
    expect(wrong(TOOLS, { inject: { 'X-Key': `\${KEY}` } })).toEqual([])
  })

  it('has no conditions on identity headers', () => {
    const gate = { ...GATE, identity_prefix: 'x-caller-' }
    const when = { condition: 'request.headers["x-caller-id"] == "a"', headers: ['x-caller-id'] }
    expect(mistakes({ GATE: gate, ROUTES: routes(condition(when)) }).join()).toMatch(
      /^ROUTES\[0\]\.mcp\.tools\.a\.when\.headers\[0\]: is an identity header/,
    )
  })
})

describe('the audience of tokens for an MCP server', () => {
  const resource = 'https://api.example.com/mcp'
  const API = 'https://api.example.com'
  const told = (audiences: readonly string[] | undefined, changes: object = {}, issuer = {}) => ({
    ISSUERS: { acme: { ...ACME, ...(audiences && { audiences }), ...issuer } },
    ROUTES: routes(TOOLS, { resource, ...changes }),
  })
  const COGNITO = { profile: 'cognito' }
  /** With a second issuer. */
  const mistakesOf = (vars: ReturnType<typeof told>) => {
    const acme = { ...vars.ISSUERS.acme, agent_prefix: 'acme/' }
    const beta = { issuer: 'https://beta.example', agent_prefix: 'beta/' }
    const ROUTES = vars.ROUTES.map((route) => JSON.parse(JSON.stringify(route)))
    return mistakes({ ISSUERS: { acme, beta }, ROUTES })
  }

  it.each([
    ['of the issuer', told([API])],
    ['of the issuer, where GATE has the resource', told(['urn:a'], { resource: undefined })],
    ['of one issuer of two', told([API], { issuers: ['acme', 'beta'] })],
  ])('is a mistake where audiences %s lack the resource', (_, vars) => {
    const message =
      /^ROUTES\[0\]\.audiences: is not written, so those of `acme` count, which lack `https:.*can never get in; write audiences on the rule, or leave the issuer's out$/
    expect(mistakesOf(vars)).toEqual([expect.stringMatching(message)])
  })

  it.each([
    ['no audiences of the issuer', told(undefined)],
    ['the resource among those of the issuer', told([API, resource])],
    ['audiences of the rule', told([API], { audiences: ['urn:mcp'] })],
    ['ids of clients', told(['client'], {}, COGNITO)],
    ['a rule without mcp', { ...told([API]), ROUTES: [{ ...ROUTE, mcp: undefined, resource }] }],
    ['another issuer, whose tokens the rule does not take', told([API], { issuers: ['beta'] })],
  ])('is no mistake with %s', (_, vars) => {
    expect(mistakesOf(vars)).toEqual([])
  })

  it('is warned of where the issuer takes tokens for more', () => {
    const of = (vars: Parameters<typeof parse>[0]) =>
      warnings(vars).filter((one) => one.startsWith('ROUTES'))
    expect(of(told([API, resource, 'urn:a']))).toEqual([
      `ROUTES[0].audiences: is not written, so those of \`acme\` count: tokens for \`${API}\`, \`urn:a\` are good for this MCP server too; write \`${resource}\` as audiences of the rule, or leave the issuer's out`,
    ])
    expect(of(told([resource]))).toEqual([])
    expect(of(told([API], { audiences: [resource, API] }))).toEqual([])
    expect(of(told(['client', 'other'], {}, COGNITO))).toEqual([])
  })
})

describe('the URL of an MCP server', () => {
  const API = 'https://api.example.com'
  const of = (changes: object, gate: object = {}) =>
    warnings({ GATE: { ...GATE, ...gate }, ROUTES: routes(TOOLS, changes) })
  const match = (path: string) => `GET,POST,DELETE ${path}`

  // As the SDK compares the URL a client was given with the resource of the metadata.
  it.each([
    ['/mcp/', `${API}/mcp`],
    ['/mcp/', `${API}/mcp/`],
    ['/mcp/*', `${API}/mcp/`],
    ['/mcp/{tenant}', `${API}/mcp`],
    ['/*', API],
  ])('%s begins with the resource %s', (path, resource) => {
    expect(of({ match: match(path), resource })).toEqual([])
  })

  it.each([
    ['/mcp', `${API}/mcp/`],
    ['/mcp', `${API}/mcp/x`],
    ['/mcps', `${API}/mcp`],
    ['/MCP', `${API}/mcp`],
    ['/*', `${API}/mcp`],
    ['/{tenant}/mcp', `${API}/acme/mcp`],
  ])('%s does not begin with the resource %s', (path, resource) => {
    expect(of({ match: match(path), resource })).toEqual([
      `ROUTES[0].resource: is \`${resource}\`: official clients refuse it at a URL that does not begin with it, and the rule is for \`${path}\``,
    ])
  })

  it('is on the host of the resource, and has a resource of its own', () => {
    const hosts = { hosts: ['api.example.com', 'tools.example.com'] }
    const resource = `${API}/mcp`
    expect(of({ resource, host: 'api.example.com' }, hosts)).toEqual([])
    expect(of({ resource, host: 'tools.example.com' }, hosts).join()).toMatch(
      /official clients refuse it .* `tools\.example\.com\/mcp`$/,
    )
    expect(of({}, { resource })).toEqual([])
    expect(of({}).join()).toMatch(
      /^ROUTES\[0\]\.resource: is not written: every token for `https:\/\/api\.example\.com` is good/,
    )
    expect(of({}, { resource: `${API}/api` }).join()).toMatch(
      /^ROUTES\[0\]\.resource: is not written, and GATE's is `https:.*official clients refuse it/,
    )
  })
})

it('warns of a rule for MCP clients whose metadata names no authorization server', () => {
  const jwks = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43), alg: 'Ed25519' }] }
  const acme = { ...ACME, agent_prefix: 'acme/' }
  const [inline, workload] = [
    { ...acme, jwks },
    { ...acme, profile: 'kubernetes' },
  ]
  const beta = { issuer: 'https://beta.example', agent_prefix: 'beta/' }
  const of = (ISSUERS: object, changes: object = {}) =>
    warnings({ ISSUERS, ROUTES: routes(TOOLS, { ...OWN, ...changes }) }).join()
  const message =
    /takes only issuers with inline jwks, or of workloads, so the metadata names no authorization/
  expect(of({ acme: inline })).toMatch(message)
  expect(of({ acme: inline })).toMatch(/^ROUTES\[0\]\.mcp: takes only issuers/)
  expect(of({ acme: inline, beta }, { issuers: ['acme'] })).toMatch(/^ROUTES\[0\]\.issuers: takes/)
  expect(of({ acme: workload })).toMatch(message)
  for (const other of [inline, workload]) expect(of({ acme: other, beta })).not.toMatch(message)
  const elsewhere = warnings({ ISSUERS: { acme: inline }, ROUTES: [{ ...ROUTE, ...OWN }] })
  expect(elsewhere.join()).not.toMatch(message)
})

it.each<[object, object, RegExp | undefined]>([
  [
    { tools: { '*': ['a'] } },
    {},
    /^ROUTES\[0\]\.mcp\.tools\["\*"\]: allows all tools that are not/,
  ],
  [{ resources: { '*': [] } }, {}, /allows all resources .*, with no scope of its own/],
  [TOOLS, { match: 'POST /mcp' }, /^ROUTES\[0\]\.match: does not take `GET`, `DELETE`/],
  [TOOLS, { match: 'GET,POST /mcp' }, /^ROUTES\[0\]\.match: does not take `DELETE`/],
  [TOOLS, { cors: { origins: ['https://a.example'] } }, /^ROUTES\[0\]\.cors\.origins: has `https/],
  [TOOLS, {}, undefined],
  [{ ...TOOLS, revisions: ['2026-07-28'] }, { match: 'POST /mcp' }, undefined],
])('warns of %j beside %j: %s', (mcp, changes, message) => {
  const expected = message ? [expect.stringMatching(message)] : []
  expect(warnings({ ROUTES: routes(mcp, { ...OWN, ...changes }) })).toEqual(expected)
})
