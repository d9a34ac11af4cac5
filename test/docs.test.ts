import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { blocksOf, GENERATED_PAGES, regenerated, regeneratedSchema } from '../dev/scripts/docs.ts'
import { SCHEMA_FILE } from '../dev/scripts/policy-docs.ts'
import { anchorOf } from '../dev/site/pages.ts'
import { nameOf } from '../src/command/base/command.ts'
import { denialGroups } from '../src/command/base/denials.ts'
import { COMMANDS } from '../src/command/commands.ts'
import { recordOf } from '../src/gate/app/record.ts'
import { chainDenials } from '../src/gate/base/chain.ts'
import { parsePattern } from '../src/gate/base/pattern.ts'
import type { Decision, Facts } from '../src/gate/guard/guard.ts'
import type { Approval } from '../src/gate/model/approval.ts'
import { ASSERTION_HEADER } from '../src/gate/model/assertion.ts'
import {
  BASE_METHODS,
  REFERRING_METHODS,
  TASK_METHODS,
  USING_METHODS,
} from '../src/gate/model/mcp-methods.ts'
import type { VerifiedToken } from '../src/gate/model/token.ts'
import { PROFILE_NAMES } from '../src/gate/policy/keys/profiles.ts'
import { parsePolicy } from '../src/gate/policy/parse.ts'
import { readPolicy } from '../src/gate/policy/policy.ts'
import { identityHeaders } from '../src/gate/relay/origin/headers.ts'
import { accessOf, agentOf, credentialOf, issuerOf, routeOf } from './kit/facts.ts'
import { passed } from './kit/forwarded.ts'
import { callOf, operationOf } from './kit/mcp-facts.ts'
import { CONFIG, ROOT } from './kit/repository.ts'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const filesIn = (folder: string, ending: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => join(folder, path))

const PAGES = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...filesIn('docs', '.md'),
]
const README = read('README.md')

const COMMAND_NAMES = COMMANDS.map(nameOf).sort()

const all = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, found]) => found ?? '')

describe('generated blocks are what the code says', () => {
  for (const [path, blocks] of Object.entries(GENERATED_PAGES)) {
    it(path, () => {
      const page = read(path)
      expect(blocksOf(page)).toEqual(blocks)
      expect(page, 'run: npm run docs').toBe(regenerated(path, page))
    })
  }

  it(SCHEMA_FILE, () => {
    expect(read(SCHEMA_FILE), 'run: npm run docs').toBe(regeneratedSchema())
  })
})

describe('the table of denials', () => {
  const inTable = all(read('docs/denials.md'), /^\| <a id="([a-z_]+)"><\/a>`\1` \|/gm)

  it('holds what the groups hold', () => {
    expect(inTable).toEqual(denialGroups().flatMap(({ rows }) => rows.map(([code]) => code)))
  })
})

/** Everything is bound, and every secret that `inject` names is set. */
const ENV = {
  has: () => true,
  secret: (name: string) => (name === 'ASSERTION_KEYS' ? undefined : 'secret'),
}

