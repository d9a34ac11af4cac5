import { describe, expect, it } from 'vitest'
import { ACME, CHAT, mistakes, parse } from './support.ts'

const ISSUERS = {
  acme: { ...ACME, agent_prefix: 'acme/' },
  beta: { issuer: 'https://auth.beta.example', agent_prefix: 'beta/' },
}
const BETA = 'https://auth.beta.example'
const run = { match: 'GET /v1/runs/{run}', scopes: [] }

const warned = (route: object, issuers: object = ISSUERS) => {
  const parsed = parse({ ISSUERS: issuers, ROUTES: [{ ...CHAT, ...route }] })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.warnings
    .map(({ path, message }) => `${path}: ${message}`)
    .filter((line) => line.includes('this name'))
}

describe('a name that several issuers can give', () => {
  const named = 'accepts this name from each of `acme`, `beta`, and each may give it to another'
  const choose = 'name the intended issuer in issuers'

  it.each<[route: object, expected: readonly string[]]>([
    [{ ...run, workflow: 'path:run' }, [`ROUTES[0].workflow: ${named} workflow: ${choose}`]],
    [
      { delegation: { subjects: [{ issuer: 'acme', sub: 'bob' }, 'alice'] } },
      [`ROUTES[0].delegation.subjects[1]: ${named} subject: write { issuer = "…", sub = "alice" }`],
    ],
    [
      { delegation: { actors: ['planner'] } },
      [`ROUTES[0].delegation.actors[0]: ${named} actor: write { issuer = "…", sub = "planner" }`],
    ],
    [
      { claims: { sub: 'alice', client_id: 'app', tenant: 'blue' } },
      [
        `ROUTES[0].claims.sub: ${named} subject: ${choose}`,
        `ROUTES[0].claims.client_id: ${named} client: ${choose}`,
      ],
    ],
    [{}, []],
  ])('is warned of: %j', (route, expected) => {
    expect(warned(route)).toEqual(expected)
    expect(warned({ ...route, issuers: ['acme'] })).toEqual([])
    expect(warned(route, { acme: ACME })).toEqual([])
  })
})

describe('an issuer of a subject', () => {
  const subjects = (issuer: string) => ({ delegation: { subjects: [{ issuer, sub: 'alice' }] } })
  const untaken = 'is an issuer whose tokens are not accepted here'

  it.each<[vars: object, expected: readonly unknown[]]>([
    [{ ROUTES: [{ ...CHAT, ...subjects('beta') }] }, []],
    [{ ROUTES: [{ ...CHAT, ...subjects(BETA) }] }, []],
    [
      { ROUTES: [{ ...CHAT, ...subjects('beta'), issuers: ['acme'] }] },
      [`ROUTES[0].delegation.subjects[0].issuer: \`beta\` ${untaken}`],
    ],
    [
      { ISSUERS: { ...ISSUERS, acme: { ...ISSUERS.acme, ...subjects(BETA) } } },
      [`ISSUERS.acme.delegation.subjects[0].issuer: \`${BETA}\` ${untaken}`],
    ],
    [
      { ROUTES: [{ ...CHAT, ...subjects('betta') }] },
      [expect.stringMatching(/^ROUTES\[0\]\.delegation\.subjects\[0\]\.issuer: .*betta/)],
    ],
  ])('is one whose tokens are taken: %j', (vars, expected) => {
    expect(mistakes({ ISSUERS, ...vars })).toEqual(expected)
  })
})
