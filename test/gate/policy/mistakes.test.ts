import { parse as parseToml } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { ACME, CHAT, ENV, GATE, mistakes, type Vars } from './support.ts'

/**
 * Mistakes that only the meaning of a key shows. What its row shows (another kind of value, an unknown name, an empty
 * list, a number out of bounds) is in keys.test.ts. Each line: what is written, where the mistake is, a part of what
 * is said.
 */

const OF_GATE = `
dpop_nonce = true, assertion = "off"                  → dpop_nonce: nonces are signed
console = {host = "ops.example.com"}, assertion = "off" → console: sessions are signed
console = {host = "ops.example.com:8080"}             → console.host: without scheme, port or path
console = {host = "api.example.com"}                  → console.host: give the console a host of its own
console = {host = "o.example"}, origin = "https://o.example" → origin: round in circles
denial_docs = "http://d.example/x"                    → denial_docs: only for a loopback host
denial_docs = "/denials"                              → denial_docs: must be an absolute URL
denial_docs = "https://d.example/#x"                  → denial_docs: without credentials, fragment
denial_docs = "https://d.example/?x"                  → denial_docs: without a query
resource = "http://api.example.com"                   → resource: must be an https URL
resource = "https://api.example.com/#x"               → resource: fragment
resource = "https://api.example.com/#"                → resource: fragment
resource = "https://api.example.com/?x"               → resource: without a query
resource = "https://api.example.com/?"                → resource: must be an absolute URL
resource = "https://a:b@api.example.com"              → resource: without credentials
resource = "/api"                                     → resource: must be an absolute URL
resource = "https://api.example.com/a/../b"           → resource: no dot segments
resource = "https://api.example.com/*"                → resource: without *
resource = "https://0x7f.1"                           → resource: \`127.0.0.1\`
origin = "ftp://x.example"                            → origin: must be an https URL
origin = "https://u:p@x.example"                      → origin: without credentials
origin = "https://x.example/?q"                       → origin: without a query
origin = "https://x.example/#q"                       → origin: fragment
origin = "service:MISSING"                            → origin: needs the service binding \`MISSING\`
origin = "service:a b"                                → origin: the name of a service binding
origin = "https://api.example.com/v1"                 → origin: the gate's own scheme
hosts = ["g.example", "api.example.com"], origin = "https://g.example" → origin: the gate's own scheme
origin_via = "MISSING"                                → origin_via: needs the binding \`MISSING\`
origin_via = "a b"                                    → origin_via: the name of a binding
origin_via = "MTLS", origin = "service:API"           → origin_via: already names a binding
hosts = ["api.example.com:8443"]                      → hosts[0]: without scheme, port or path
hosts = ["API.example.com"]                           → hosts[0]: lower-case
hosts = ["https://api.example.com"]                   → hosts[0]: plain host name
proof_max_age = "0s"                                  → proof_max_age: at least 1s
proof_max_age = "301s"                                → proof_max_age: at most 300s
proof_max_ahead = "61s"                               → proof_max_ahead: at most 60s
clock_tolerance = "61s"                               → clock_tolerance: at most 60s
clock_tolerance = "1500ms"                            → clock_tolerance: whole seconds
timeout = "10 minutes"                                → timeout: a number and a unit
timeout = "0s"                                        → timeout: longer than nothing
timeout = "25d"                                       → timeout: at most
prefix = "/"                                          → prefix: must have a segment
prefix = "/gate/"                                     → prefix: not end in /
prefix = "/{x}"                                       → prefix: must be literal
prefix = "/%61"                                       → prefix: path of literal segments
prefix = "/a/../b"                                    → prefix: dot segment
prefix = "/.well-known"                               → prefix: must not be under /.well-known
prefix = "gate"                                       → prefix: path of literal segments
identity_prefix = "agent-"                            → identity_prefix: at least two lower-case words
identity_prefix = "X-Agent-"                          → identity_prefix: lower-case
identity_prefix = "x-forwarded-"                      → identity_prefix: the beginning of other headers
strip_headers = ["a b"]                               → strip_headers[0]: not a header name
strip_headers = ["x-internal-*"]                      → strip_headers[0]: write each name whole
client_ip = "a b"                                     → client_ip: must be a header name
client_ip = "x-*"                                     → client_ip: must be a header name
client_ip = "proxy_authorization"                     → client_ip: contains a credential
lift = ["a+b"]                                        → lift[0]: the id of a revocation
`

