import { describe, expect, it } from 'vitest'
import { policy } from './support.ts'

const ORIGIN = 'https://app.example.com'
const MCP = { mcp: { tools: { weather: [] }, origins: [ORIGIN] } }
const MCP_HEADERS = [
  'mcp-protocol-version',
  'mcp-session-id',
  'last-event-id',
  'mcp-method',
  'mcp-name',
]
const ALWAYS = ['WWW-Authenticate', 'DPoP-Nonce', 'Retry-After', 'X-Request-Id']

/** The `cors` of a rule with these keys. */
const corsOf = (cors: object, more: object = {}) => {
  const rule = { match: 'GET,POST /mcp', scopes: [], cors: { origins: [ORIGIN], ...cors }, ...more }
  const [route] = policy({ ROUTES: [rule] }).routes
  return route?.cors
}

describe('cors', () => {
  it('allows what a plain rule needs, unless it says', () => {
    expect(corsOf({})).toEqual({
      origins: [ORIGIN],
      methods: ['GET', 'HEAD', 'POST'],
      headers: ['authorization', 'content-type'],
      expose: ALWAYS,
      credentials: false,
    })
    expect(corsOf({ methods: ['POST'], headers: ['x-a'], expose: ['x-b'] })).toMatchObject({
      methods: ['POST'],
      headers: ['x-a'],
      expose: ['x-b', ...ALWAYS],
    })
    expect(corsOf({ headers: [] })?.headers).toEqual([])
  })

  it('allows what clients of MCP send and read beside it', () => {
    const { headers, expose } = corsOf({}, MCP) ?? {}
    expect(headers).toEqual(['authorization', 'content-type', ...MCP_HEADERS])
    expect(expose).toEqual([...ALWAYS, 'Mcp-Session-Id'])
  })

  it('leaves headers that are written as they are, and exposes the session all the same', () => {
    const { headers, expose } =
      corsOf({ headers: ['authorization'], expose: ['mcp-session-id'] }, MCP) ?? {}
    expect(headers).toEqual(['authorization'])
    expect(expose).toEqual(['Mcp-Session-Id', ...ALWAYS])
  })
})
