import { describe, expect, it } from 'vitest'
import { check } from '../../../src/command/policy/check.ts'
import { folder, toml, write } from './kit.ts'

/** A policy in order, of everything that is got wrong below. */
const POLICY = toml({
  gate: `[vars.GATE]
resource = "https://api.acme.dev"
origin = "https://origin.acme.dev"
assertion = "request"`,
  issuer: `[vars.ISSUERS.acme]
issuer = "https://auth.acme.dev"
algorithms = ["ES256"]
agent_prefix = "acme/"
admin = "own"`,
  route: `[[vars.ROUTES]]
match = "POST /v1/chat"
scopes = ["chat:write"]
agent_types = ["orchestrator"]
inject = { Authorization = "Bearer \${API_KEY}" }

[[vars.ROUTES]]
match = "GET /v1/runs/{run}"
scopes = { any = ["runs:read", "runs:read:{run}"] }
agent_types = ["orchestrator"]
when = 'request.country in ["DE"]'

[[vars.ROUTES]]
match = "GET,POST,DELETE /mcp"
resource = "https://api.acme.dev/mcp"
scopes = []
agent_types = ["orchestrator"]
mcp = { tools = { search = ["chat:write"] } }`,
  more: '[secrets]\nrequired = ["API_KEY"]',
})

type Row = readonly [from: string, to: string, at: string, message: string]

