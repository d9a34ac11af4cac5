import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { test } from '../../src/command/tests/test.ts'
import { ROOT } from '../kit/repository.ts'
import { folder, PARTS, toml, write } from './kit.ts'

const directory = await folder()
const NOW = 1_793_491_200
const ISSUERS = `${PARTS.issuer}
agent_prefix = "acme/"

[vars.ISSUERS.beta]
issuer = "https://beta.acme.dev"
agent_prefix = "beta/"
algorithms = ["RS256", "ES256"]
max_lifetime = "20s"`

const judge = async (cases: string, changes: Parameters<typeof toml>[0]) => {
  const config = await write(directory, 'wrangler.toml', toml(changes))
  const file = await write(directory, 'policy.test.toml', cases)
  return test([file], { config }, NOW)
}
const one = (rest: string) => `[[case]]\nname = "one"\n${rest}\n`
const ALLOWED = 'expect = { decision = "allowed" }'
const code = (text: string) => `expect = { decision = "denied", code = "${text}" }`

it('makes an Agentic JWT for a case, as docs/agentic-jwt.md shows', async () => {
  const page = await readFile(join(ROOT, 'docs/agentic-jwt.md'), 'utf8')
  const [example = ''] = /\[vars\.ISSUERS\.idp\][^`]*/.exec(page) ?? []
  const [cases = ''] = /\[\[case\]\][^`]*/.exec(page) ?? []
  const workflow = 'workflow_id = "auto-patch-workflow-v1"'
  const intent = `${workflow}, workflow_step = "step_4_apply_patch"`
  const own = 'sub = "vulnerability-patcher-v1", scope = "repo:write"'
  const hash = 'delegation_chain = "2f0b6b1132b4c1f7"'
  const more = [
    `claims = { ${own}, intent = { ${intent}, ${hash} } }\n${ALLOWED}`,
    `claims = { ${own}, intent = { ${intent} } }\n${code('delegation_chain_mismatch')}`,
    `claims = { ${own}, intent = { ${intent}, ${hash} }, agent_proof = { agent_checksum = "x" } }\n${code('agent_checksum_malformed')}`,
  ].map((rest) => one(`request = "POST /v1/patches"\nbound = true\n${rest}`))
  const unbound = one(`request = "POST /v1/patches"\nclaims = {}\n${code('claim_rejected')}`)
  const changes = { issuer: example, route: '' }
  const { exitCode, err, out } = await judge([cases, ...more, unbound].join('\n'), changes)
  expect([exitCode, err]).toEqual([0, []])
  expect(out).toContain('5 cases: 5 as expected, 0 not')
})

it('proves possession of a key in cases, as docs/policy-tests.md shows', async () => {
  const page = await readFile(join(ROOT, 'docs/policy-tests.md'), 'utf8')
  const [, cases = ''] = /```toml\n([^`]*bound {3}= true[^`]*)```/.exec(page) ?? []
  const route = '[[vars.ROUTES]]\nmatch = "POST /v1/payments"\nscopes = ["payments:write"]\n'
  const changes = { issuer: ISSUERS, route: `${route}possession = "required"` }
  const more = [
    ['claims = {}\nbound = false', code('possession_required')],
    [`bound = true\nexpect = { headers = { DPoP = false } }`, ''],
    ['issuer = "beta"\nbound = true', ALLOWED],
    ['bound = true\nclaims = { cnf = { jkt = "x" } }', code('proof_key_mismatch')],
  ]
  const request = 'request = "POST /v1/payments"\n'
  const bad = `request = { method = "POST", url = "/v1/payments", headers = { DPoP = "x" } }\nbound = true\n${code('proof_malformed')}`
  const all = [...more.map(([given, expect]) => `${request + given}\n${expect}`), bad].map(one)
  const scoped = '[defaults]\nclaims = { scope = "payments:write" }\n'
  for (const gate of [PARTS.gate, `${PARTS.gate}\ndpop_nonce = true`]) {
    const { exitCode, err, out } = await judge(`${scoped}${all.join('')}${cases}`, {
      ...changes,
      gate,
    })
    expect([exitCode, err]).toEqual([0, []])
    expect(out).toContain('8 cases: 8 as expected, 0 not')
  }
})

it('prints for the example of docs/policy-tests.md what the page says, with the policy of the README', async () => {
  const block = async (path: string, of: string) => {
    const page = await readFile(join(ROOT, path), 'utf8')
    return [...page.matchAll(/```toml\n(.*?)```/gs)]
      .map(([, text = '']) => text)
      .find((text) => text.includes(of))
  }
  const top = `${PARTS.top}\n${PARTS.kv}\n${PARTS.objects}`
  const policy = `${top}\n${await block('README.md', '[vars.GATE]')}`
  const bound = policy.replace(
    'bindings = [',
    'bindings = [{ name = "RATE_LIMITER", class_name = "RateLimiter" },',
  )
  const config = await write(directory, 'readme.toml', bound)
  const file = await write(
    directory,
    'docs.test.toml',
    (await block('docs/policy-tests.md', '[[case]]')) ?? '',
  )
  const { exitCode, err, out } = await test([file], { config }, NOW)
  expect([exitCode, err]).toEqual([0, []])
  const page = await readFile(join(ROOT, 'docs/policy-tests.md'), 'utf8')
  const uncounted = (text: string) => text.replace(/codes: \d+ of \d+/, 'codes')
  expect(uncounted(page)).toContain(uncounted(out.join('\n')))
})