const OF_ISSUER = `
issuer = "http://auth.acme.example"                   → issuer: https
issuer = "http://localhost:9000"                      → issuer: allow_insecure_http
issuer = "https://auth.acme.example/?x"               → issuer: without a query
allow_insecure_http = true                            → allow_insecure_http: loopback
issuer = "https://10.0.0.5"                           → issuer: private address
jwks_uri = "https://169.254.169.254/jwks"             → jwks_uri: private address
jwks_uri = "http://auth.acme.example/jwks"            → jwks_uri: https
jwks_uri = "https://api.example.com/jwks"             → jwks_uri: the gate's own host
jwks_uri = "https://api.example.com:8443/jwks"        → jwks_uri: the gate's own host
issuer = "https://api.example.com:8443"               → issuer: set jwks_uri or jwks
jwks_uri = "https://auth.acme.example/jwks", jwks = {keys = [<EC>]} → jwks_uri: both
jwks_cache = {stale_if_error = "25h"}                 → jwks_cache.stale_if_error: at most
jwks_cache = {cooldown = "1s"}                        → jwks_cache.cooldown: at least 10s
jwks = {keys = []}                                    → jwks: with a key in it
jwks = {keys = [{kty = "EC", d = "AAAA"}]}            → jwks.keys[0]: the private member \`d\`
jwks = {keys = [{kty = "oct", k = "AAAA"}]}           → jwks.keys[0]: the private member \`k\`
jwks = {keys = [{kty = "AKP", alg = "ML-DSA-44", pub = "<PUB>", priv = "AAAA"}]} → jwks.keys[0]: the private member \`priv\`
jwks = {keys = [{kty = "AKP", alg = "ML-DSA-44", pub = "<PUB>"}]} → jwks: \`ES256\`, \`RS256\`, \`PS256\`, \`Ed25519\`
jwks = {keys = [{kty = "AKP", pub = "<PUB>"}]}, algorithms = ["ML-DSA-44"] → jwks: public key
jwks = {keys = [{kty = "RSA", n = "AQAB", e = "AQAB"}]} → jwks: public key for one of
jwks = {keys = [{kty = "RSA", n = "<LONG>", e = "AQAB"}]} → jwks: public key for one of
jwks = {keys = [{kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]} → jwks: public key
jwks = {keys = [<EC>]}, algorithms = ["RS256"]          → jwks: \`RS256\`
algorithms = ["none"]                                 → algorithms[0]: never accepted
algorithms = ["ES256", "HS256"]                       → algorithms[1]: can also sign
algorithms = ["ES265"]                                → algorithms[0]: did you mean \`ES256\`
profile = "spiffe", jwks_uri = "https://b.example/"   → issuer: must be a trust domain
issuer = "spiffe://Acme", profile = "spiffe", jwks_uri = "https://b.example/" → issuer: must be
issuer = "spiffe://acme/", profile = "spiffe", jwks_uri = "https://b.example/" → issuer: must be
issuer = "spiffe://a@acme", profile = "spiffe", jwks_uri = "https://b.example/" → issuer: must be
issuer = "spiffe://", profile = "spiffe", jwks_uri = "https://b.example/" → issuer: must be
issuer = "spiffe://acme", profile = "spiffe"          → jwks_uri: is required with profile \`spiffe\`
issuer = "spiffe://acme", profile = "spiffe", jwks = {keys = [<EC>]} → jwks: public key for one of
issuer = "spiffe://acme", profile = "generic", jwks = {keys = [<EC>]} → issuer: https
profile = "gitlab", audiences = ["https://api.example.com"] → audiences: must be left out
profile = "cognito"                                   → audiences: is required with profile \`cognito\`
audiences = [""]                                      → audiences[0]: non-empty
typ = ["application/DPoP+jwt"]                        → typ[0]: never access tokens
typ = ["a b"]                                         → typ[0]: media type
max_lifetime = "0s"                                   → max_lifetime: at least 1s
claims = {"a..b" = 1}                                 → claims["a..b"]: without empty names
claims = {"/a~2" = 1}                                 → claims["/a~2"]: JSON Pointer
claims = {a = []}                                     → claims.a: could match
claims = {a = {pattern = "(a+)+"}}                    → claims.a: repeat
claims = {a = {pattern = "a", min = 1}}               → claims.a: { pattern } or { min, max }
claims = {a = {min = 2, max = 1}}                     → claims.a: not above its max
claims = {a = {}}                                     → claims.a: must have pattern, min or max
claims = {"/act/act/sub" = "supervisor"}              → claims["/act/act/sub"]: inner actor
agent_id = ["sub", ""]                                → agent_id[1]: claim path
agent_id = "act.act.sub"                              → agent_id: an inner actor
agent_type = "act.act.sub"                            → agent_type: an inner actor
events = [{effects = {session-revoked = "lift"}}]     → events[0].effects.session-revoked: unknown value
events = [{effects = {account-disabled = "step-up"}}] → events[0].effects.account-disabled: unknown value
events = [{effects = {verification = "alert"}}]       → events[0].effects.verification: unknown
workflow_id = "act.act.sub"                           → workflow_id: an inner actor
scope = "act.act.sub"                                 → scope: an inner actor
agent_prefix = "a\\n"                                 → agent_prefix: control characters
entity_profiles = true, agent_type = "kind"           → entity_profiles: one place
agentic_forms = ["jkt"]                               → agentic_forms: only for profile \`agentic-jwt\`
delegation = {actors = [{issuer = "acne", sub = "a"}]} → delegation.actors[0].issuer: did you mean \`acme\`
delegation = {actors = ["a", {issuer = "https://third.example", sub = "a"}]} → delegation.actors[1].issuer: is not accepted
delegation = {subjects = [{issuer = "https://third.example", sub = "a"}]} → delegation.subjects[0].issuer: not accepted here
delegation = {issuers = ["acne"]}                     → delegation.issuers[0]: did you mean \`acme\`
delegation = {parent_scope = "a..b"}                  → delegation.parent_scope: empty names
delegation = {max_depth = 0, require_actor = true}    → delegation.require_actor: max_depth is 0
delegation = {max_depth = 0, actors = ["a"]}          → delegation.actors: max_depth is 0
events = [{issuer = "https://i.example", audience = "a", jwks_uri = "https://i.example/k"}] → events[0].authorization: is missing
events = [{issuer = "https://i.example", audience = "a", jwks_uri = "https://i.example/k", authorization = "OTHER"}] → events[0].authorization: needs the secret \`OTHER\`
events = [{issuer = "https://i.example", audience = "a", jwks_uri = "https://i.example/k", poll = {endpoint = "http://i.example", authorization = "OTHER"}}] → events[0].poll.endpoint: https
events = [{issuer = "https://i.example", audience = "a", jwks_uri = "https://i.example/k", poll = {endpoint = "https://10.0.0.1/p", authorization = "OTHER"}}] → events[0].poll.endpoint: private
events = [{issuer = "https://i.example", audience = "a", jwks_uri = "https://i.example/k", poll = {endpoint = "https://i.example", authorization = "OTHER"}}] → events[0].poll.authorization: needs the secret \`OTHER\`
admin = false, rules = false                          → rules: admin is not set
admin = "own", scopes_from = "grants"                 → admin: no grant gives edgewarden: scopes
`

