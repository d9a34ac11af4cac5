import { expect, it } from 'vitest'
import { HOST, PATH, policyVars, REVOKED_TOKEN } from '../../dev/bench/policy.ts'
import { createMint } from '../../dev/bench/tokens.ts'
import { readPolicy } from '../../src/gate/policy/policy.ts'
import { workerEnv } from '../../src/gate/policy/reading/env.ts'

const { keys, mint } = await createMint()
const nothing = () => undefined
const env = workerEnv({
  ORIGIN: { fetch: nothing },
  REVOCATIONS: { idFromName: nothing, get: nothing },
})

it.each([10, 1000])('a policy of %i rules is in order, and its last one is asked for', (count) => {
  const vars = policyVars(keys, count)
  const read = readPolicy(vars, env)
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  const names = Object.keys(vars).filter((name) => name.startsWith('ROUTES_'))
  const rules = names.flatMap((name) => vars[name])
  expect(rules).toHaveLength(count)
  expect(read.value.policy.router.find('GET', HOST, PATH).match?.route.path).toBe(
    '/v1/documents/{id}',
  )
  expect(rules.at(-1)).toMatchObject({ match: 'GET /v1/documents/{id}' })
})

it('no variable is larger than Cloudflare takes', () => {
  const sizes = Object.values(policyVars(keys, 1000)).map((value) => JSON.stringify(value).length)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(5000)
  expect(sizes.length).toBeLessThanOrEqual(64)
})

it('a token can have the name that is revoked', async () => {
  const [revoked] = await mint('ES256', 1, REVOKED_TOKEN)
  const [, payload = ''] = revoked?.token.split('.') ?? []
  expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
    jti: REVOKED_TOKEN,
  })
})

it('tokens are of a usual size, and no two are alike', async () => {
  const tokens = (await mint('ES256', 100)).map(({ token }) => token)
  expect(new Set(tokens).size).toBe(100)
  for (const { length } of tokens) {
    expect(length).toBeGreaterThan(550)
    expect(length).toBeLessThan(750)
  }
})
