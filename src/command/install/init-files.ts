import { OBJECT_CLASSES } from '../../compare/wrangler/durable-objects.ts'
import { PROFILES, type Profile } from '../../gate/policy/keys/profiles.ts'
import { tomlTable, tomlValue } from '../base/toml.ts'
import type { ImportedRule } from '../openapi/rules.ts'
import {
  type Answers,
  granteeOf,
  importedRule,
  pinOf,
  policyToml,
  profileOf,
  rulesOf,
  secretsOf,
} from './init-policy.ts'

/** Facts about the machine and about this package. */
export interface Project {
  /** Name of the Worker. */
  readonly name: string
  /** Versions of edgewarden and of the packages that it was tested with: package name → exact version. */
  readonly versions: Readonly<Record<'edgewarden' | 'wrangler' | 'node', string>>
  /** Whether the Node that runs here is too old for wrangler, so that the project brings one. */
  readonly bringsNode: boolean
  /** Rules of an OpenAPI document. */
  readonly imported: readonly ImportedRule[]
}

/** Every file of a new project: path → text. */
export function projectFiles(
  answers: Answers,
  around: Project,
): Readonly<Record<string, string>> & { readonly 'wrangler.toml': string } {
  return {
    'wrangler.toml': wranglerToml(answers, around),
    'src/worker.ts': WORKER,
    'tests/policy.test.toml': policyTests(answers, around),
    'package.json': packageJson(around),
    '.dev.vars.example': devVars(answers),
    '.github/workflows/gate.yml': WORKFLOW,
    '.gitignore': GITIGNORE,
    'README.md': readme(answers, around),
    ...(around.bringsNode && { '.npmrc': NPMRC }),
  }
}

const wranglerToml = (answers: Answers, { name, imported }: Project): string => {
  const secrets = secretsOf(answers)
  return `#:schema ./node_modules/edgewarden/config-schema.json
# The gate and its policy. After a change: npx edgewarden check
name = ${tomlValue(name)}
main = "src/worker.ts"
compatibility_date = "2026-11-01"
workers_dev = true # the first deploy needs no domain; false once routes are on
preview_urls = false # a preview URL is an old policy with a public address
send_metrics = false
keep_names = false # names of functions cost a call each time one is made
# routes = [{ pattern = "api.my-company.com/*", zone_name = "my-company.com" }]

[build]
command = "npx edgewarden check" # a policy with a mistake is neither deployed nor run by dev
${
  secrets.length === 0
    ? ''
    : `
[secrets]
required = ${tomlValue(secrets)} # without them no deploy; beside them dev reads from .dev.vars only variables that are below
`
}
[[kv_namespaces]]
binding = "JWKS_CACHE" # no id: the first deploy creates it

[durable_objects]
bindings = [
  { name = "REVOCATIONS", class_name = "RevocationShard" },
  { name = "KEY_KEEPER", class_name = "KeyKeeper" }, # the only one that asks an issuer for its keys
  { name = "ASSERTION_KEEPER", class_name = "AssertionKeeper" }, # makes the keys that origins verify by
  { name = "RATE_LIMITER", class_name = "RateLimiter" }, # counts what rules with rate_limit are used for
  { name = "REPLAYS", class_name = "ReplayShard" }, # remembers tokens that rules with single_use took
  { name = "AUDIT_LOG", class_name = "AuditLog" }, # keeps decisions: GET PREFIX/decisions
  { name = "AGENTS", class_name = "AgentRegistry" }, # knows the agents that were seen: GET PREFIX/agents
]

${Object.values(OBJECT_CLASSES)
  .map((one) => `[exports.${one}]\ntype = "durable-object"\nstorage = "sqlite"\n`)
  .join('\n')}
[triggers]
crons = ["*/5 * * * *"] # renews issuers' keys ahead of time

[version_metadata]
binding = "CF_VERSION_METADATA" # each line of the journal says which deployment decided

[cache]
enabled = false # it would answer before the gate runs, with answers cached for other callers

[observability]
enabled = true
logs = { invocation_logs = false } # the gate's own line says more, and no URL query

[vars] # empty: .dev.vars lays the values of one machine over these
GATE_LOCAL = {}
ISSUERS_DEV = {}
ROUTES_LOCAL = []

# [vars.AUDIT]
# rows_a_day = "unlimited" # on the paid plan; else the audit stops so that the free plan has rows for revocations

${policyToml(answers, imported)}
`
}

const WORKER = `// The gate. Its policy is in wrangler.toml.
export * from 'edgewarden/worker'
export { default } from 'edgewarden/worker'
`