const OF_RULE = `
match = "FETCH /x"                                    → match: FETCH
match = "GET /.edgewarden/x"                          → match: served by the gate itself
match = "GET /.edgewarden"                            → match: served by the gate itself
match = "GET /.well-known/oauth-protected-resource/x" → match: served by the gate itself
match = "GET /.well-known/oauth-authorization-server/{tenant}" → match: spells out
match = "GET /.well-known/openid-configuration/*"     → match: spells out
match = "GET /as/.well-known/oauth-x/{tenant}", strip_prefix = "/as" → match: spells out
host = "api.example.com:1"                            → host: without scheme, port or path
host = "API.example.com"                              → host: lower-case
resource = "http://x.example"                         → resource: https
resource = "https://api.example.com/"                 → resource: differs from
scopes = ["a b"]                                      → scopes[0]: Two scopes? Write two texts: "a", "b"
scopes = [""]                                         → scopes[0]: is not one scope token
scopes = {all = ["a"]}                                → scopes.all: a plain list means all
scopes = ["edgewarden:read"]                          → scopes[0]: for the gate's own endpoints
scopes = ["items:{ids}"], match = "GET /v1/items/{id}" → scopes[0]: did you mean \`id\`
scopes = {any = ["a", "b:{x}"]}                       → scopes.any[1]: unknown path parameter
scopes = ["items:{id"]                                → scopes[0]: written {name}
scopes = ["x:{a}-{b}"], match = "GET /{a}/{b}"        → scopes[0]: between two parameters
scopes = ["a"], access = "public"                     → scopes: cannot be asked for on a public rule
approval = {}                                         → approval: no issuer has \`person\`
approval = {}, access = "optional"                    → approval: only for rules with access = "required"
approval = {}, mcp = {tools = {t = []}}               → approval: must be in the entries of mcp
approval = {headers = ["authorization"]}              → approval.headers[0]: contains a credential
approval = {unless = "request.params.x == '1'"}       → approval.unless: path parameter
approval = {unless = "arguments.a == 1"}              → approval.unless: unknown variable
approval = {within = "59s"}                           → approval.within: must be at least 60s
approval = {shows = ["arguments.a"]}                  → approval.shows[0]: write body.NAME
approval = {hold = "61s"}                             → approval.hold: must be at most 60s
mcp = {tools = {t = {scopes = [], approval = {}}}}    → mcp: no issuer has \`person\`
mcp = {tools = {t = {scopes = [], approval = {shows = ["a"]}}}} → mcp.tools.t.approval.shows[0]: write arguments.NAME
mcp = {resources = {"x:y" = {scopes = [], approval = {shows = ["arguments.a"]}}}} → mcp.resources["x:y"].approval.shows: resources are read without
mcp = {resources = {"x:y" = {scopes = [], approval = {unless = "arguments.a == 1.0"}}}} → mcp.resources["x:y"].approval.unless: resources are read without
single_use = true, access = "public"                  → single_use: only for rules with access = "required"
single_use = true, access = "optional"                → single_use: only for rules with access = "required"
single_use = true, mcp = {tools = {t = []}}           → single_use: cannot be used with mcp
issuers = ["acne"]                                    → issuers[0]: did you mean \`acme\`
max_lifetime = "20m"                                  → max_lifetime: longer than that of \`acme\`
claims = {"act.act.sub" = "supervisor"}               → claims["act.act.sub"]: an inner actor
claims = {a = 9007199254740994.0}                     → claims.a: are exact
claims = {a = ["b", -9007199254740994.0]}             → claims.a: are exact
claims = {a = {min = 1e20}}                           → claims.a: are exact
claims = {a = {max = 1e20}}                           → claims.a: are exact
agent_types = [""]                                    → agent_types[0]: non-empty
steps = ["a"]                                         → steps: needs an issuer with profile \`agentic-jwt\`
steps = ["a|b"]                                       → steps[0]: and |
delegation_chains = [["a", "b|c"]]                    → delegation_chains[0][1]: and |
delegation_chains = [[]]                              → delegation_chains[0]: empty
step_sequences = ["a"]                                → step_sequences[0]: 16 lower-case hex
workflow = "cookie:run"                               → workflow: path:NAME
workflow = "header:a b"                               → workflow: not a header name
workflow = "header:x-*"                               → workflow: not a header name
workflow = "path:run", match = "GET /v1/items/{id}"   → workflow: unknown path parameter \`run\`
workflow = "query:access_token"                       → workflow: credential
workflow = "header:Proxy_Authorization"               → workflow: credential
workflow = "header:dpop"                              → workflow: credential
workflow = "header:cookie"                            → workflow: credential
workflow = "header:Sec-WebSocket-Protocol"            → workflow: credential
delegation = {max_depth = 4}                          → delegation.max_depth: it is above that of \`acme\`
delegation = {issuers = ["https://x.example"]}        → delegation.issuers[0]: is not accepted
delegation = {parent_scope = "parent"}                → delegation.parent_scope: unknown key
delegation = {max_depth = 0, require_actor = true}    → delegation.require_actor: max_depth is 0
delegation = {actors = ["a", {issuer = "https://x.example", sub = "a"}]} → delegation.actors[1].issuer: is not accepted
authorization_details = [{type = "a"}, {type = "a", identifier = "x:{ids}"}] → authorization_details[1].identifier: unknown path parameter \`ids\`
authorization_details = [{type = "a", identifier = "{id"}] → authorization_details[0].identifier: a path parameter is written
authorization_details = [{type = "a", identifier = "{x}-{y}"}], match = "GET /a/{x}/{y}" → authorization_details[0].identifier: between two parameters
authorization_details = [{type = "a", identifier = ""}] → authorization_details[0].identifier: must be
acr_values = ["a b"]                                  → acr_values[0]: cannot be sent in a challenge
acr_values = ['a"b']                                  → acr_values[0]: cannot be sent in a challenge
acr_values = ["ü"]                                    → acr_values[0]: cannot be sent in a challenge
acr_values = [""]                                     → acr_values[0]: cannot be sent in a challenge
max_age = "1500ms"                                    → max_age: whole seconds
cors = {origins = ["https://app.example/"]}           → cors.origins[0]: without a /
cors = {origins = ["https://*.app.example"]}          → cors.origins[0]: write each origin whole
cors = {origins = ["http://localhost:*"]}             → cors.origins[0]: write each origin whole
cors = {origins = ["*", "https://app.example"]}       → cors.origins: already means every origin
cors = {origins = ["*"], credentials = true}          → cors.origins: credentials = true
cors = {origins = ["https://a.example"], headers = ["*"], credentials = true} → cors.headers: credentials = true
cors = {origins = ["https://a.example"], methods = ["POST", "PUT"]} → cors.methods[1]: \`PUT\` is not a method of
cors = {origins = ["https://a.example"], headers = ["x-*"]} → cors.headers[0]: write each name whole
cors = {origins = ["https://a.example"], expose = ["x-*"]} → cors.expose[0]: write each name whole
origin = "https://api.example.com"                    → origin: own scheme
origin = "service:MISSING"                            → origin: \`MISSING\`
origin_via = "MISSING"                                → origin_via: needs the binding \`MISSING\`
origin_via = "MTLS", origin = "service:API"           → origin_via: already names a binding
strip_prefix = "/v2"                                  → strip_prefix: first whole segments
strip_prefix = "/v1/ch"                               → strip_prefix: first whole segments
strip_prefix = "/v1/"                                 → strip_prefix: not end in /
timeout = "0ms"                                       → timeout: longer than nothing
inject = {a = "Bearer abc"}                           → inject.a: template with a secret
inject = {a = "Bearer \${MISSING}"}                   → inject.a: \`MISSING\`, which is not set
inject = {a = "\${KEY} \${"}                          → inject.a: visible ASCII
inject = {"a b" = "\${KEY}"}                          → inject["a b"]: not a header name
inject = {Host = "\${KEY}"}                           → inject.Host: cannot be injected
inject = {X_Request_Id = "\${KEY}"}                   → inject.X_Request_Id: cannot be injected
inject = {Mcp-Session-Id = "\${KEY}"}                 → inject.Mcp-Session-Id: header of MCP
inject = {mcp_protocol_version = "\${KEY}"}           → inject.mcp_protocol_version: header of MCP
inject = {Last-Event-ID = "\${KEY}"}                  → inject.Last-Event-ID: header of MCP
inject = {a = "\${KEY}", A = "\${KEY}"}               → inject.A: twice
inject = {a-b = "\${KEY}", A_B = "\${KEY}"}           → inject.A_B: twice
inject = {X_Agent_Id = "\${KEY}"}                     → inject.x_agent_id: identity
inject = {a = "\${KEY}"}, access = "public"           → inject: only for rules with access = "required"
inject = {a = "\${KEY}"}, access = "optional"         → inject: only for rules with access = "required"
inject = {Authorization = "\${KEY}"}, forward_token = true → forward_token: cannot both be sent
encoded_slash = true                                  → encoded_slash: needs a {parameter}
remove_response_headers = ["Cache-Control"]           → remove_response_headers[0]: must stay
remove_response_headers = ["Transfer-Encoding"]       → remove_response_headers[0]: must stay
remove_response_headers = ["X-Request-Id"]            → remove_response_headers[0]: must stay
remove_response_headers = ["x-debug-*"]               → remove_response_headers[0]: write each name whole
credential = {}                                       → credential.headers: is required
credential = { headers = ["cookie"] }                 → credential.headers[0]: another meaning
credential = { headers = ["host", "dpop"] }           → credential.headers[1]: another meaning
credential = { headers = ["x_request_id"] }           → credential.headers[0]: another meaning
credential = { headers = ["Content-Type"] }           → credential.headers[0]: another meaning
credential = { headers = ["x-agent-key"] }            → credential.headers[0]: another meaning
credential = { headers = ["mcp-session-id"] }         → credential.headers[0]: another meaning
credential = { headers = ["x key"] }                  → credential.headers[0]: not a header name
credential = { headers = ["x-key", "x_key"] }         → credential.headers: named twice
credential = { headers = ["x-key"] }, forward_token = true → forward_token: must be left out
credential = { headers = ["x-key"] }, workflow = "header:X-Key" → credential.headers[0]: read as something else
token_subprotocols = ["acme.key.", "mcp.auth"]        → token_subprotocols[1]: up to the token
token_subprotocols = ["a..", "a b."]                  → token_subprotocols[1]: up to the token
token_subprotocols = ["."]                            → token_subprotocols[0]: up to the token
token_subprotocols = ["a|b."]                         → token_subprotocols[0]: up to the token
finish_within = "61m"                                 → finish_within: at most 60m
finish_within = "1m", on_expiry = "cut"               → finish_within: no effect with on_expiry = "cut"
finish_within = "1m", revocation = "strict"           → finish_within: the default of strict rules
on_expiry = "cut", on_revocation = "ignore"           → on_expiry: no effect with on_revocation = "ignore"
`

