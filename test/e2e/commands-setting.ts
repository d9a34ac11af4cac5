import { RESOURCE, type SettingOptions } from './setting.ts'

/** The origin's own credential; no agent may ever see it. */
export const SECRET = 'origin-secret-4f1a90c2'
/** A page that may ask MCP servers. */
export const APP = 'https://app.example.com'

const METHODS = 'GET,POST,DELETE'

const answering = {
  scopes: ['mcp:connect'],
  resource: `${RESOURCE}/mcp`,
  mcp: {
    list: 'allowed',
    tools: { get_weather: ['weather:read'], 'files_*': ['files:read'], admin: ['admin'] },
    prompts: { 'greet*': [], secret: ['admin'] },
    resources: { 'file:///docs/*': ['files:read'], 'file:///etc/*': ['admin'], 'db://{id}': [] },
    origins: [APP],
  },
}

const echoing = { scopes: [], resource: `${RESOURCE}/echo`, mcp: { tools: { echo: [] } } }

/** What `explain` is asked about, and the MCP servers whose answers and whose audience are judged. */
export const COMMANDS: SettingOptions = {
  gate: {
    clock_tolerance: '0s',
    on_expiry: 'cut',
    // Streams end within it; for another reason where the set does not answer in two fifths of it.
    revocation: { consistency: 'bounded', max_staleness: '5s' },
  },
  issuer: { admin: 'all', agent_prefix: 'acme/' },
  secrets: { ORIGIN_KEY: SECRET },
  routes: [
    { match: 'GET /v1/documents/{id}', scopes: ['documents:read'] },
    { match: 'POST /v1/chat', scopes: ['chat:write'], revocation: 'strict' },
    { match: `${METHODS} /plain/*`, scopes: [] },
    { match: `${METHODS} /mcp`, ...answering, cors: { origins: [APP] } },
    { match: 'POST /mcp/whole', ...answering, on_revocation: 'end-all' },
    { match: `${METHODS} /other`, ...answering },
    { match: 'POST /plainly', ...answering, mcp: { ...answering.mcp, refusals: 'http' } },
    { match: 'GET,POST /secret', ...answering, inject: { 'X-Key': `\${ORIGIN_KEY}` } },
    { match: `${METHODS} /echo`, ...echoing },
    { match: `${METHODS} /echo/*`, ...echoing },
    { match: `${METHODS} /sub/*`, ...echoing, strip_prefix: '/sub' },
    {
      match: `${METHODS} /narrow`,
      ...echoing,
      mcp: { ...echoing.mcp, revisions: ['2025-06-18'] },
    },
    { match: 'GET /api/*', scopes: [], strip_prefix: '/api' },
    { match: 'POST /brief', ...answering, timeout: '1s' },
  ],
  // Its issuer is told an audience that would make tokens for the API good for the MCP server.
  beside: [
    {
      issuer: { audiences: [RESOURCE] },
      routes: [{ match: 'POST /echo', ...echoing }],
    },
  ],
}
