import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ISSUER_TOKENS } from '../kit/issuer-tokens.ts'
import { startWorkloadIssuer, WORKLOAD_PROFILES, type WorkloadIssuer } from '../kit/workloads.ts'
import { outcome, RESOURCE, type Setting, startSetting } from './setting.ts'

const METADATA = '/.well-known/oauth-protected-resource'

let setting: Setting
const issuers = new Map<string, WorkloadIssuer>()
const issuerOf = (profile: string): WorkloadIssuer => {
  const issuer = issuers.get(profile)
  if (!issuer) throw new Error(`${profile} has no issuer`)
  return issuer
}

const SHAPES = ISSUER_TOKENS.filter(({ name }) => WORKLOAD_PROFILES.includes(name))

beforeAll(async () => {
  for (const one of await Promise.all(WORKLOAD_PROFILES.map((name) => startWorkloadIssuer(name)))) {
    issuers.set(one.profile, one)
  }
  const entries = [...issuers].map(([name, { entry }]) => [name, entry] as const)
  setting = await startSetting({ more: { ISSUERS: Object.fromEntries(entries) } })
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await setting?.close()
  await Promise.all([...issuers.values()].map((one) => one.close()))
})

describe.each(SHAPES)('a token of $name, by keys that its issuer serves', ({ name, tokens }) => {
  it.each(tokens)('$name: $code', async ({ name: token, code, identity }) => {
    const answer = await setting.ask('/v1/any', { token: await issuerOf(name).mint({}, token) })
    if (!identity) {
      expect(await outcome(answer)).toEqual({ status: 401, code })
      expect(answer.headers.get('www-authenticate')).toContain(
        `resource_metadata="${RESOURCE}${METADATA}"`,
      )
      expect(setting.origin.requests).toEqual([])
      return
    }
    expect(await outcome(answer)).toEqual({ status: 200 })
    const [request] = setting.origin.requests
    expect({
      agent: request?.header('x-agent-id'),
      client: request?.header('x-agent-client-id'),
      workflow: request?.header('x-agent-workflow-id'),
      issuer: request?.header('x-agent-issuer'),
      scope: request?.header('x-agent-scope') ?? '',
      authorization: request?.header('authorization'),
    }).toEqual({
      agent: `${name}/${identity.agentId}`,
      client: identity.clientId,
      workflow: identity.workflowId,
      issuer: issuerOf(name).issuer,
      scope: identity.scope,
      authorization: undefined,
    })
  })
})

describe('the metadata of a resource', () => {
  const serversOf = async (answer: Response) => {
    expect(answer.status).toBe(200)
    const body = (await answer.json()) as Record<string, unknown>
    expect(body.resource).toBe(RESOURCE)
    return body.authorization_servers
  }

  it('name no issuer that gives a client no token', async () => {
    expect(await serversOf(await setting.ask(METADATA))).toEqual([
      issuerOf('azure-workload').issuer,
    ])
  })
})
