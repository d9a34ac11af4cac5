import { describe, expect, it } from 'vitest'
import { type RoutesOptions, routes } from '../../../src/command/policy/routes.ts'
import { folder, PARTS, toml, write } from './kit.ts'

const directory = await folder()
const file = await write(
  directory,
  'mcp.toml',
  toml({
    route: `
[[vars.ROUTES]]
match = "GET,POST,DELETE /mcp"
scopes = ["mcp:connect"]
[vars.ROUTES.mcp]
methods = ["logging/setLevel"]
[vars.ROUTES.mcp.tools]
get_weather = []
"files_*" = ["files:read:{arguments.path}"]
pay = { scopes = { any = ["pay", "admin"] }, agent_types = ["planner"], when = "arguments.amount < 100.0" }
[vars.ROUTES.mcp.resources]
"file:///docs/*" = ["files:read", "docs"]
[[vars.ROUTES]]
match = "GET /status"
access = "public"
`,
  }),
)
const outOf = async (options: RoutesOptions = {}) => (await routes({ file, ...options })).out

describe('a rule with an MCP server behind it', () => {
  it('has below it what may be used, and what each needs', async () => {
    expect(await outOf()).toEqual([
      'MATCH                      ACCESS    NEEDS                        AND                                                  ISSUERS  ORIGIN',
      'GET,POST,DELETE /mcp       required  mcp:connect                  -                                                    acme     https://origin.acme.dev',
      '  tool get_weather                   nothing more',
      '  tool files_*                       files:read:{arguments.path}',
      '  tool pay                           one of pay, admin            agent_types=planner when="arguments.amount < 100.0"',
      '  resource file:///docs/*            files:read and docs',
      '  method logging/setLevel            nothing more',
      'GET /status                public    nothing                      -                                                    -        https://origin.acme.dev',
    ])
  })

  it('has it in JSON as it is written', async () => {
    const { json } = await routes({ file })
    expect(json).toMatchObject({
      routes: [{ mcp: { tools: { get_weather: [], pay: { agent_types: ['planner'] } } } }, {}],
    })
  })
})

const usesIn = ({ json }: Awaited<ReturnType<typeof routes>>) => {
  const { routes: found } = json as { routes: readonly { uses: readonly { name: string }[] }[] }
  return found[0]?.uses.map(({ name }) => name)
}
const namesOf = async (options: RoutesOptions) => usesIn(await routes({ file, ...options }))

describe('an agent that is described', () => {
  it.each([
    [{ scopes: 'mcp:connect' }, ['get_weather']],
    [{ scopes: 'mcp:connect files:read:docs/a' }, ['get_weather', 'files_*']],
    [{ scopes: 'mcp:connect files:read' }, ['get_weather']],
    [{ scopes: 'mcp:connect files:read docs' }, ['get_weather', 'file:///docs/*']],
    [{ scopes: 'mcp:connect pay' }, ['get_weather', 'pay']],
    [{ scopes: 'mcp:connect pay', agentType: 'coder' }, ['get_weather']],
    [{ scopes: 'mcp:connect pay', agentType: 'planner' }, ['get_weather', 'pay']],
    [{ agentType: 'coder' }, ['get_weather', 'files_*', 'file:///docs/*']],
  ])('by %j could use %j', async (options, names) => {
    expect(await namesOf(options)).toEqual(names)
  })

  it('is told what is still asked of a call', async () => {
    const out = await outOf({ scopes: 'mcp:connect pay', agentType: 'planner' })
    expect(out.join('\n')).toMatch(/^ {2}tool pay +when="arguments\.amount < 100\.0"$/m)
    expect(out.join('\n')).not.toContain('files_')
  })
})

describe('what a call is still asked', () => {
  it.each<[RoutesOptions, readonly object[]]>([
    [
      { scopes: 'mcp:connect pay' },
      [{}, { agent_types: ['planner'], when: 'arguments.amount < 100.0' }],
    ],
    [
      { agentType: 'planner' },
      [
        {},
        { scopes: ['files:read:{arguments.path}'] },
        { scopes: { any: ['pay', 'admin'] }, when: 'arguments.amount < 100.0' },
        { scopes: ['files:read', 'docs'] },
      ],
    ],
    [
      { issuer: 'acme' },
      [
        {},
        { scopes: ['files:read:{arguments.path}'] },
        {
          scopes: { any: ['pay', 'admin'] },
          agent_types: ['planner'],
          when: 'arguments.amount < 100.0',
        },
        { scopes: ['files:read', 'docs'] },
      ],
    ],
    [{ scopes: 'mcp:connect', agentType: 'planner' }, [{}]],
  ])('of %j', async (options, asks) => {
    const { json } = await routes({ file, ...options })
    const [rule] = (json as { routes: readonly { uses: readonly { asks: object }[] }[] }).routes
    expect(rule?.uses.map((use) => use.asks)).toEqual(asks)
  })

  it('stands in its line', async () => {
    const of = async (options: RoutesOptions) => (await outOf(options)).join('\n')
    expect(await of({ scopes: 'mcp:connect pay' })).toMatch(
      /^ {2}tool pay +agent_types=planner when="arguments\.amount < 100\.0"$/m,
    )
    expect(await of({ agentType: 'planner' })).toMatch(
      /^ {2}tool pay +scopes=\{"any":\["pay","admin"\]\} when=/m,
    )
    expect(await of({ scopes: 'mcp:connect' })).toMatch(/^ {2}tool get_weather$/m)
  })
})

it('an agent of several types may use what any of them may', async () => {
  const route = `
[[vars.ROUTES]]
match = "POST /mcp"
scopes = []
agent_types = ["ai_agent", "service"]
[vars.ROUTES.mcp.tools]
transfer = { scopes = ["pay"], agent_types = ["ai_agent"] }
whole = { scopes = [], agent_types = ["service ai_agent"] }
plain = []
`
  const issuer = `${PARTS.issuer}\nprofile = "actor"`
  const typed = await write(directory, 'typed.toml', toml({ issuer, route }))
  const names = async (agentType: string) => usesIn(await routes({ file: typed, agentType }))
  expect(await names('service ai_agent')).toEqual(['transfer', 'plain'])
  expect(await names('ai_agent')).toEqual(['transfer', 'plain'])
  expect(await names('service')).toEqual(['plain'])
})

it('an agent may not use what it has the scope for only where an earlier rule serves', async () => {
  const route = `
[[vars.ROUTES]]
match = "GET,POST,DELETE /acme/mcp"
scopes = ["acme"]
[[vars.ROUTES]]
match = "GET,POST,DELETE /{tenant}/mcp"
scopes = []
[vars.ROUTES.mcp.tools]
plain = []
own = ["files:{tenant}"]
`
  const taken = await write(directory, 'taken.toml', toml({ route }))
  const names = async (scopes: string) => usesIn(await routes({ file: taken, scopes }))
  expect(await names('files:acme')).toEqual(['plain'])
  expect(await names('files:zeta')).toEqual(['plain', 'own'])
})
