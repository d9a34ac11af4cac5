import { describe, expect, it } from 'vitest'
import { claimedBy, decodeExplanation } from '../../../src/gate/app/explain-request.ts'

const URL_TEXT = 'https://api.example.com/v1/../x?q=1'
const GET = { method: 'GET', url: URL_TEXT }

const decoded = (body: Readonly<Record<string, unknown>>) => {
  const result = decodeExplanation(body)
  if (!result.ok) throw new Error(JSON.stringify(result.reason))
  const { request, token } = result.value
  return { ...request, headers: [...request.headers], token }
}

const paths = (body: Readonly<Record<string, unknown>>) => {
  const result = decodeExplanation(body)
  return result.ok ? [] : result.reason.map(({ path }) => path)
}

describe('a request to explain', () => {
  it('sends its token as a bearer token', () => {
    expect(decoded({ ...GET, token: 'abc', headers: { 'X-Run': 'r1' } })).toEqual({
      ...GET,
      headers: [
        ['authorization', 'Bearer abc'],
        ['x-run', 'r1'],
      ],
      token: 'abc',
    })
  })

  it('sends a header that is there twice twice', () => {
    const headers = { Authorization: 'Bearer a', authorization: 'Bearer b', 'X-A': '1', 'x-a': '2' }
    expect(decoded({ ...GET, headers })).toMatchObject({
      headers: [
        ['authorization', 'Bearer a, Bearer b'],
        ['x-a', '1, 2'],
      ],
      token: 'a, Bearer b',
    })
  })

  it.each<[string, unknown]>([
    ['', {}],
    ['method', { ...GET, method: '' }],
    ['url', { ...GET, url: 'https://' }],
    ['url', { ...GET, url: `${URL_TEXT}#part` }],
    ['token', { ...GET, token: 'a\nb' }],
    ['headers', { ...GET, headers: [] }],
    ['headers.X-A', { ...GET, headers: { 'X-A': 'a\r\nb' } }],
    ['headers["X A"]', { ...GET, headers: { 'X A': '1' } }],
    ['Token', { ...GET, Token: 'a' }],
  ])('has a problem at %j', (path, body) => {
    expect(paths(body as Record<string, unknown>)).toEqual(path === '' ? ['method', 'url'] : [path])
  })

  it('has nothing of a token in what is said about it', () => {
    const result = decodeExplanation({
      ...GET,
      token: 'secret\nsecret',
      headers: { A: 'secret\n' },
    })
    expect(JSON.stringify(result)).not.toContain('secret')
  })
})

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const HEAD = part({ alg: 'ES256' })

describe('what a token claims', () => {
  it.each<[string, string | undefined, boolean]>([
    [`${HEAD}.${part({ iss: 'https://a.example' })}.AA`, 'https://a.example', false],
    [`${HEAD}.${part({ iss: 7 })}.AA`, undefined, false],
    [`${HEAD}.${part({ iss: 'https://a.example' })}`, undefined, false],
    [`${HEAD}.${part({ iss: 'https://a.example' })}.AA, Bearer x`, undefined, false],
    [`${HEAD}.${part({ iss: 'https://a.example' })}.AA.BB.CC`, undefined, true],
    ['....', undefined, true],
  ])('%s', (token, issuer, encrypted) => {
    expect(claimedBy(token)).toEqual({ issuer, encrypted })
  })
})

describe('a connection that is told', () => {
  const around = (connection: unknown) => {
    const result = decodeExplanation({ ...GET, connection })
    return result.ok ? result.value.around : result.reason.map(({ path }) => path)
  }

  it.each<[string, unknown]>([
    ['connection', 'DE'],
    ['connection.country', { country: 7 }],
    ['connection.asn', { asn: '7' }],
    ['connection.botScore', { botScore: 1 }],
  ])('is a mistake at %s: %j', (path, connection) => {
    expect(around(connection)).toEqual([path])
  })
})

describe('what is asked of an MCP server', () => {
  const asked = (mcp: unknown, method = 'POST') => {
    const result = decodeExplanation({ ...GET, method, mcp })
    return result.ok ? result.value.asked : result.reason.map(({ path }) => path)
  }

  it.each([
    ['mcp', 'ping'],
    ['mcp.method', {}],
    ['mcp.name', { method: 'x', name: 7 }],
    ['mcp.revision', { method: 'x', revision: '2024-11-05' }],
  ])('is a mistake at %s: %j', (path, mcp) => {
    expect(asked(mcp)).toEqual([path])
  })

  it('goes with POST', () => {
    expect(asked({ method: 'ping' }, 'GET')).toEqual(['mcp'])
  })
})
