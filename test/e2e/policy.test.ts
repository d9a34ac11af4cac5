import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { answers } from './answers-setting.ts'
import { change, clocked } from './keys-setting.ts'
import {
  askGate,
  outcome,
  policyOf,
  type Setting,
  type SettingOptions,
  withGate,
} from './setting.ts'

const METADATA = '/.well-known/oauth-protected-resource'
const INVALID = { status: 503, code: 'policy_invalid' }

let setting: Setting
let token: string
let changing: Gate

beforeAll(async () => {
  setting = await answers()
  token = await setting.token()
  changing = await setting.another(await clocked())
})
beforeEach(() => setting.origin.clear())

/** Uses a gate that has been given this policy; one of its own where it is bound to something else. */
const withPolicy = async (options: SettingOptions, use: (gate: Gate) => Promise<void>) => {
  written = 0
  if (options.kv !== undefined || options.durableObjects !== undefined) {
    return withGate(setting, options, use)
  }
  const vars = { ...policyOf(options, setting.issuer, setting.origin), ...options.vars }
  await change(changing, vars)
  written = changing.output().length
  await use(changing)
}

/** How much the gate had written before it had its policy. */
let written = 0

/** What the gate wrote of its policy's mistakes, by line; it may come later than its answer. */
const mistakesOf = (gate: Gate) =>
  eventually(() => {
    const lines = gate
      .output()
      .slice(written)
      .split('\n')
      .filter((line) => line.includes('"event":"policy_invalid"'))
    expect(lines).not.toEqual([])
    return lines.map((line) => JSON.parse(line).mistakes as string[])
  })

describe('a broken policy', () => {
  it('answers everything but health with 503, and says every mistake at once', async () => {
    const options = {
      gate: { orgin: 'x', timeout: 'soon', prefix: '/ops' },
      issuer: { algorithms: ['HS256'], jwks_url: 'x' },
      routes: [
        { match: 'GET /a', scopes: [], scope: [] },
        { match: 'FETCH /b', scopes: [] },
        { match: 'GET /c' },
      ],
      more: { ROUTE: [{ match: 'GET /d', scopes: [] }] },
    }
    await withPolicy(options, async (gate) => {
      for (const path of ['/a', '/v1/x', '/public/x', '/ops/ready', '/ops/x', METADATA]) {
        const response = await askGate(gate, path, { token })
        expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
        expect(response.headers.get('x-request-id')).toMatch(/^\S{8,}$/)
        const text = await response.clone().text()
        expect(text).not.toContain('orgin')
        expect(await outcome(response)).toEqual(INVALID)
      }
      const health = await askGate(gate, '/ops/health')
      expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }])
      const lines = await mistakesOf(gate)
      expect(lines).toHaveLength(1)
      const paths = lines[0]?.map((mistake) => mistake.split(': ', 1)[0])
      expect(paths?.sort()).toEqual([
        'GATE.orgin',
        'GATE.timeout',
        'ISSUERS.acme.algorithms[0]',
        'ISSUERS.acme.jwks_url',
        'ROUTE',
        'ROUTES[0].scope',
        'ROUTES[1].match',
        'ROUTES[2].scopes',
      ])
      expect(setting.origin.requests).toHaveLength(0)
      const line = await gate.journalLine(({ code }) => code === 'policy_invalid')
      expect(line).toMatchObject({ v: 1, decision: 'denied' })
    })
  })
})

const typeOf = async (response: Response) => ((await response.json()) as { type: string }).type
const docs = 'https://docs.example.com/guide/denials'

it('denial_docs is what denials link to: of rules, of the gate itself, and of the origin', async () => {
  const options = {
    gate: { denial_docs: docs },
    routes: [
      { match: 'GET /v1/*', scopes: [] },
      { match: 'GET /gone', scopes: [], origin: 'http://127.0.0.1:9' },
    ],
  }
  await withPolicy(options, async (gate) => {
    const type = async (path: string, token?: string) =>
      typeOf(await askGate(gate, path, token === undefined ? {} : { token }))
    expect(await type('/v1/x')).toBe(`${docs}#credential_missing`)
    expect(await type('/nowhere')).toBe(`${docs}#route_unknown`)
    expect(await type('/.edgewarden/policy', token)).toBe(`${docs}#admin_not_allowed`)
    expect(await type('/gone', token)).toBe(`${docs}#origin_unreachable`)
  })
})

describe('a condition', () => {
  const rules = (when: string) => `[{"match":"GET /read","scopes":[],"wh\\u0065n":${when}}]`
  const decide = async (when: string) => {
    let found: unknown
    await withPolicy({ vars: { ROUTES_01: rules(when) } }, async (gate) => {
      found = await outcome(await askGate(gate, '/read', { token }))
    })
    return found
  }

  it('is read in a gate that had none, however its key is written', async () => {
    expect(await decide('"request.method == \\"GET\\""')).toEqual({ status: 200 })
    expect(await decide('"request.method == \\"PUT\\""')).toEqual({
      status: 403,
      code: 'condition_failed',
    })
    expect(await decide('"request.method =="')).toEqual(INVALID)
  })
})

describe('variables', () => {
  it('are laid over and merged, and may be text; inline keys need no KV namespace', async () => {
    const issuer = { jwks_uri: undefined, jwks: { keys: [setting.issuer.jwk] } }
    const vars = {
      GATE_LOCAL: '{"hosts":["local.example.com"]}',
      ROUTES_01: JSON.stringify([{ match: 'GET /extra', scopes: ['a:write'] }]),
      SCOPES_MORE: { 'chat:write': ['a:write'] },
    }
    const options = { kv: false, issuer, vars, gate: { hosts: undefined } }
    await withPolicy(options, async (gate) => {
      const headers = { host: 'local.example.com' }
      expect((await askGate(gate, '/extra', { token, headers })).status).toBe(200)
      const other = await outcome(await askGate(gate, '/extra', { token }))
      expect(other).toEqual({ status: 421, code: 'host_unknown' })
    })
  })
})
