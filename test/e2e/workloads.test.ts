import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { ISSUER_TOKENS } from '../kit/issuer-tokens.ts'
import { createKey, type SigningKey } from '../kit/signing.ts'
import { startWorkloadIssuer, WORKLOAD_PROFILES, type WorkloadIssuer } from '../kit/workloads.ts'
import { examine } from '../tools/doctor/doctor-kit.ts'
import { askGate, outcome, RESOURCE, type Setting, startSetting } from './setting.ts'

const METADATA = '/.well-known/oauth-protected-resource'

let setting: Setting
let directory: string
const issuers = new Map<string, WorkloadIssuer>()
const issuerOf = (profile: string): WorkloadIssuer => {
  const issuer = issuers.get(profile)
  if (!issuer) throw new Error(`${profile} has no issuer`)
  return issuer
}

const SHAPES = ISSUER_TOKENS.filter(({ name }) => WORKLOAD_PROFILES.includes(name))

/** The claim by which a grant tells one workload of an issuer from another, where it is not `sub`. */
const AGENTS: Readonly<Record<string, string>> = {
  'github-actions': 'repository_id',
  gitlab: 'project_id',
  gcp: 'azp',
  'azure-workload': 'oid',
}

const granteeOf = (profile: string) => {
  const claim = AGENTS[profile] ?? 'sub'
  const { tokens: [token] = [] } = SHAPES.find(({ name }) => name === profile) ?? {}
  return { [claim]: token?.payload[claim] }
}

/** A key of nobody's. */
let other: SigningKey
const beside = (index: number): Gate => {
  const gate = setting.gate.beside[index]
  if (!gate) throw new Error(`there is no gate ${index}`)
  return gate
}

beforeAll(async () => {
  other = await createKey('RS256')
  for (const one of await Promise.all(WORKLOAD_PROFILES.map((name) => startWorkloadIssuer(name)))) {
    issuers.set(one.profile, one)
  }
  const entries = [...issuers].map(([name, { entry }]) => [name, entry] as const)
  const granted = entries.map(([name, entry]) => [name, { ...entry, scopes_from: 'grants' }])
  const grants = WORKLOAD_PROFILES.map((issuer) => ({
    issuer,
    claims: granteeOf(issuer),
    scopes: ['docs:read'],
  }))
  setting = await startSetting({
    more: { ISSUERS: Object.fromEntries(entries) },
    beside: [
      {
        routes: [
          { match: 'GET /v1/docs', scopes: ['docs:read'] },
          { match: 'GET /v1/admin', scopes: ['admin'] },
        ],
        more: { ISSUERS: Object.fromEntries(granted), GRANTS: grants },
      },
      { more: { ISSUERS: { mesh: issuerOf('spiffe').entry } } },
    ],
  })
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-workloads-'))
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await setting?.close()
  await Promise.all([...issuers.values()].map((one) => one.close()))
  await rm(directory, { recursive: true, force: true })
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

  it('has the scopes that grants give, and none by a claim that says so', async () => {
    const says = { scope: 'admin', scp: 'admin' }
    const ask = async (path: string, changes: object) => {
      const token = await issuerOf(name).mint({ ...says, ...changes })
      return outcome(await askGate(beside(0), path, { token }))
    }
    expect(await ask('/v1/docs', {})).toEqual({ status: 200 })
    expect(setting.origin.requests[0]?.header('x-agent-scope')).toBe('docs:read')
    expect(await ask('/v1/admin', {})).toEqual({ status: 403, code: 'grant_missing' })
    const [[claim = '', value] = []] = Object.entries(granteeOf(name))
    const other = { [claim]: `${value}9` }
    expect(await ask('/v1/docs', other)).toEqual({ status: 403, code: 'grant_missing' })
  })

  it('is refused with a key that the issuer does not serve', async () => {
    const good = await issuerOf(name).mint()
    const [head = '', payload = ''] = good.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const header = JSON.parse(Buffer.from(head, 'base64url').toString())
    const forged = await issuerOf(name).sign(claims, header, other)
    const answer = await outcome(await setting.ask('/v1/any', { token: forged }))
    expect(answer).toEqual({ status: 401, code: 'signature_invalid' })
  })

  it('is useful to doctor', async () => {
    const { entry, issuer } = issuerOf(name)
    const file = join(directory, `${name}.jwt`)
    await writeFile(file, await issuerOf(name).mint())
    const jwksUri = entry.jwks_uri as string | undefined
    const found = await examine(issuer, {
      token: `@${file}`,
      profile: name,
      allowInsecureHttp: true,
      ...(jwksUri !== undefined && { jwksUri }),
    })
    expect([found.exitCode, found.problems, found.err]).toEqual([0, [], ''])
    expect(found.report).toMatchObject({
      keys: { usable: 1 },
      token: { profile: name, denial: null },
      profile: { name },
    })
    expect(found.report.toml).toContain(`issuer = "${issuer}"`)
    expect(found.report.toml).toContain(`profile = "${name}"`)
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

  it('name none where there are only such issuers', async () => {
    expect(await serversOf(await askGate(beside(1), METADATA))).toBeUndefined()
  })
})
