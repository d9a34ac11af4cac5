import { readFileSync } from 'node:fs'
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
  const { name, versions, bringsNode, imported } = around
  const secrets = secretsOf(answers)
  const [secret] = secrets
  return {
    'wrangler.toml': filled('wrangler.toml', {
      name,
      secrets: secret === undefined ? '' : requiredSecrets(secrets),
      policy: policyToml(answers, imported),
    }),
    'src/worker.ts': filled('src/worker.ts'),
    'tests/policy.test.toml': filled('tests/policy.test.toml', {
      cases: policyTests(answers, around),
    }),
    'package.json': filled('package.json', {
      name,
      edgewarden: versions.edgewarden,
      wrangler: versions.wrangler,
      node: bringsNode ? `    "node": "${versions.node}",` : '',
      nodeScripts: bringsNode ? '    "node": true,' : '',
    }),
    '.dev.vars.example': filled('dev.vars.example', {
      secrets: secrets.map((one) => `${one}=for-this-machine-only`).join('\n'),
      mcp: answers.mcp === undefined ? '' : MCP_HERE,
    }),
    '.github/workflows/gate.yml': filled('github/workflows/gate.yml'),
    '.gitignore': filled('gitignore'),
    'README.md': filled('README.md', {
      name,
      deploy: `npx wrangler deploy${secret === undefined ? '' : firstDeploy(secret)}`,
      secrets: secret === undefined ? '' : aboutSecrets(secrets),
    }),
    ...(bringsNode && { '.npmrc': filled('npmrc') }),
  }
}

/**
 * A file of templates/ with values in place of `%name%`. A line that is only such a name goes if its value is empty.
 */
const filled = (file: string, values: Readonly<Record<string, string>> = {}): string => {
  const url = new URL(`./templates/${file}.template`, import.meta.url)
  return readFileSync(url, 'utf8').replace(/^%(\w+)%\n|%(\w+)%/gm, (_, line, within) => {
    const value = values[line ?? within]
    if (value === undefined) throw new Error(`${file}: no value for ${line ?? within}`)
    return line === undefined || value === '' ? value : `${value}\n`
  })
}

const requiredSecrets = (secrets: readonly string[]): string => `[secrets]
required = ${tomlValue(secrets)} # without them no deploy; beside them dev reads from .dev.vars only variables that are below
`

const MCP_HERE = `# The MCP rule's resource is an https address, so under wrangler dev its answer is 403 insecure_transport. npx edgewarden
# try calls it all the same. To call it yourself, begin its resource in wrangler.toml with http://localhost:8787 meanwhile.`

const firstDeploy = (secret: string): string =>
  ` --secrets-file secrets.env   # the first time; the file has lines ${secret}=…`

const aboutSecrets = (secrets: readonly string[]): string =>
  `Secrets: a deploy without ${secrets.join(', ')} is refused, but a dry run does not look. Later: \`npx wrangler secret put ${secrets[0]}\`.
\`wrangler dev\` reads from .dev.vars only these secrets and variables that wrangler.toml has, such as GATE_LOCAL.
`

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
  return [
    ...profileClaims(profile, answers),
    ...all.map((lines) => ['[[case]]', ...lines].join('\n')),
  ].join('\n\n')
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
