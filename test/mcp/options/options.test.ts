import { describe, expect, it } from 'vitest'
import { MCP_REVISIONS, type McpRule } from '../../../src/gate/model/mcp.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { ACME, GATE, mistakes, parse, policy, rule } from '../../policy/support.ts'

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
  it('has defaults', () => {
    const mcp = ruleOf(TOOLS)
    expect(mcp).toMatchObject({ maxBody: 1_048_576, refusals: 'auto' })
    expect([...mcp.revisions]).toEqual(MCP_REVISIONS)
    expect([mcp.origins.size, mcp.methods.size]).toEqual([0, 0])
    expect(mcp.names.prompts.all).toEqual([])
    expect(rule({}).mcp).toBeUndefined()
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

  it('offers scopes in the metadata, without needing them', () => {
    const mcp = { ...TOOLS, offered_scopes: ['files:read', 'pay'] }
    const read = policy({ ROUTES: routes(mcp) })
    const [route] = read.routes
    const needed = route?.scopes.scopes.map(({ source }) => source) ?? []
    expect(needed).not.toContain('pay')
    expect(read.resources.get(route?.resource ?? '')?.scopes).toEqual([
      ...needed,
      'files:read',
      'pay',
    ])
  })

  it.each<[object, readonly string[]]>([
    [{}, ['a', 'b', 'c']],
    [{ offered_scopes: [] }, []],
  ])('offers the scopes of all names without templates, unless they are set: %j', (more, names) => {
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

  it('is shown without the kinds of which nothing is named', () => {
    expect(showPolicy(policy({ ROUTES: routes(TOOLS) })).routes[0]?.mcp).toEqual({
      tools: { read: ['files:read'] },
      methods: [],
      revisions: [...MCP_REVISIONS],
      origins: [],
      max_body: 1_048_576,
      refusals: 'auto',
      list: 'obtainable',
    })
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

  it.each([
    ['', /tools\[""\]: .*is not a valid name/],
    ['a*b', /tools\["a\*b"\]: .*only at the end/],
    ['*a', /only at the end/],
    ['a**', /only at the end/],
    [' a', /is not a valid name/],
    ['a\tb', /is not a valid name/],
    ['a\u200bb', /is not a valid name/],
    ['a\u202eb', /is not a valid name/],
    ['a\u00a0b', /is not a valid name/],
    ['\ud800', /is not a valid name/],
    ['a'.repeat(129), /is not a valid name/],
    [`${'a'.repeat(128)}*`, /is not a valid name/],
  ])('no tool has the name %j', (name, message) => {
    const found = wrong({ tools: { [name]: [] } })
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(message)
    expect(wrong({ prompts: { [name]: [] } })).toHaveLength(1)
  })

  it.each(['a', 'get weather', 'größe', '天気', 'a'.repeat(128), '*', 'a*', 'a.b/c-d_e:f'])(
    'a tool can have the name %j',
    (name) => {
      expect(wrong({ tools: { [name]: [] } })).toEqual([])
    },
  )

  it.each([
    ['docs', /is not a valid name/],
    ['/docs/*', /is not a valid name/],
    ['file:///a b', /is not a valid name/],
    ['file:///ä', /is not a valid name/],
    ['file:///a*b', /only at the end/],
    ['file:///docs/../etc', /two ways/],
    ['file:///docs/%2e%2E/etc', /two ways/],
    ['file:///docs/..%2fetc/*', /two ways/],
    ['file:///docs/..', /two ways/],
    ['file:///docs/.', /two ways/],
    ['file:///docs\\..\\x', /two ways/],
    ['file:///docs?p=../x', /two ways/],
    ['file:///docs%00', /two ways/],
    ['file:///docs%252e', /two ways/],
    ['file:///docs%2*', /two ways/],
    ['file:///100%', /two ways/],
    ['https://api.example.com*', /hosts that begin like this one/],
    ['https://*', /hosts that begin like this one/],
  ])('no resource has the name %j', (name, message) => {
    const found = wrong({ resources: { [name]: [] } })
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(message)
  })

  it.each([
    'file:///docs/*',
    'file:///home/.*',
    'file:///a..b/v1.2/.hidden',
    'https://api.example.com/*',
    'memo://*',
    'urn:isbn:*',
    'note:a%20b',
    '*',
  ])('a resource can have the name %j', (name) => {
    expect(wrong({ resources: { [name]: [] } })).toEqual([])
  })

  it.each([
    [{ tools: { a: 'x' } }, /tools\.a: must be a list of scopes, \{ any = \[...\] \}, or a table/],
    [{ tools: { a: null } }, /tools\.a: must be a list of scopes/],
    [{ tools: { a: { agent_types: ['x'] } } }, /tools\.a\.scopes: is required/],
    [{ tools: { a: { scopes: [], wen: '' } } }, /tools\.a\.wen: .*did you mean `when`\?/],
    [{ tools: { a: { any: [] } } }, /tools\.a\.any: must not be an empty list/],
    [{ tools: { a: { any: ['x'], when: 'true' } } }, /tools\.a\.when: unknown key/],
    [{ tools: { a: ['x y'] } }, /tools\.a\[0\]: .*Two scopes/],
    [{ tools: { a: ['edgewarden:read'] } }, /own endpoints/],
    [{ tools: { a: { scopes: { any: [7] } } } }, /tools\.a\.scopes\.any\[0\]: must be a string/],
    [{ tools: { a: { scopes: [], agent_types: [] } } }, /agent_types: must not be an empty list/],
    [{ methods: ['tools/call'] }, /methods\[0\]: .*must not be listed/],
    [{ methods: ['initialize'] }, /must not be listed/],
    [{ methods: ['notifications/progress'] }, /must not be listed/],
    [{ methods: ['completion/complete'] }, /must not be listed/],
    [{ methods: ['a b'] }, /is not a method name/],
    [{ methods: ['a*'] }, /is not a method name/],
    [{ ...TOOLS, revisions: ['2024-11-05'] }, /revisions\[0\]: unknown value/],
    [{ ...TOOLS, revisions: [] }, /revisions: must not be an empty list/],
    [{ ...TOOLS, origins: ['*'] }, /origins\[0\]: must name each origin/],
    [{ ...TOOLS, origins: ['http://app.example.com'] }, /origins\[0\]: .*loopback/],
    [{ ...TOOLS, origins: ['https://app.example.com/'] }, /origins\[0\]: must be an origin/],
    [{ ...TOOLS, origins: ['https://App.example.com'] }, /origins\[0\]: must be/],
    [{ ...TOOLS, origins: ['https://app.example.com:443'] }, /origins\[0\]: must be an origin/],
    [{ ...TOOLS, origins: ['null'] }, /origins\[0\]: must be/],
    [{ ...TOOLS, max_body: 1_023 }, /max_body: must be a number of bytes from 1024/],
    [{ ...TOOLS, max_body: 4_194_305 }, /max_body: must be/],
    [{ ...TOOLS, max_body: '1MB' }, /max_body: must be/],
    [{ ...TOOLS, offered_scopes: ['a b'] }, /offered_scopes\[0\]: must be one scope/],
    [{ ...TOOLS, offered_scopes: ['edgewarden:read'] }, /offered_scopes\[0\]: .*endpoints/],
    [{ ...TOOLS, refusals: 'https' }, /refusals: .*did you mean `http`\?/],
  ])('%j is a mistake', (mcp, message) => {
    const found = wrong(mcp)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(message)
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

describe('templates of a use', () => {
  it.each([
    'files:read:{arguments.path}',
    'files:{arguments.root}:{arguments.path}',
    'files:{arguments.a-b.c_d.$e}',
    'files:{tenant}:{arguments.path}',
    'files:{tenant}/{arguments.x}'.replace('/', '|'),
    'files:{arguments.path}.lock',
    'files:{tenant}',
    '{tenant}:read',
  ])('%s', (scope) => {
    expect(wrong({ tools: { a: [scope] } }, { match: 'POST /{tenant}/mcp' })).toEqual([])
  })

  it.each([
    ['{arguments.scope}', /begin with text of your own/],
    ['{arguments.scope}:read', /begin with text of your own/],
    ['{tenant}:{arguments.path}', /begin with text of your own/],
    ['files{arguments.path}', /begin with text of your own/],
    ['files/{arguments.path}', /begin with text of your own/],
    ['files:x{arguments.path}', /begin with text of your own/],
    ['files:{arguments.a}{arguments.b}', /two parameters/],
    ['files:{arguments.a}/{arguments.b}', /two parameters/],
    ['files:{arguments.a}:x{arguments.b}', /begin with text of your own/],
    ['files:{arguments}', /unknown path parameter `arguments`/],
    ['files:{arguments.}', /an argument is written \{arguments\.name\}/],
    ['files:{arguments..a}', /an argument is written/],
    ['files:{arguments.a[0]}', /an argument is written/],
    ['files:{argument.a}', /an argument is written/],
    ['files:{tenannt}', /did you mean `tenant`\?/],
    ['files:{arguments.a}:{other}', /unknown path parameter `other`/],
  ])('%s is a mistake', (scope, message) => {
    const found = wrong({ tools: { a: [scope] } }, { match: 'POST /{tenant}/mcp' })
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(/^ROUTES\[0\]\.mcp\.tools\.a/)
    expect(found[0]).toMatch(message)
  })

  it.each<[unknown, string]>([
    [
      ['r:{arguments.id}'],
      ': `r:{arguments.id}`: takes an argument, and resources are read without',
    ],
    [
      { any: ['a', 'r:{tenant}:{arguments.id}'] },
      ': `r:{tenant}:{arguments.id}`: takes an argument',
    ],
    [
      { scopes: [], when: 'arguments.z == 1.0' },
      '.when: reads `z` of the arguments, and resources are read',
    ],
    [{ scopes: [], when: '!has(arguments.z)' }, '.when: reads `z` of the arguments'],
  ])('are none of a resource, where they take arguments: %j', (needs, message) => {
    const found = wrong({ resources: { 'x:y': needs } }, { match: 'POST /{tenant}/mcp' })
    expect(found).toEqual([expect.stringContaining(`ROUTES[0].mcp.resources["x:y"]${message}`)])
    for (const kind of ['tools', 'prompts']) {
      expect(wrong({ [kind]: { a: needs } }, { match: 'POST /{tenant}/mcp' })).toEqual([])
    }
  })

  it('of a resource take the path', () => {
    const needs = { scopes: ['r:{tenant}'], when: 'request.params.tenant == token.tenant' }
    expect(wrong({ resources: { 'x:y': needs } }, { match: 'POST /{tenant}/mcp' })).toEqual([])
  })

  it('are none of a rule', () => {
    expect(wrong(TOOLS, { scopes: ['files:{arguments.path}'] })).toEqual([
      'ROUTES[0].scopes[0]: `files:{arguments.path}`: a path parameter is written {name}',
    ])
  })
})

describe('mcp and the rest of its rule', () => {
  it.each([
    [{ access: 'optional' }, /^ROUTES\[0\]\.mcp: is only for rules with access = "required"/],
    [{ forward_token: true }, /^ROUTES\[0\]\.forward_token: must be left out with mcp/],
    [{ match: '* /mcp' }, /^ROUTES\[0\]\.match: takes `PUT`, `PATCH`, `OPTIONS`/],
    [{ match: 'GET /mcp' }, /^ROUTES\[0\]\.match: must take POST/],
  ])('%j is a mistake', (changes, message) => {
    const found = wrong(TOOLS, changes)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(message)
  })

  it('is for no public rule', () => {
    const found = mistakes({ ROUTES: [{ match: 'POST /mcp', access: 'public', mcp: TOOLS }] })
    expect(found).toEqual([
      'ROUTES[0].mcp: is only for rules with access = "required": this one is public',
    ])
  })

  it('needs keys to sign with', () => {
    const off = { ...GATE, assertion: 'off' }
    const found = mistakes({ GATE: off, ROUTES: routes(TOOLS) })
    expect(found.join()).toMatch(/^ROUTES\[0\]\.mcp: needs the keys/)
    expect(mistakes({ GATE: off })).toEqual([])
  })

  it('is enforced in shadow mode', () => {
    const shadow = { GATE: { ...GATE, mode: 'shadow' }, ROUTES: routes(TOOLS) }
    expect(policy(shadow).routes[0]?.mode).toBe('enforce')
    expect(warnings(shadow)).toContain(
      'ROUTES[0].mode: is `enforce` here: a rule with mcp is never in shadow mode; write mode = "enforce"',
    )
  })

  it('may be beside inject', () => {
    expect(wrong(TOOLS, { inject: { 'X-Key': `\${KEY}` } })).toEqual([])
  })

  it('has conditions that read what is there', () => {
    const use = (when: unknown) => ({ tools: { a: { scopes: [], when } } })
    expect(wrong(use('request.params.id == arguments.id')).join()).toMatch(
      /^ROUTES\[0\]\.mcp\.tools\.a\.when: unknown path parameter `id`/,
    )
    const gate = { ...GATE, identity_prefix: 'x-caller-' }
    const when = { condition: 'request.headers["x-caller-id"] == "a"', headers: ['x-caller-id'] }
    expect(mistakes({ GATE: gate, ROUTES: routes(use(when)) }).join()).toMatch(
      /^ROUTES\[0\]\.mcp\.tools\.a\.when\.headers\[0\]: is an identity header/,
    )
    expect(wrong(TOOLS, { when: 'arguments.id == "a"' }).join()).toMatch(
      /^ROUTES\[0\]\.when: .*unknown variable `arguments`/,
    )
  })
})

const warnings = (vars: Parameters<typeof parse>[0]): readonly string[] => {
  const parsed = parse(vars)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason, undefined, 2))
  return parsed.value.warnings.map(({ path, message }) => `${path}: ${message}`)
}

describe('what a token for an MCP server is for', () => {
  const resource = 'https://api.example.com/mcp'
  const API = 'https://api.example.com'
  const told = (audiences: readonly string[] | undefined, changes: object = {}, issuer = {}) => ({
    ISSUERS: { acme: { ...ACME, ...(audiences && { audiences }), ...issuer } },
    ROUTES: routes(TOOLS, { resource, ...changes }),
  })
  const COGNITO = { profile: 'cognito' }

  it.each([
    ['of the issuer alone', told([API])],
    ['of the issuer alone, where GATE has the resource', told(['urn:a'], { resource: undefined })],
    ['of one issuer of two', { ...told([API], { issuers: ['acme', 'beta'] }) }],
  ])('is a mistake where audiences lack the resource: %s', (_, vars) => {
    const beta = { issuer: 'https://beta.example', agent_prefix: 'beta/' }
    const [found, ...others] = mistakes({
      ...vars,
      ISSUERS: { ...vars.ISSUERS, acme: { ...vars.ISSUERS.acme, agent_prefix: 'acme/' }, beta },
      ROUTES: vars.ROUTES.map((route) => JSON.parse(JSON.stringify(route))),
    })
    expect(others).toEqual([])
    expect(found).toMatch(
      /^ROUTES\[0\]\.audiences: is not written, so those of `acme` count, which lack `https:.*can never get in; write audiences on the rule, or leave the issuer's out$/,
    )
  })

  it.each([
    ['no audiences of the issuer', told(undefined)],
    ['the resource among those of the issuer', told([API, resource])],
    ['audiences of the rule', told([API], { audiences: ['urn:mcp'] })],
    ['ids of clients', told(['client'], {}, COGNITO)],
    ['a rule without mcp', { ...told([API]), ROUTES: [{ ...ROUTE, resource }] }],
    ['another issuer, whose tokens the rule does not take', told([API], { issuers: ['beta'] })],
  ])('is none with %s', (_, vars) => {
    const acme = { ...vars.ISSUERS.acme, agent_prefix: 'acme/' }
    const beta = { issuer: 'https://beta.example', agent_prefix: 'beta/' }
    expect(mistakes({ ...vars, ISSUERS: { acme, beta } })).toEqual([])
  })

  it('is not said of what could not be read', () => {
    const found = mistakes(told([API], { resource: 'x' }))
    expect(found.filter((one) => one.includes('.audiences'))).toEqual([])
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
    ['/mcp', `${API}/mcp`],
    ['/mcp/', `${API}/mcp`],
    ['/mcp/', `${API}/mcp/`],
    ['/mcp/x', `${API}/mcp`],
    ['/mcp/*', `${API}/mcp`],
    ['/mcp/*', `${API}/mcp/`],
    ['/mcp/{tenant}', `${API}/mcp`],
    ['/mcp', API],
    ['/*', API],
  ])('%s begins with %s', (path, resource) => {
    expect(of({ match: match(path), resource })).toEqual([])
  })

  it.each([
    ['/mcp', `${API}/other`],
    ['/mcp', `${API}/mcp/`],
    ['/mcp', `${API}/mcp/x`],
    ['/mcps', `${API}/mcp`],
    ['/MCP', `${API}/mcp`],
    ['/*', `${API}/mcp`],
    ['/{tenant}/mcp', `${API}/acme/mcp`],
  ])('%s does not begin with %s', (path, resource) => {
    expect(of({ match: match(path), resource })).toEqual([
      `ROUTES[0].resource: is \`${resource}\`: official clients refuse it at a URL that does not begin with it, and the rule is for \`${path}\``,
    ])
  })

  it('is on the host of the resource', () => {
    const hosts = { hosts: ['api.example.com', 'tools.example.com'] }
    const resource = `${API}/mcp`
    expect(of({ resource, host: 'api.example.com' }, hosts)).toEqual([])
    expect(of({ resource, host: 'tools.example.com' }, hosts).join()).toMatch(
      /official clients refuse it .* `tools\.example\.com\/mcp`$/,
    )
  })

  it('is a resource of its own', () => {
    expect(of({}).join()).toMatch(
      /^ROUTES\[0\]\.resource: is not written: every token for `https:\/\/api\.example\.com` is good/,
    )
    expect(of({}, { resource: `${API}/mcp` })).toEqual([])
    expect(of({}, { resource: `${API}/api` }).join()).toMatch(
      /^ROUTES\[0\]\.resource: is not written, and GATE's is `https:.*official clients refuse it/,
    )
  })
})

describe('an authorization server for clients of MCP', () => {
  const jwks = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43), alg: 'Ed25519' }] }
  const inline = { ...ACME, agent_prefix: 'acme/', jwks }
  const beta = { issuer: 'https://beta.example', agent_prefix: 'beta/' }
  const of = (ISSUERS: object, changes: object = {}) =>
    warnings({ ISSUERS, ROUTES: routes(TOOLS, { ...OWN, ...changes }) })
  const message =
    /takes only issuers with inline jwks, or of workloads, so the metadata names no authorization/

  it('is none with inline keys', () => {
    expect(of({ acme: inline }).join()).toMatch(/^ROUTES\[0\]\.mcp: takes only issuers/)
    expect(of({ acme: inline, beta }, { issuers: ['acme'] }).join()).toMatch(
      /^ROUTES\[0\]\.issuers: takes only issuers/,
    )
    expect(of({ acme: inline }).join()).toMatch(message)
  })

  it('is none with workloads, which get no token there', () => {
    const workload = { ...ACME, agent_prefix: 'acme/', profile: 'kubernetes' }
    expect(of({ acme: workload }).join()).toMatch(message)
    expect(of({ acme: workload, beta }).join()).not.toMatch(message)
  })

  it('is one where the keys of some are found at the issuer', () => {
    expect(of({ acme: inline, beta })).toEqual([])
    expect(
      of({ acme: { ...ACME, agent_prefix: 'acme/', jwks_uri: 'https://keys.example/jwks' } }),
    ).toEqual([])
  })

  it('is nothing a rule without mcp needs', () => {
    const ROUTES = [{ ...ROUTE, resource: 'https://api.example.com/mcp' }]
    expect(warnings({ ISSUERS: { acme: inline }, ROUTES }).join()).not.toMatch(message)
  })
})

describe('warnings about mcp', () => {
  it.each([
    [
      { tools: { '*': ['a'] } },
      {},
      /^ROUTES\[0\]\.mcp\.tools\["\*"\]: allows all tools that are not named: /,
    ],
    [
      { resources: { '*': [] } },
      {},
      /allows all resources that are not named, with no scope of its own/,
    ],
    [TOOLS, { match: 'POST /mcp' }, /^ROUTES\[0\]\.match: does not take `GET`, `DELETE`/],
    [TOOLS, { match: 'GET,POST /mcp' }, /^ROUTES\[0\]\.match: does not take `DELETE`/],
    [
      TOOLS,
      { cors: { origins: ['https://a.example'] } },
      /^ROUTES\[0\]\.cors\.origins: has `https:\/\/a\.example`/,
    ],
  ])('%j beside %j', (mcp, changes, message) => {
    const found = warnings({ ROUTES: routes(mcp, { ...OWN, ...changes }) })
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(message)
  })

  it.each([
    [TOOLS, {}],
    [{ ...TOOLS, revisions: ['2026-07-28'] }, { match: 'POST /mcp' }],
    [{ ...TOOLS, origins: ['https://a.example'] }, { cors: { origins: ['https://a.example'] } }],
  ])('none of %j beside %j', (mcp, changes) => {
    expect(warnings({ ROUTES: routes(mcp, { ...OWN, ...changes }) })).toEqual([])
  })
})
