/** One rule, one token and some requests: what the gate says of them, if the second implementation says the same. */
import { expect } from 'vitest'
import type { JsonObject } from '../reference/types.ts'
import { compareAll, mistakesOf } from './compare.ts'
import {
  BEGIN,
  type Case,
  type RequestSpec,
  type Said,
  type Step,
  type TokenSpec,
  type Vars,
} from './shapes.ts'

export const RESOURCE = 'https://api.example.com'
export const ISSUER = 'https://auth.acme.example'
const CLAIMS = {
  iss: ISSUER,
  sub: 'u',
  client_id: 'c',
  aud: RESOURCE,
  exp: BEGIN + 300,
  iat: BEGIN,
  jti: 'j',
  scope: 'a',
}

export interface Setting {
  rules?: JsonObject[]
  /** Rules of a second policy, which a request may deploy. */
  later?: JsonObject[]
  gate?: JsonObject
  issuer?: JsonObject
  /** Issuers beside `acme`. */
  others?: Vars['ISSUERS']
  scopes?: JsonObject
  grants?: JsonObject[]
  /** Members laid over good ones; `undefined` leaves one out. */
  header?: Record<string, unknown>
  claims?: Record<string, unknown>
  /** The claims of a second token `u`. */
  more?: Record<string, unknown>
  /** What else is special about both tokens. */
  token?: Partial<Omit<TokenSpec, 'header' | 'claims'>>
}

export type Sent = Partial<RequestSpec> & { before?: Step['before'] }

export const rule = (more: JsonObject = {}): JsonObject => ({
  match: 'GET /v1/x',
  scopes: [],
  ...more,
})

/** What the gate says of requests in full, if the second implementation says the same. */
export async function saidOf(requests: Sent[], setting: Setting = {}): Promise<Said[]> {
  const { rules = [rule()], later, gate, issuer, others, scopes, grants, ...tokens } = setting
  const { header, claims, more } = tokens
  const token = (own: object = {}) => ({
    key: 'a1',
    header: { typ: 'at+jwt', ...header },
    claims: { ...CLAIMS, ...claims, ...own } as JsonObject,
    ...setting.token,
  })
  const one: Case = {
    policies: [rules, ...(later ? [later] : [])].map((routes) => ({
      GATE: { resource: RESOURCE, origin: 'service:ORIGIN', ...gate },
      ISSUERS: { acme: { issuer: ISSUER, ...issuer }, ...others },
      ROUTES: routes,
      ...(scopes && { SCOPES: scopes }),
      ...(grants && { GRANTS: grants }),
    })),
    keys: { acme: ['a1'] },
    tokens: { t: token(), u: token(more) },
    steps: requests.map(({ before, ...request }) => ({
      ...(before && { before }),
      request: {
        method: 'GET',
        scheme: 'https',
        host: 'api.example.com',
        target: '/v1/x',
        headers: [],
        address: '192.0.2.7',
        token: 't',
        ...request,
      },
    })),
  }
  expect(mistakesOf(one)).toEqual([])
  const all: Said[] = []
  const found = await compareAll(one, ({ said }) => all.push(said))
  expect(found.map(({ step, about }) => ({ request: requests[step], about }))).toEqual([])
  return all
}

/** The code of each request, or what becomes of it. */
export async function said(requests: Sent[], setting: Setting = {}): Promise<string[]> {
  return (await saidOf(requests, setting)).map(({ code, outcome }) => code ?? outcome)
}