const packageJson = ({ name, versions, bringsNode }: Project): string => {
  const { edgewarden, wrangler, node } = versions
  const manifest = {
    name,
    private: true,
    type: 'module',
    scripts: { dev: 'wrangler dev', test: 'edgewarden test', deploy: 'wrangler deploy' },
    dependencies: { edgewarden },
    devDependencies: { ...(bringsNode && { node }), wrangler },
    allowScripts: { ...(bringsNode && { node: true }), esbuild: true, workerd: true },
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

/**
 * npm warns about the Node that runs it. These warnings do not matter, because the project has a Node of its own in
 * node_modules/.bin.
 */
const NPMRC = `# npx and npm run use the Node of node_modules, and not the older one that runs npm: no warnings about that.
loglevel=error
`

const devVars = (answers: Answers): string =>
  `# Values for wrangler dev on this machine. Copy this file to .dev.vars, which Git ignores.
${secretsOf(answers)
  .map((name) => `${name}=for-this-machine-only\n`)
  .join('')}
# Laid over GATE and ISSUERS of wrangler.toml. The table of an issuer: npx edgewarden keygen --agent --issuer dev --json
GATE_LOCAL={"resource":"http://localhost:8787","origin":"http://localhost:9000"}
ISSUERS_DEV={}
${answers.mcp === undefined ? '' : MCP_HERE}`

const MCP_HERE = `# The MCP rule's resource is an https address, so on this machine its answer is 403 insecure_transport. To try the rule
# here, begin its resource in wrangler.toml with http://localhost:8787 meanwhile.
`

const WORKFLOW = `name: gate
on:
  pull_request:
  push:
    branches: [main]
permissions:
  contents: read
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
        with:
          fetch-depth: 0 # the base of the pull request too
      - uses: actions/setup-node@v5
        with:
          node-version: 24
      - run: npm ci
      # The summary says who gains and who loses access. Without --allow-widening, a change fails by which somebody gains.
      - run: npx edgewarden ci --allow-widening --report github --summary "$GITHUB_STEP_SUMMARY" \${BASE:+--base "$BASE"}
        env:
          BASE: \${{ github.event.pull_request.base.sha }}
      - run: npx wrangler deploy --dry-run
      # Once the repository has the variable DEPLOY and the two secrets below.
      - run: npx wrangler deploy
        if: github.ref == 'refs/heads/main' && vars.DEPLOY == 'yes'
        env:
          CLOUDFLARE_API_TOKEN: \${{ secrets.CLOUDFLARE_API_TOKEN }}
          CLOUDFLARE_ACCOUNT_ID: \${{ secrets.CLOUDFLARE_ACCOUNT_ID }}
`

const GITIGNORE = `node_modules/
.wrangler/
dist/
worker-configuration.d.ts
.dev.vars*
!.dev.vars.example
secrets.env
*.jwk
`

const readme = (answers: Answers, { name }: Project): string => {
  const secrets = secretsOf(answers)
  const first =
    secrets.length === 0
      ? 'npx wrangler deploy'
      : `npx wrangler deploy --secrets-file secrets.env   # the first time; the file has lines ${secrets[0]}=…`
  return `# ${name}

[Edgewarden](https://www.npmjs.com/package/edgewarden) in front of an API. The policy is in wrangler.toml.

\`\`\`sh
npm install             # keep package-lock.json in version control
npx edgewarden check    # finds every mistake in the policy; dev, deploy and CI run it too
npx edgewarden test     # decides the requests of tests/ by the policy
npx wrangler dev        # on this machine, with the values of .dev.vars (see .dev.vars.example)
${first}
\`\`\`

${
  secrets.length === 0
    ? ''
    : `Secrets: a deploy without ${secrets.join(', ')} is refused, but a dry run does not look. Later: \`npx wrangler secret put ${secrets[0]}\`.
\`wrangler dev\` reads from .dev.vars only these secrets and variables that wrangler.toml has, such as GATE_LOCAL.

`
}Before you need it, make a key that can revoke: \`npx edgewarden keygen --operator --issuer ops\`.
To upgrade: \`npm install --save-exact edgewarden@latest\`, then \`npx edgewarden check\`.
`
}

/** Tests of the policy: each rule with the scopes it needs, and without one of them. */
const policyTests = (answers: Answers, { imported }: Project): string => {
  const profile = profileOf(answers.profile)
  const [[claim = 'scope'] = []] = profile.scope
  const rules = [
    ...rulesOf(answers, imported.length > 0),
    ...imported.slice(0, 1).map(importedRule),
  ]
  const grantee = granteeOf(answers)
  const [[name, value] = []] = Object.entries(grantee ?? {})
  const isPin = name !== undefined && Object.hasOwn(pinOf(answers.issuer), name)
  const code = grantee ? (isPin ? 'claim_rejected' : 'grant_missing') : 'scope_missing'
  const cases = rules.flatMap(({ what, scopes, request }) => {
    const others = ['other', ...scopes.slice(0, -1)].join(' ')
    const lacking = name === undefined ? { [claim]: others } : { [name]: `${value}x` }
    return [
      [
        `name = ${tomlValue(`${what} with ${scopes.join(' ')}`)}`,
        `request = ${request}`,
        `claims = ${tomlValue(grantee ?? { [claim]: scopes.join(' ') })}`,
        'expect = { decision = "allowed" }',
      ],
      [
        `name = ${tomlValue(`${what} without ${scopes.at(-1)}`)}`,
        `request = ${request}`,
        `claims = ${tomlValue(lacking)}`,
        `expect = { decision = "denied", code = ${tomlValue(code)} }`,
      ],
    ]
  })
  const all = [
    ...cases,
    [
      'name = "a request without a token"',
      `request = ${rules[0]?.request}`,
      'expect = { decision = "denied", code = "credential_missing" }',
    ],
  ]
  return `${[
    '# Requests, and what the policy has to decide about them.',
    ...profileClaims(profile, answers),
    ...all.map((lines) => ['[[case]]', ...lines].join('\n')),
  ].join('\n\n')}\n`
}

/** Claims that tokens of a profile have. A test fills in claims by itself only for profile RFC 9068. */
const profileClaims = (profile: Profile, answers: Answers): readonly string[] => {
  const { requiredClaims, clientId, clientRequired, claims, sample = {} } = profile
  const names = new Set([
    ...requiredClaims,
    ...(clientRequired ? clientId.slice(0, 1).map(([claim = '']) => claim) : []),
    ...Object.keys(claims),
  ])
  const made = [...names]
    .filter((name) => !PROFILES.rfc9068.requiredClaims.some((one) => one === name))
    .map((name) => [name, [claims[name] ?? 'test'].flat()[0] ?? ''] as const)
  const table = {
    ...Object.fromEntries(made),
    ...sample,
    ...pinOf(answers.issuer),
    ...granteeOf(answers),
  }
  return made.length === 0 ? [] : [tomlTable('defaults.claims', table).join('\n')]
}