/** Of `GATE.identity_headers`, and of `forward_claims` of a rule. */
const OF_CLAIM_HEADERS = `
"X User" = "sub"               → ["X User"]: not a header name
Connection = "sub"             → .Connection: no claim can be sent
X-Forwarded-For = "sub"        → .X-Forwarded-For: no claim can be sent
x_request_id = "sub"           → .x_request_id: no claim can be sent
Mcp-Session-Id = "sub"         → .Mcp-Session-Id: header of MCP
Authorization = "sub"          → .Authorization: no claim can be sent
Cookie = "sub"                 → .Cookie: no claim can be sent
X-Agent-Id = "sub"             → .X-Agent-Id: identity header
X-User = "sub", x_user = "jti" → .x_user: set twice
X-User = ""                    → .X-User: claim path
`

/** Of `SCOPES`. */
const OF_SCOPES = `
a = ["edgewarden:*"]  → .a[0]: for the gate's own endpoints
a = ["b c"]           → .a[0]: Two scopes?
a = ["b:{id}:*"]      → .a[0]: a template cannot be used here
"a b" = ["c"]         → ["a b"]: RFC 6749
a = ["*"]             → .a[0]: can only end a scope, after a character like :
a = ["b*"]            → .a[0]: can only end a scope, after a character like :
a = ["b.*"]           → .a[0]: can only end a scope, after a character like :
a = ["*:b"]           → .a[0]: can only end a scope, after a character like :
a = ["b:*:c"]         → .a[0]: can only end a scope, after a character like :
a = ["b:**"]          → .a[0]: can only end a scope, after a character like :
`