describe('the README', () => {
  it('is short', () => {
    expect(README.trimEnd().split('\n').length).toBeLessThanOrEqual(200)
  })

  it('shows a policy that is valid', () => {
    const [block = ''] = all(README, /```toml\n(\[vars\.GATE\].*?)```/gs)
    const { vars } = parse(block) as { vars: object }
    expect(parsePolicy(vars, ENV)).toMatchObject({ ok: true })
  })

  it('shows a rule for an MCP server that is valid', () => {
    const [block = ''] = all(README, /```toml\n(\[\[vars\.ROUTES\]\]\n[^`]*?\bmcp\b[^`]*)```/gs)
    const [gate = ''] = all(README, /```toml\n(\[vars\.GATE\].*?)```/gs)
    const { vars } = parse(`${gate}\n${block}`) as { vars: object }
    const read = parsePolicy(vars, ENV)
    expect(read).toMatchObject({ ok: true })
    expect(read.ok && read.value.policy.routes.filter(({ mcp }) => mcp)).toHaveLength(1)
  })

  it('shows issuers that can be put below what wrangler.toml has at first', () => {
    const [block = ''] = all(read('docs/issuers.md'), /```toml\n(\[vars\.ISSUERS_NAMED\].*?)```/gs)
    const { vars } = parse(`${readFileSync(CONFIG, 'utf8')}\n${block}`) as {
      vars: Record<string, unknown>
    }
    const bundle = readPolicy(vars, ENV)
    expect(bundle).toMatchObject({ ok: true })
    expect(bundle.ok && bundle.value.policy.issuers.size).toBe(9)
  })

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = PAGES.flatMap((page) => all(read(page), /\bnpm run ([a-z:]+)/g))
    expect(named).toContain('docs')
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })

  it('names commands and options that exist, and all commands, which help by an example', () => {
    const calls = PAGES.flatMap((page) =>
      all(read(page).replaceAll('\\\n', ''), /\bnpx edgewarden ([a-z]+[^`\n]*)/g),
    )
    const options = new Map<string, Set<string>>()
    for (const call of calls) {
      const name = call.split(/[^a-z]/, 1)[0] ?? ''
      const known = options.get(name) ?? new Set()
      for (const option of call.match(/--[a-z-]+/g) ?? []) known.add(option)
      options.set(name, known)
    }
    expect([...options.keys()].sort()).toEqual(COMMAND_NAMES)
    for (const row of COMMANDS) {
      const name = nameOf(row)
      const known = row.options(new Command(name)).options.map(({ long }) => long)
      expect(row.example.split(' ', 1)).toEqual([name])
      for (const option of options.get(name) ?? []) {
        expect([...known, '--json', '--help'], `of ${name}`).toContain(option)
      }
    }
    expect(COMMANDS.find((row) => nameOf(row) === 'explain')?.help).toContain(
      'Other users of this machine can see a token',
    )
  })
})

describe('relative links lead somewhere', () => {
  for (const page of PAGES) {
    it(page, () => {
      const broken = all(read(page), /\]\((?![a-z]+:)([^)\s]+)\)/g).filter((link) => {
        const [path = '', anchor] = link.split('#')
        const target = path === '' ? page : join(dirname(page), path)
        if (!existsSync(join(ROOT, target))) return true
        if (anchor === undefined) return false
        const text = read(target)
        const anchors = all(text, /^#+ (.+)$/gm).map(anchorOf)
        return !anchors.includes(anchor) && !text.includes(`<a id="${anchor}">`)
      })
      expect(broken).toEqual([])
    })
  }
})

it('the index of the documentation names every page', () => {
  const index = read('docs/index.md')
  const pages = filesIn('docs', '.md').map((page) => page.slice('docs/'.length))
  const missing = pages.filter((page) => page !== 'index.md' && !index.includes(`](${page})`))
  expect(missing).toEqual([])
})

/** Keys in the first table under a heading. */
const documented = (page: string, heading: string): readonly string[] => {
  const [, section = ''] = page.split(new RegExp(`^#+ ${heading}$`, 'm'))
  const [table = ''] = section.match(/(?:^\|.*\n)+/m) ?? []
  return all(table, /^\| `([a-z_]+)` \|/gm)
}

/** Keys the policy takes, as it tells them to whoever wrote another. */
const accepted = (vars: object, path: string): readonly string[] => {
  const bundle = parsePolicy(vars, { has: () => true, secret: () => undefined })
  const issue = bundle.ok ? undefined : bundle.reason.find((one) => one.path === path)
  return all(issue?.message.split('Allowed: ')[1] ?? '', /`([a-z_]+)`/g)
}

const wrong = { surely_no_key: 1 }

describe('docs/configuration/', () => {
  const pages = filesIn('docs/configuration', '.md').map(read).join('\n')
  const cases: readonly (readonly [keys: string, vars: object, path: string])[] = [
    ['`GATE`', { GATE: wrong }, 'GATE.surely_no_key'],
    ['`GATE.journal`', { GATE: { journal: wrong } }, 'GATE.journal.surely_no_key'],
    ['`GATE.assertion`', { GATE: { assertion: wrong } }, 'GATE.assertion.surely_no_key'],
    ['`GATE.revocation`', { GATE: { revocation: wrong } }, 'GATE.revocation.surely_no_key'],
    [
      '`GATE.address_limit`',
      { GATE: { address_limit: wrong } },
      'GATE.address_limit.surely_no_key',
    ],
    ['`ISSUERS.NAME`', { ISSUERS: { acme: wrong } }, 'ISSUERS.acme.surely_no_key'],
    [
      '`jwks_cache`',
      { ISSUERS: { acme: { jwks_cache: wrong } } },
      'ISSUERS.acme.jwks_cache.surely_no_key',
    ],
    ['`decrypt`', { ISSUERS: { acme: { decrypt: wrong } } }, 'ISSUERS.acme.decrypt.surely_no_key'],
    ['`claims`', { ROUTES: [{ claims: { a: wrong } }] }, 'ROUTES[0].claims.a'],
    [
      '`delegation`',
      { ISSUERS: { acme: { delegation: wrong } } },
      'ISSUERS.acme.delegation.surely_no_key',
    ],
    [
      '`actors` and `subjects`',
      { ROUTES: [{ delegation: { actors: [wrong] } }] },
      'ROUTES[0].delegation.actors[0].surely_no_key',
    ],
    ['`ROUTES`', { ROUTES: [wrong] }, 'ROUTES[0].surely_no_key'],
    ['`scopes`', { ROUTES: [{ scopes: wrong }] }, 'ROUTES[0].scopes.surely_no_key'],
    [
      '`authorization_details`',
      { ROUTES: [{ authorization_details: [wrong] }] },
      'ROUTES[0].authorization_details[0].surely_no_key',
    ],
    ['`cors`', { ROUTES: [{ cors: wrong }] }, 'ROUTES[0].cors.surely_no_key'],
    ['`when`', { ROUTES: [{ when: wrong }] }, 'ROUTES[0].when.surely_no_key'],
    ['`rate_limit`', { ROUTES: [{ rate_limit: wrong }] }, 'ROUTES[0].rate_limit.surely_no_key'],
  ]
  for (const [keys, vars, path] of cases) {
    it(`has every key of ${keys}, and no other`, () => {
      const known = accepted(vars, path)
      expect(known).not.toEqual([])
      expect([...documented(pages, `Keys of ${keys}`)].sort()).toEqual([...known].sort())
    })
  }

  it.each(['docs/configuration.md', ...filesIn('docs/configuration', '.md')])(
    'shows policies that are valid: %s',
    (page) => {
      const gate = { resource: 'https://api.example.com', origin: 'https://origin.example.com' }
      const acme = { issuer: 'https://auth.acme.example' }
      const blocks = all(read(page), /^```toml\n(.*?)^```$/gms)
      expect(blocks).not.toEqual([])
      for (const block of blocks) {
        const { vars = {} } = parse(block) as { vars?: Record<string, object> }
        const policy = {
          ISSUERS: { acme },
          ROUTES: [{ match: 'GET /v1/*', scopes: [] }],
          ...vars,
          GATE: { ...gate, ...vars.GATE },
        }
        const env = { has: () => true, secret: () => undefined }
        expect(parsePolicy(policy, env), block).toMatchObject({ ok: true })
      }
    },
  )

  it('has conditions that are valid', () => {
    const [block = ''] = all(read('docs/configuration/conditions.md'), /^```toml\n(.*?)^```$/gms)
    const { vars: conditional } = parse(block) as unknown as { vars: { ROUTES: readonly object[] } }
    const { ROUTES } = conditional
    expect(ROUTES.length).toBe(5)
    const [[, taken = ''] = []] = [...README.matchAll(/```toml\n(\[vars\.GATE\].*?)```/gs)]
    const { vars } = parse(taken) as { vars: object }
    expect(parsePolicy({ ...vars, ROUTES }, ENV)).toMatchObject({ ok: true })
  })

  it('tells the truth about patterns', () => {
    const [, refused = ''] = read('docs/configuration.md').split('| refused | example | write |')
    const [table = ''] = refused.match(/(?:^\|.*\n)+/m) ?? []
    const examples = all(table, /^\| [a-z -]+ \| `([^`]+)` \|/gm)
    expect(examples).toHaveLength(6)
    expect(examples.filter((source) => parsePattern(source).ok)).toEqual([])
    const anchored = parsePattern('^a|b$')
    const matching = (values: readonly string[]) =>
      values.filter((value) => anchored.ok && anchored.value.matches(value))
    expect(matching(['a', 'b', 'ab', 'ax', 'xb'])).toEqual(['a', 'b'])
  })
})

describe('docs/mcp.md', () => {
  const page = read('docs/mcp.md')

  it.each([
    ['Configuration', wrong, 'ROUTES[0].mcp.surely_no_key'],
    ['What a name needs', { tools: { a: wrong } }, 'ROUTES[0].mcp.tools.a.surely_no_key'],
  ])('has every key of %s, and no other', (heading, mcp, path) => {
    const keys = accepted({ ROUTES: [{ mcp }] }, path)
    expect(keys).not.toEqual([])
    expect([...documented(page, heading)].sort()).toEqual([...keys].sort())
  })

  it('shows a rule that is valid', () => {
    const [block = ''] = all(page, /^```toml\n(.*?)^```$/gms)
    const [gate = ''] = all(README, /```toml\n(\[vars\.GATE\].*?)```/gs)
    const { vars } = parse(`${gate}\n${block}`) as unknown as {
      vars: { ROUTES: readonly object[] }
    }
    expect(parsePolicy(vars, ENV)).toMatchObject({ ok: true })
    expect(vars.ROUTES.at(-1)).toHaveProperty('mcp.tools.transfer.when')
  })

  it('names the methods that need no rule, and no other', () => {
    const [, section = ''] = page.split(/^### Methods$/m)
    const [text = ''] = section.split(/^#/m)
    const named = all(text, /`([a-z]+(?:\/[a-z/]+)?)`/g).filter((name) => name !== 'methods')
    const known = [BASE_METHODS, USING_METHODS.keys(), REFERRING_METHODS, TASK_METHODS].flatMap(
      (methods) => [...methods],
    )
    expect([...named].sort()).toEqual(known.sort())
  })
})

describe('docs/issuers.md and the pages of issuers', () => {
  const pages = ['docs/issuers.md', ...filesIn('docs/issuers', '.md')]
  const blocks = pages.flatMap((page) => all(read(page), /^ *```toml\n(.*?)^ *```$/gms))
  const apart = blocks.filter((block) => !block.includes('[vars.ISSUERS_NAMED]'))
  const entries = apart.map((block) => {
    const { vars } = parse(block) as { vars: { ISSUERS: Record<string, { profile?: string }> } }
    return vars
  })

  it('has an entry for each profile but the default', () => {
    const named = new Set(
      entries.flatMap((vars) => Object.values(vars.ISSUERS).map((one) => one.profile)),
    )
    expect([...named].sort()).toEqual(PROFILE_NAMES.filter((name) => name !== 'rfc9068').sort())
  })

  it.each(entries)('has entries that are valid: $ISSUERS', (vars) => {
    const GATE = { resource: 'https://api.example.com', origin: 'https://origin.example.com' }
    const ROUTES = [{ match: 'GET /v1/*', scopes: [] }]
    const parsed = parsePolicy(
      { GATE, ROUTES, ...vars },
      { has: () => true, secret: () => undefined },
    )
    expect(parsed).toMatchObject({ ok: true })
  })
})

describe('what the gate writes and sends is documented', () => {
  it('every field of a journal line, and no other', () => {
    const context = {
      ...{ id: 'id', time: 0, requestId: 'request', version: 'v', colo: 'AMS' },
      origin: { status: 200, requestId: 'r' },
      revocations: ['id'],
      renews: 'handshake',
    }
    const named = { workflowId: 'w', step: 's', actors: [{ sub: 'b', issuer: 'i' }] }
    const decisions = [
      passed({
        token: {
          issuer: issuerOf({ operator: 'o' }),
          key: { kid: 'k' },
        } as unknown as VerifiedToken,
        agent: agentOf(named),
        access: accessOf({
          session: 's',
          granted: [{ name: 'GRANTS[0]', claims: [], scopes: [] }],
        }),
        possession: 'dpop',
        approved: { id: 'a', decision: { by: { issuer: 'i', subject: 's' } } } as Approval,
        operation: operationOf([callOf('t')]),
      }),
      {
        outcome: 'denied',
        known: {
          route: routeOf('GET /x', { mode: 'shadow' }),
          credential: credentialOf({ kid: 'k' }),
        },
        waits: {},
        denial: chainDenials('unavailable', { stage: 'limit' }),
      } as unknown as Decision,
    ]
    const fields = decisions.flatMap((one) => Object.keys(JSON.parse(recordOf(one, context))))
    const [table = ''] = read('docs/journal.md').match(/(?:^\|.*\n)+/m) ?? []
    const documented = all(table, /^\| (`.*?) \|/gm).flatMap((cell) => all(cell, /`([a-z_]+)`/g))
    expect(new Set(documented)).toEqual(new Set(fields))
  })

  it('and the saved queries ask for fields that there are', () => {
    const fields = new Set(all(read('docs/journal.md'), /`([a-z_]+)`/g))
    const rows = all(read('docs/observability.md'), /^\| (?:Filter|Group by) \| (.*) \|$/gm)
    const named = rows.flatMap((row) => all(row.replace(/ equals .*/, ''), /`([a-z_]+)`/g))
    const asked = all(read('docs/observability.md'), /"(?:key|value)": "([a-z_]+)"/g)
    expect(named.length).toBeGreaterThan(10)
    expect([...named, ...asked].filter((name) => !fields.has(name))).toEqual([])
  })

  it('every identity header, and no other', () => {
    const actors = [{ sub: 'b', issuer: 'i' }]
    const { known } = passed({ agent: agentOf({ type: 't', workflowId: 'w', step: 's', actors }) })
    const told = identityHeaders(known as Facts).map(([name]) => name)
    const names = [...told, `x-agent-${ASSERTION_HEADER}`]
    const [table = ''] = read('docs/origin.md').match(/(?:^\|.*\n)+/m) ?? []
    const documented = all(table, /`(X-Agent-[A-Za-z-]+)`/g).map((name) => name.toLowerCase())
    expect(documented.sort()).toEqual([...names].sort())
  })
})

it('TOML in the pages can be read', () => {
  const blocks = PAGES.flatMap((page) => all(read(page), /^ *```toml\n(.*?)^ *```$/gms))
  expect(blocks.length).toBeGreaterThan(2)
  for (const block of blocks) expect(() => parse(block)).not.toThrow()
})
