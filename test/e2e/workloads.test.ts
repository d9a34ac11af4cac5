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
  setting = await startSetting({
    issuer: { admin: 'all', rules: false },
    more: { ISSUERS_PLATFORMS: Object.fromEntries(entries) },
  })
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

/** What each platform calls the audience of a token. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  'github-actions': ['core.getIDToken(audience)', '&audience='],
  gitlab: ['.gitlab-ci.yml', 'aud of the token', 'id_tokens'],
  kubernetes: ['projected serviceAccountToken', 'kubectl create token --audience'],
  gcp: ['audience= at the metadata server', 'print-identity-token --audiences of gcloud'],
  aws: ['aws sts get-web-identity-token --audience'],
  'azure-workload': ['resource= at the metadata server', '/.default as scope'],
  spiffe: ['the option -audience of spire-agent', 'only audience'],
}

describe.each(WORKLOAD_PROFILES)('a token of %s for another resource', (profile) => {
  const OTHER = 'https://secret-api.example'
  const mintOther = () => issuerOf(profile).mint({ aud: OTHER })

  it('is refused with a hint in the words of the platform, and with nothing of token and policy', async () => {
    const answer = await setting.ask('/v1/any', { token: await mintOther() })
    const text = await answer.text()
    const { code, hint, error } = JSON.parse(text)
    expect([answer.status, code]).toEqual([401, 'audience_mismatch'])
    for (const word of WORDS[profile] ?? []) expect(hint).toContain(word)
    expect(error.message).toBe(`The token is for another resource. ${hint} (audience_mismatch)`)
    const said = text + JSON.stringify([...answer.headers])
    const { issuer, entry } = issuerOf(profile)
    for (const secret of [OTHER, issuer, ...((entry.audiences as string[] | undefined) ?? [])]) {
      expect(said).not.toContain(secret)
    }
    expect(setting.origin.requests).toEqual([])
  })

  it('is explained with the same hint', async () => {
    const admin = await setting.token({ scope: 'edgewarden:read' })
    const token = await mintOther()
    const answer = await setting.ask('/.edgewarden/explain', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ method: 'GET', url: `${RESOURCE}/v1/any`, token }),
      token: admin,
    })
    const { denial, steps } = JSON.parse(await answer.text())
    expect(denial.code).toBe('audience_mismatch')
    for (const word of WORDS[profile] ?? []) expect(denial.hint).toContain(word)
    expect(steps.at(-1).detail.hint).toBe(denial.hint)
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