const EC =
  '{kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}'
/** What lines have by a name. `PUB` has as many bytes as a public key of ML-DSA-44. */
const NAMES = { EC, PUB: 'A'.repeat(1750), LONG: `${'_'.repeat(2731)}w` }

interface Mistake {
  readonly written: string
  readonly path: string
  readonly says: string
  readonly vars: Vars
}

/** The lines of a text, each with the policy that has what is written. */
const mistakesOf = (text: string, base: string, vars: (written: object) => Vars) =>
  text
    .trim()
    .split('\n')
    .map((line): Mistake => {
      const [, written = '', at, says = ''] = /^(.*?) +→ (\S+(?: \w+"\])?): (.*)$/.exec(line) ?? []
      const whole = Object.entries(NAMES).reduce(
        (all, [name, value]) => all.replace(`<${name}>`, () => value),
        written,
      )
      const toml = parseToml(`x = {${whole}}`) as { readonly x: object }
      return { written, path: `${base}${at}`, says, vars: vars(toml.x) }
    })

/** A public rule has no scopes unless they are written. */
const ruleOf = (written: { readonly access?: string }) =>
  written.access === 'public' ? { match: CHAT.match, ...written } : { ...CHAT, ...written }

const ALL = [
  ...mistakesOf(OF_GATE, 'GATE.', (written) => ({ GATE: { ...GATE, ...written } })),
  ...mistakesOf(OF_ISSUER, 'ISSUERS.acme.', (written) => ({
    ISSUERS: { acme: { ...ACME, ...written } },
  })),
  ...mistakesOf(OF_RULE, 'ROUTES[0].', (written) => ({ ROUTES: [ruleOf(written)] })),
  ...mistakesOf(OF_CLAIM_HEADERS, 'GATE.identity_headers', (identity_headers) => ({
    GATE: { ...GATE, identity_headers },
  })),
  ...mistakesOf(OF_CLAIM_HEADERS, 'ROUTES[0].forward_claims', (forward_claims) => ({
    ROUTES: [{ ...CHAT, forward_claims }],
  })),
  ...mistakesOf(OF_SCOPES, 'SCOPES', (SCOPES) => ({ SCOPES })),
]

it.each(ALL)('refuses $written, and says at $path: $says', ({ path, says, vars }) => {
  const found = mistakes(vars).filter((line) => line.startsWith(`${path}: `))
  expect(found).toEqual([expect.stringContaining(says)])
})

const KEY = `\${KEY}`
const THIRD = 'https://third.example'
const OPS = { issuer: 'https://ops.ops.invalid', admin: 'all', rules: false }
const BETA = { issuer: 'https://auth.beta.example', agent_prefix: 'beta/' }
const acme = (more: object) => ({ acme: { ...ACME, agent_prefix: 'acme/', ...more } })
const prefixes = (first: string, second: string) => ({
  ISSUERS: { ...acme({ agent_prefix: first }), beta: { ...BETA, agent_prefix: second } },
})
const rule = (more: object, ISSUERS: object = acme({})): Vars => ({
  ISSUERS,
  ROUTES: [{ ...CHAT, ...more }],
})
const actor = { issuer: THIRD, sub: 'a' }

/** People of an issuer sign in at the console. */
const PERSON = { admin: 'all', person: { client_id: 'console' } }
const ACCESS = {
  ...{ issuer: 'https://my-team.cloudflareaccess.com', admin: 'all', profile: 'generic' },
  jwks_uri: 'https://my-team.cloudflareaccess.com/cdn-cgi/access/certs',
  ...{ audiences: ['4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2'] },
  person: { access: true },
}

describe('parts of a policy that do not fit together', () => {
  it.each<[Vars, string]>([
    [{ ISSUERS: {}, ROUTES: [] }, 'ISSUERS: must have an issuer'],
    [{ ROUTES: [null] }, 'ROUTES[0]: must be a table'],
    [{ ROUTES: [{ match: CHAT.match }] }, 'ROUTES[0].scopes: is required unless access = "public"'],
    [
      { GATE: { ...GATE, hosts: ['api.example.com'] }, ...rule({ host: 'b.example.com' }) },
      'ROUTES[0].host: can never match',
    ],
    [
      { GATE: { ...GATE, prefix: '/ops:gate' }, ...rule({ match: 'GET /ops%3Agate/x' }) },
      'ROUTES[0].match: `/ops:gate` and everything under it is served by the gate itself',
    ],
    [
      {
        GATE: { ...GATE, hosts: ['api.example.com'], console: { host: 'ops.example.com' } },
        ...rule({ resource: 'https://ops.example.com/mcp' }),
      },
      'GATE.console.host: is also the host of a resource or rule',
    ],
    [{ ISSUERS: acme(PERSON) }, 'ISSUERS.acme.person: needs GATE.console'],
    ...(
      [
        [{ admin: false }, 'needs admin'],
        [{ jwks: { keys: [parseToml(`x = ${EC}`).x] } }, 'and jwks cannot both be set'],
        [{ possession: 'required' }, 'and possession = "required" cannot both be set'],
        [{ profile: 'spiffe' }, 'is for people, but the tokens of this profile are of workloads'],
        [{ person: {} }, 'is required, unless access = true', '.client_id'],
        [{ person: { access: false } }, 'is required, unless access = true', '.client_id'],
        [{ person: { client_id: '' } }, 'must be the id of a client', '.client_id'],
        [{ person: { client_id: 'a\n' } }, 'must be the id of a client', '.client_id'],
        [{ person: { client_id: 'a', scopes: ['a b'] } }, 'must be a scope', '.scopes[0]'],
        [{ person: { client_id: 'a', claim: 'act.act.sub' } }, 'leads to an inner actor', '.claim'],
      ] as const
    ).map(([more, says, below = '']): [Vars, string] => [
      {
        GATE: { ...GATE, console: { host: 'ops.example.com' } },
        ISSUERS: acme({ ...PERSON, ...more }),
      },
      `ISSUERS.acme.person${below}: ${says}`,
    ]),
    ...(
      [
        [{ person: { access: true, client_id: 'a' } }, 'person.client_id: and access = true'],
        [{ person: { access: true, scopes: ['a'] } }, 'person.scopes: has no effect'],
        [{ issuer: 'https://auth.acme.example' }, 'person.access: is only for a team of Access'],
        [
          { issuer: 'https://cloudflareaccess.com.evil.example' },
          'person.access: is only for a team of Access',
        ],
        [{ jwks_uri: undefined }, 'jwks_uri: must be `https://my-team.cloudflareaccess.com/cdn-cg'],
        [{ jwks_uri: 'https://other.cloudflareaccess.com/cdn-cgi/access/certs' }, 'jwks_uri: must'],
        [{ audiences: undefined }, 'audiences: must be AUD tags of applications of Access'],
        [{ audiences: ['https://api.example.com'] }, 'audiences: must be AUD tags'],
        [{ profile: undefined }, 'profile: must be "generic"'],
        [{ algorithms: ['ES256'] }, 'algorithms: must contain "RS256"'],
      ] as const
    ).map(([more, says]): [Vars, string] => [
      {
        GATE: { ...GATE, console: { host: 'ops.example.com' } },
        ISSUERS: acme({ ...ACCESS, ...more }),
      },
      `ISSUERS.acme.${says}`,
    ]),
    [
      { ROUTES: [CHAT, { ...CHAT, match: 'POST /v1/*' }, { ...CHAT, match: 'POST /v1/x' }] },
      'ROUTES[2].match: can never match: `POST /v1/*`',
    ],
    [
      {
        ISSUERS: acme({ delegation: { max_depth: 0 } }),
        ROUTES: [{ ...CHAT, delegation: { actors: ['a'] } }],
      },
      'ROUTES[0].delegation.actors: ',
    ],
    [
      rule(
        { delegation: { issuers: [], actors: [actor] } },
        acme({ delegation: { issuers: [THIRD] } }),
      ),
      'ROUTES[0].delegation.actors[0].issuer: `https://third.example` is not accepted',
    ],
    [
      rule(
        { delegation: { subjects: [{ issuer: 'beta', sub: 'a' }] }, issuers: ['acme'] },
        {
          ...acme({}),
          beta: BETA,
        },
      ),
      'ROUTES[0].delegation.subjects[0].issuer: `beta` is an issuer whose tokens are not accepted',
    ],
    [
      { ISSUERS: { ...acme({}), beta: { ...BETA, issuer: ACME.issuer } } },
      'ISSUERS.beta.issuer: is also',
    ],
    [prefixes('', 'beta/'), 'ISSUERS.beta.agent_prefix: of `beta` begins that of `acme`'],
    [prefixes('a', 'a-'), 'ISSUERS.beta.agent_prefix: of `beta` begins that of `acme`'],
    [prefixes('a-', 'a'), 'ISSUERS.beta.agent_prefix: of `beta` begins that of `acme`'],
    [
      rule({ issuers: ['ops'] }, { ...acme({}), ops: OPS }),
      'ROUTES[0].issuers[0]: `ops` has rules',
    ],
    [rule({}, { ops: OPS }), 'ROUTES[0]: accepts tokens of no issuer'],
    [
      {
        GATE: { ...GATE, identity_prefix: 'x-gate-' },
        ROUTES: [{ ...CHAT, forward_claims: { x_gate_assertion: 'sub' } }],
      },
      'ROUTES[0].forward_claims.x_gate_assertion: is an identity header',
    ],
    [
      { GATE: { ...GATE, identity_prefix: 'x-gate-', identity_headers: { 'X-Gate-Type': 'sub' } } },
      'GATE.identity_headers.X-Gate-Type: is an identity header',
    ],
    [
      {
        GATE: { ...GATE, identity_headers: { 'X-User': 'sub' } },
        ...rule({ inject: { x_user: KEY } }),
      },
      'ROUTES[0].inject.x_user: is set by GATE.identity_headers already',
    ],
    [
      rule({ forward_claims: { 'X-Key': 'jti' }, inject: { x_key: KEY } }),
      'ROUTES[0].forward_claims.X-Key: is set by GATE.identity_headers or inject already',
    ],
  ])('are a mistake: %j: %s', (vars, says) => {
    expect(mistakes(vars)).toContainEqual(expect.stringContaining(says))
  })

  it.each<[string, Vars]>([
    ['prefixes of which none begins another', prefixes('acme/', 'acme-2/')],
    ['shared ids', { GATE: { ...GATE, shared_ids: true }, ...prefixes('', 'beta/') }],
    ['an issuer for the endpoints alone, without a prefix', rule({}, { acme: ACME, ops: OPS })],
    [
      'no issuer where every rule is public',
      { ISSUERS: {}, ROUTES: [{ match: 'GET /a', access: 'public' }] },
    ],
    [
      'actors of its issuers and of those that count for them',
      rule(
        { delegation: { actors: [actor, { issuer: 'acme', sub: 'b' }] } },
        acme({ delegation: { issuers: [THIRD], actors: [actor, 'c'] } }),
      ),
    ],
    [
      'http to a loopback issuer',
      { ISSUERS: { acme: { issuer: 'http://127.0.0.1:9000', allow_insecure_http: true } } },
    ],
    [
      'another port of its host as origin',
      { GATE: { resource: 'http://localhost:1', origin: 'http://localhost:2/a' } },
    ],
    [
      'every header across origins',
      rule({ cors: { origins: ['https://a.example'], headers: ['*'], expose: ['*'] } }),
    ],
  ])('may have %s', (_, vars) => {
    expect(mistakes(vars)).toEqual([])
  })

  it('are reported with all other mistakes at once', () => {
    const lines = mistakes({
      GATE: { resource: 'x', origin: 'y', prefx: '/' },
      ISSUERS: { a: { isuer: '' } },
      ROUTES: [
        { match: 'FETCH /x', scope: [] },
        {
          match: 'GET /y',
          authorization_details: [
            { type: 'a', foo: 1 },
            { type: 'a', identifier: '{x}' },
          ],
        },
      ],
      SCOPES: { a: ['edgewarden:revoke'] },
    })
    const paths = lines.map((line) => line.split(': ', 1)[0])
    expect(paths.sort()).toEqual([
      ...['GATE.origin', 'GATE.prefx', 'GATE.resource', 'ISSUERS.a.issuer', 'ISSUERS.a.isuer'],
      ...['ROUTES[0].match', 'ROUTES[0].scope', 'ROUTES[0].scopes'],
      ...[
        'ROUTES[1].authorization_details[0].foo',
        'ROUTES[1].authorization_details[1].identifier',
      ],
      ...['ROUTES[1].scopes', 'SCOPES.a[0]'],
    ])
  })

  it('name the bindings that are not there', () => {
    const none = { ...ENV, has: () => false }
    const inline = parseToml(`jwks = {keys = [${EC}]}`)
    const pathsOf = (more: object) =>
      mistakes({ ISSUERS: acme(more) }, none).map((line) => line.split(':', 1)[0])
    expect(pathsOf(inline)).toEqual(['bindings.REVOCATIONS', 'GATE.assertion'])
    expect(pathsOf({})).toEqual([
      ...['bindings.JWKS_CACHE', 'bindings.KEY_SERVICE', 'bindings.REVOCATIONS', 'GATE.assertion'],
    ])
  })
})

describe('what is said of a mistake', () => {
  it.each(['line\nbreak', ''])('never has the secret that cannot be sent: %j', (secret) => {
    const env = { ...ENV, secret: (name: string) => (name === 'KEY' ? secret : undefined) }
    const lines = mistakes(rule({ inject: { a: KEY } }), env)
    expect(lines).toEqual([expect.stringMatching(/^ROUTES\[0\]\.inject\.a: .*`KEY`/)])
    expect(lines.join()).not.toContain('break\n')
  })

  it('has neither the text of a template nor a private key', () => {
    expect(mistakes(rule({ inject: { a: 'pasted-secret' } })).join()).not.toContain('pasted')
    const keys = [{ kty: 'EC', d: 'jpsQnnGQmL' }]
    expect(mistakes({ ISSUERS: acme({ jwks: { keys } }) }).join()).not.toContain('jpsQnnGQmL')
  })
})
