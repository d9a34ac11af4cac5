import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import { feed, sse } from '../kit/sse.ts'
import { type Answers, answersOf } from './answers-setting.ts'
import { type AskInit, outcome } from './setting.ts'

const MEMBERS = ['v', 'id', 'time', 'request_id', 'decision', 'mode', 'ms']

let setting: Answers
let asked = 0

beforeAll(async () => {
  setting = await answersOf('journal')
})
beforeEach(() => setting.origin.clear())

/** Asks, and gives the one journal line of that request with the answer. */
const lineOf = async (path: string, init: AskInit = {}) => {
  const id = `journal-${++asked}`
  const headers = { 'x-request-id': id, ...(init.headers as Record<string, string>) }
  const response = await setting.ask(path, { ...init, headers })
  const { code, status } = await outcome(response)
  const line = await setting.gate.journalLine(({ request_id }) => request_id === id)
  expect(setting.gate.journal().filter(({ request_id }) => request_id === id)).toHaveLength(1)
  expect(Object.keys(line)).toEqual(expect.arrayContaining(MEMBERS))
  expect(line).toMatchObject({ v: 1, mode: 'enforce' })
  expect(new Date(String(line.time)).toISOString()).toBe(line.time)
  expect(line.code).toBe(code)
  return { line, status }
}

describe('the journal', () => {
  it('has one line for an allowed request, with who it was', async () => {
    setting.origin.on('/v1/x', reply(418, {}, 'answer-body-77'))
    const claims = {
      client_id: 'agent-7',
      jti: 'token-7',
      sub: 'alice',
      workflow_id: 'run-7',
      act: { sub: 'actor-7' },
    }
    const token = await setting.token(claims)
    const { line } = await lineOf('/v1/x?query-77=1', { token, method: 'POST', body: 'body-77' })
    expect(line).toMatchObject({
      decision: 'allowed',
      route: 'GET,POST /v1/{id}',
      issuer: setting.issuer.issuer,
      kid: setting.issuer.kid,
      agent: 'agent-7',
      client: 'agent-7',
      jti: 'token-7',
      subject: 'alice',
      workflow: 'run-7',
      grant: ['chat:write'],
      actors: [expect.objectContaining({ sub: 'actor-7' })],
      origin_status: 418,
    })
    expect(Object.keys(line.ms as object)).toContain('revocation')
    for (const ms of Object.values(line.ms as object)) expect(ms).toBeGreaterThanOrEqual(0)
    expect(line).not.toHaveProperty('claimed_issuer')
    expect(line).not.toHaveProperty('claimed_kid')
  })

  it('writes what an unverified token claims as a claim, cut short', async () => {
    const long = 'k'.repeat(200)
    const other = 'https://unknown.example/'.padEnd(200, 'i')
    const foreign = await setting.issuer.mint({ iss: other }, { kid: long })
    const { line } = await lineOf('/v1/x', { token: foreign })
    expect(line).toMatchObject({
      decision: 'denied',
      claimed_issuer: other.slice(0, 128),
      claimed_kid: long.slice(0, 128),
    })
    const [head, payload] = (await setting.token({ jti: 'unverified-99' })).split('.')
    const forged = await lineOf('/v1/x', { token: `${head}.${payload}.${'A'.repeat(86)}` })
    expect(forged.line).toMatchObject({
      code: 'signature_invalid',
      claimed_issuer: setting.issuer.issuer,
      claimed_kid: setting.issuer.kid,
    })
    for (const name of ['agent', 'issuer', 'kid', 'client', 'jti', 'actors']) {
      expect(line).not.toHaveProperty(name)
      expect(forged.line).not.toHaveProperty(name)
    }
    expect(setting.gate.output()).not.toContain('unverified-99')
  })

  it('names the agent that lacks a scope', async () => {
    const token = await setting.token({ scope: 'chat:read' })
    const { line } = await lineOf('/v1/x', { token })
    expect(line).toMatchObject({ decision: 'denied', code: 'scope_missing', agent: 'agent-1' })
    expect(line.ms).not.toHaveProperty('revocation')
    expect(line).not.toHaveProperty('origin_status')
  })

  it('writes the line of a stream when it begins', async () => {
    const events = feed()
    setting.origin.on('/v1/stream', (_req, res) => sse(res, events))
    const headers = { 'x-request-id': 'journal-stream' }
    const response = await setting.ask('/v1/stream', { token: await setting.token(), headers })
    const line = await setting.gate.journalLine(({ request_id }) => request_id === 'journal-stream')
    expect(line).toMatchObject({ decision: 'allowed', origin_status: 200 })
    events.end()
    await response.text()
  })

  it('has no token, no query and no body anywhere', async () => {
    const { line: last } = await lineOf('/v1/x?last-query-66=1', { token: 'opaque-secret-88' })
    expect(last.decision).toBe('denied')
    const query = await lineOf('/v1/x?access_token=query-secret-55')
    expect(query.line.code).toBe('credential_in_query')
    const output = setting.gate.output()
    for (const secret of [
      'query-77',
      'body-77',
      'opaque-secret-88',
      'last-query-66',
      'secret-55',
    ]) {
      expect(output).not.toContain(secret)
    }
    // The beginning of every JWT.
    expect(output).not.toContain('eyJ')
  })
})
