import type { Members } from '../kit/signing.ts'
import { RESOURCE, type WorldOptions } from './world.ts'

const any = { scopes: [] }

/** A page that may call what browsers may. */
export const PAGE = 'https://app.example.com'

/** Bytes of a message that the server of `mcp-reading` may be sent. */
export const MESSAGE_LIMIT = 16 * 1024

/** What the server of `mcp-tools` allows. */
const TOOLS = {
  tools: {
    get_weather: ['weather:read'],
    'files_*': ['files:read'],
    files_write: ['files:write', 'files:audit'],
    read_file: ['files:read:{arguments.path}'],
    pay: { scopes: [], when: 'arguments.amount < 100.0' },
    free: [],
  },
}

const connect = { scopes: ['mcp:connect'] }

/** The rules of `mcp-tools`. */
const MCP_TOOLS: readonly Members[] = [
  { match: 'GET,POST,DELETE /mcp', ...connect, mcp: TOOLS },
  { match: 'POST /mcp/http', ...connect, mcp: { ...TOOLS, refusals: 'http' } },
  { match: 'POST /mcp/json-rpc', ...connect, mcp: { ...TOOLS, refusals: 'json-rpc' } },
  {
    match: 'POST /mcp/limited',
    ...connect,
    mcp: TOOLS,
    rate_limit: { limit: 2, period: '1d' },
  },
]

/** The rule of `mcp-reading`. */
const MCP_READING: Members = {
  match: 'GET,POST,DELETE /read/mcp',
  ...any,
  mcp: {
    tools: {
      echo: [],
      'Hello, world': [],
    },
    origins: [PAGE],
    max_body: MESSAGE_LIMIT,
  },
}

/** The rules of `readings`. */
const READINGS: readonly Members[] = [
  { match: 'GET /q/run', ...any, workflow: 'query:run' },
  { match: 'GET /h/run', ...any, workflow: 'header:x-run' },
  { match: 'GET,POST /q/any', ...any },
  { match: 'DELETE /q/any', scopes: ['never'] },
  { match: '* /q/every', ...any },
  { match: 'GET /open/any', access: 'public' },
  {
    match: 'POST /q/mcp',
    ...any,
    resource: `${RESOURCE}/q/mcp`,
    mcp: {
      resources: { 'file:///docs/*': [], 'file:///docs/secret': ['never'] },
      refusals: 'http',
    },
  },
  { match: 'GET /r/admin', scopes: ['never'] },
  { match: 'GET /r/report', scopes: ['never'] },
  { match: 'GET /r/report.json', ...any },
  { match: 'GET /r/*', ...any },
  { match: 'GET /w/admin', scopes: ['never'] },
  { match: 'GET /w/*', ...any, ambiguous_paths: 'allow' },
]

/** Once, and no test waits for the second time. */
const SELDOM = { limit: 1, period: '1d' }

/** The world of most files, so that they can share one: each has rules of its own in it. */
export const WORLD: WorldOptions = {
  gate: { strip_headers: ['x-internal-user'] },
  routes: [
    ...MCP_TOOLS,
    MCP_READING,
    ...READINGS,
    // explain
    { match: 'GET /v1/watched', scopes: ['admin:all'], mode: 'shadow' },
    // looked-at
    { match: 'GET /v1/explained', ...any, rate_limit: SELDOM },
    { match: 'GET /v1/once-apart', ...any, single_use: true },
    // policy-endpoint
    { match: 'GET /v1/of/{run}', ...any, workflow: 'path:run', issuers: ['acme'] },
    {
      match: 'GET /v1/two-headers',
      ...any,
      inject: {
        'X-Team': `literal-55aa \${ORIGIN_KEY} literal-55bb`,
        Cookie: `s=\${ORIGIN_KEY}`,
      },
      revocation: { consistency: 'bounded', max_staleness: '90s' },
    },
    {
      match: 'GET /v1/acted',
      ...any,
      delegation: {
        issuers: ['acme', 'beta'],
        actors: ['anyone', { issuer: 'acme', sub: 'actor-66cc' }, { issuer: 'beta', sub: 'own' }],
      },
    },
  ],
}