/** What is written in place of what, the text at the place that is told, and what is told. */
const MISTAKES: readonly Row[] = [
  [
    `scopes = ["chat:write"]\nagent_types = ["orchestrator"]\ninject`,
    `scope = ["chat:write"]\nscopes = []\nagent_types = ["orchestrator"]\ninject`,
    'scope = ["chat:write"]',
    'ROUTES[0].scope: unknown key `scope`; did you mean `scopes`?',
  ],
  ['[vars.GATE]', '[var.GATE]', '[var.GATE]', 'var: is not read; did you mean [vars]?'],
  [
    `[[vars.ROUTES]]\nmatch = "POST`,
    `[[ROUTES]]\nmatch = "POST`,
    '[[vars.ROUTES]]',
    'ROUTES: is not read here; write it as [[vars.ROUTES]]',
  ],
  [
    'assertion = "request"',
    'asertion = "request"',
    'asertion = "request"',
    'GATE.asertion: unknown key `asertion`; did you mean `assertion`?',
  ],
  [
    `"chat:write"]\nagent_types = ["orchestrator"]\ninject`,
    `"chat:write chat:read"]\nagent_types = ["orchestrator"]\ninject`,
    '"chat:write chat:read"]',
    'ROUTES[0].scopes[0]: `chat:write chat:read` has a space. Two scopes? Write two texts: "chat:write", "chat:read"',
  ],
  [
    `scopes = ["chat:write"]\nagent_types = ["orchestrator"]\ninject`,
    `scopes = "chat:write"\nagent_types = ["orchestrator"]\ninject`,
    'scopes = "chat:write"',
    'ROUTES[0].scopes: must be a list of scopes: ["chat:write"]',
  ],
  [
    `scopes = ["chat:write"]\nagent_types = ["orchestrator"]\ninject`,
    `scopes = { all = ["chat:write"] }\nagent_types = ["orchestrator"]\ninject`,
    'all = ["chat:write"] }',
    'ROUTES[0].scopes.all: a plain list means all: write scopes = ["…", "…"]',
  ],
  [
    `scopes = ["chat:write"]\n`,
    '',
    '[[vars.ROUTES]]',
    'ROUTES[0].scopes: is required unless access = "public"; [] means any valid token',
  ],
  [
    'runs:read:{run}',
    'runs:read:{runs}',
    '"runs:read:{runs}"] }',
    'ROUTES[1].scopes.any[1]: `runs:read:{runs}`: unknown path parameter `runs`; did you mean `run`? Allowed: `run`',
  ],
  [
    'runs:read:{run}',
    'runs:read:$run}',
    '"runs:read:$run}"] }',
    'ROUTES[1].scopes.any[1]: `runs:read:$run}`: a path parameter is written {name}',
  ],
  [
    'admin = "own"',
    `admin = "own"\nmax_lifetime = 3600`,
    'max_lifetime = 3600',
    'ISSUERS.acme.max_lifetime: is a number without a unit: write "3600s" if seconds are meant, or m, h, d',
  ],
  [
    'admin = "own"',
    `admin = "own"\nmax_lifetime = "30d"`,
    'max_lifetime = "30d"',
    'ISSUERS.acme.max_lifetime: must be at most 24d',
  ],
  [
    'admin = "own"',
    `admin = "own"\nmax_lifetime = "15 minutes"`,
    'max_lifetime = "15 minutes"',
    'ISSUERS.acme.max_lifetime: must be a number and a unit (ms, s, m, h, d), like `10s`',
  ],
  [
    'admin = "own"',
    'admin = true',
    'admin = true',
    'ISSUERS.acme.admin: must be false, `own` or `all`',
  ],
  [
    `admin = "own"\n`,
    '',
    '[vars.ISSUERS.acme]',
    'warning: ISSUERS: none has admin, so nobody can revoke a token or an agent, nor ask why a request was refused; make a key for that: npx edgewarden keygen --operator --issuer ops',
  ],
  [
    'agent_prefix = "acme/"',
    'jwks_uri = "http://auth.acme.dev/jwks"',
    'jwks_uri = "http://auth.acme.dev/jwks"',
    'ISSUERS.acme.jwks_uri: must be an https URL; http needs allow_insecure_http = true and a loopback host',
  ],
  [
    '["ES256"]',
    '["HS256"]',
    '"HS256"]',
    'ISSUERS.acme.algorithms[0]: `HS256` is never accepted: who can verify with a shared key can also sign; have the issuer sign with a key pair, as for ES256',
  ],
  [
    '["ES256"]',
    '["es256"]',
    '"es256"]',
    'ISSUERS.acme.algorithms[0]: unknown algorithm `es256`; did you mean `ES256`? Allowed: `ES256`, `ES384`, `ES512`, `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `Ed25519`, `ML-DSA-44`, `ML-DSA-65`, `ML-DSA-87`, `EdDSA`',
  ],
  [
    'issuer = "https://auth.acme.dev"',
    'issuer = "auth.acme.dev"',
    'issuer = "auth.acme.dev"',
    'ISSUERS.acme.issuer: must be an absolute URL, like `https://host/path`, without credentials, fragment or spaces',
  ],
  [
    'issuer = "https://auth.acme.dev"',
    `issuer = "https://acme.eu.auth0.com"\nprofile = "auth0"\nmax_lifetime = "15m"\nrequired_claims = ["jti"]`,
    'issuer = "https://acme.eu.auth0.com"',
    'warning: ISSUERS.acme.issuer: tokens of this service have iss with a / at the end, and it is compared exactly; write `https://acme.eu.auth0.com/`',
  ],
  [
    'issuer = "https://auth.acme.dev"',
    'issuer = "https://auth.example.com"',
    'issuer = "https://auth.example.com"',
    'ISSUERS.acme.issuer: "https://auth.example.com" is a placeholder; write your own host',
  ],
  [
    `agent_types = ["orchestrator"]\nwhen`,
    `agent_types = ["orchestrater"]\nwhen`,
    'agent_types = ["orchestrater"]',
    'warning: ROUTES[1].agent_types: the agent type `orchestrater` is written only here, and is nearly `orchestrator` of ROUTES[0].agent_types; did you mean that?',
  ],
  [
    '["chat:write"] } }',
    '["chat:wirte"] } }',
    '"chat:wirte"] } }',
    'warning: ROUTES[2].mcp.tools.search[0]: the scope `chat:wirte` is written only here, and is nearly `chat:write` of ROUTES[0].scopes[0]; did you mean that?',
  ],
  [
    'required = ["API_KEY"]',
    'required = ["APIKEY"]',
    'required = ["APIKEY"]',
    'secrets.required: lacks `API_KEY`, which the policy names: without it every request is 503; add it',
  ],
  [
    `[secrets]\nrequired = ["API_KEY"]`,
    '',
    'name = "gate"',
    'warning: secrets: are not declared: no deploy is refused without `API_KEY`, which the policy names, and every request is 503 then; write [secrets] with required = ["API_KEY"]',
  ],
  [
    `Bearer \${API_KEY}`,
    'Bearer sk-1234',
    'Authorization = "Bearer sk-1234" }',
    `ROUTES[0].inject.Authorization: must be a template with a secret, like \`Bearer \${NAME}\``,
  ],
  [
    `Authorization = "Bearer \${API_KEY}"`,
    `Host = "\${API_KEY}"`,
    `Host = "\${API_KEY}" }`,
    'ROUTES[0].inject.Host: is a header that cannot be injected: the gate or the connection sets it; remove it',
  ],
  [
    `in ["DE"]'`,
    `in ["DE"'`,
    `when = 'request.country in ["DE"'`,
    'ROUTES[1].when: at character 25: Expected ], got the end',
  ],
  [
    'request.country in',
    'request.contry in',
    `when = 'request.contry in ["DE"]'`,
    'ROUTES[1].when: at character 9: unknown member of request `contry`; did you mean `country`?',
  ],
  [
    'request.country in ["DE"]',
    'request.country == 49',
    `when = 'request.country == 49'`,
    'ROUTES[1].when: at character 1: no such overload: string == int (these types do not go together; convert one, as with string(…) or int(…))',
  ],
  [
    'match = "POST /v1/chat"',
    'match = "POST v1/chat"',
    'match = "POST v1/chat"',
    'ROUTES[0].match: the path must begin with "/"',
  ],
  [
    'match = "POST /v1/chat"',
    'match = "SEND /v1/chat"',
    'match = "SEND /v1/chat"',
    'ROUTES[0].match: "SEND" is not a method; write one or more of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, or *',
  ],
  [
    'match = "POST /v1/chat"',
    'match = "* /v1/*"',
    'match = "GET /v1/runs/{run}"',
    'ROUTES[1].match: can never match: `* /v1/*` of ROUTES[0] matches all its requests first; put this rule before that one, or remove one of them',
  ],
  [
    'origin = "https://origin.acme.dev"',
    'origin = "https://api.acme.dev"',
    'origin = "https://api.acme.dev"',
    `GATE.origin: is the gate's own scheme, name and port: requests would go round in circles; write where the API itself is served`,
  ],
  [
    'origin = "https://origin.acme.dev"',
    'origin = "service:API"',
    'origin = "service:API"',
    'GATE.origin: needs the service binding `API`, which is not there: write [[services]] with that binding',
  ],
  [
    `resource = "https://api.acme.dev"\norigin`,
    `resource = "http://api.acme.dev"\norigin`,
    'resource = "http://api.acme.dev"',
    'GATE.resource: must be an https URL; http is only for a loopback host',
  ],
  [
    'resource = "https://api.acme.dev/mcp"',
    `resource = "https://api.acme.dev/mcp/"\naudiences = ["https://api.acme.dev/mcp"]`,
    '"https://api.acme.dev/mcp"]',
    'warning: ROUTES[2].audiences[0]: `https://api.acme.dev/mcp` differs from `https://api.acme.dev/mcp/` of ROUTES[2].resource only by the / at the end, and both are compared exactly with what tokens say; write one of them everywhere',
  ],
  [
    'mcp = { tools',
    `mode = "shadow"\nmcp = { tools`,
    'mode = "shadow"',
    'warning: ROUTES[2].mode: is `enforce` here: a rule with mcp is never in shadow mode; write mode = "enforce"',
  ],
  [
    `[[kv_namespaces]]\nbinding = "JWKS_CACHE"`,
    '',
    'name = "gate"',
    'bindings.JWKS_CACHE: is not there: a KV namespace, needed by issuers without inline jwks; write [[kv_namespaces]] with binding = "JWKS_CACHE"',
  ],
  [
    'GET,POST,DELETE /mcp',
    'GET /mcp',
    'match = "GET /mcp"',
    'ROUTES[2].match: must take POST: messages to an MCP server are posted',
  ],
  [
    `agent_types = ["orchestrator"]\nwhen`,
    `issuers = ["acne"]\nagent_types = ["orchestrator"]\nwhen`,
    '"acne"]',
    'ROUTES[1].issuers[0]: unknown issuer `acne`; did you mean `acme`? Allowed: `acme`',
  ],
]

const directory = await folder()
let count = 0
const tell = async (text: string) => {
  const file = await write(directory, `${count++}.toml`, text)
  const { err } = await check({ file })
  return err.map((line) => line.replace(`${file}:`, ''))
}

/** The text from a place on. */
const textAt = (text: string, line: string): string => {
  const [, row = 0, column = 0] = /^(\d+):(\d+): /.exec(line) ?? []
  return text.split('\n')[Number(row) - 1]?.slice(Number(column) - 1) ?? ''
}

describe('a mistake in a policy', () => {
  it('is none before it is made', async () => {
    expect(await tell(POLICY)).toEqual([])
    expect(MISTAKES.length).toBeGreaterThanOrEqual(35)
  })

  it.each(MISTAKES)('%s → %s', async (from, to, at, message) => {
    expect(POLICY).toContain(from)
    const text = POLICY.replace(from, () => to)
    const lines = await tell(text)
    expect(lines.map((line) => line.replace(/^\d+:\d+: /, ''))).toContain(message)
    const line = lines.find((one) => one.endsWith(`: ${message}`)) ?? ''
    expect(textAt(text, line)).toBe(at)
  })
})
