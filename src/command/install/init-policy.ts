import type { JsonObject } from '../../gate/base/json.ts'
import { parseUrl } from '../../gate/base/url.ts'
import { claimPathText } from '../../gate/model/claims.ts'
import { isTrustDomain } from '../../gate/model/spiffe.ts'
import {
  PROFILE_NAMES,
  PROFILES,
  type Profile,
  type ProfileName,
  sharedOf,
} from '../../gate/policy/keys/profiles.ts'
import { present } from '../base/output.ts'
import { tomlTable, tomlValue } from '../base/toml.ts'
import { AGENT_ID, guessProfile, OWNER_ID } from '../doctor/profile.ts'
import { type ImportedRule, rulesToml } from '../openapi/rules.ts'
import { VARIABLE } from '../policy/import.ts'

/** What a project is made from: each is an option of `init`, and a question in a terminal. */
export interface Answers {
  readonly resource: string
  readonly issuer: string
  readonly profile?: string
  readonly audience?: string
  readonly origin?: string
  readonly openapi?: string
  readonly modelApi?: string
  readonly mcp?: string
}

export type AnswerName = keyof Answers

/** One of them. */
export interface Question {
  /** In the help, and in a terminal. */
  readonly what: string
  /** The value if there is no answer; absent if an answer is required. */
  readonly otherwise?: string
  /** Why an answer is not valid. The meaning of the answer is checked later, with the policy. */
  readonly fault: (answer: string) => string | undefined
}

const urlFault = (text: string): string | undefined => {
  const { protocol = '', search, hash } = parseUrl(text) ?? {}
  const isUrl = /^https?:$/.test(protocol) && search === '' && hash === ''
  return isUrl ? undefined : `"${text}" is not a URL such as https://api.my-company.com`
}

/** A model API whose key the gate keeps. */
interface ModelApi {
  readonly origin: string
  /** A rule, and a body that its API takes. */
  readonly routes: Readonly<Record<string, JsonObject>>
  readonly secret: string
  readonly header: readonly [name: string, before: string]
}

const HELLO = [{ role: 'user', content: 'Hello' }]

const OPENAI_LIKE: Omit<ModelApi, 'origin' | 'secret'> = {
  routes: {
    'POST /v1/chat/completions': { model: 'any', messages: HELLO },
    'POST /v1/responses': { model: 'any', input: 'Hello' },
    'POST /v1/embeddings': { model: 'any', input: 'Hello' },
  },
  header: ['Authorization', 'Bearer '],
}

const MODEL_APIS: Readonly<Record<string, ModelApi>> = {
  openai: { ...OPENAI_LIKE, origin: 'https://api.openai.com', secret: 'OPENAI_API_KEY' },
  anthropic: {
    origin: 'https://api.anthropic.com',
    routes: { 'POST /v1/messages': { model: 'any', max_tokens: 9, messages: HELLO } },
    secret: 'ANTHROPIC_API_KEY',
    header: ['x-api-key', ''],
  },
}

/** In the order in which they are asked. */
export const QUESTIONS: Readonly<Record<AnswerName, Question>> = {
  resource: {
    what: 'URL that agents will call, such as https://api.my-company.com',
    fault: urlFault,
  },
  issuer: {
    what: "authorization server: exactly the tokens' iss, or a SPIFFE trust domain",
    fault: (text) => (isTrustDomain(text) ? undefined : urlFault(text)),
  },
  profile: {
    what: `what its tokens look like: ${PROFILE_NAMES.join(', ')}`,
    otherwise: 'what the issuer suggests, else rfc9068',
    fault: (name) =>
      (PROFILE_NAMES as readonly string[]).includes(name)
        ? undefined
        : `"${name}" is not a profile; choose one of ${PROFILE_NAMES.join(', ')}`,
  },
  audience: {
    what: "the tokens' aud, such as a client id",
    otherwise: 'the URL that agents call',
    fault: () => undefined,
  },
  origin: { what: 'your API: where allowed requests go', otherwise: 'none', fault: urlFault },
  openapi: {
    what: 'OpenAPI document of your API, a file: a rule for each operation',
    otherwise: 'rules for every path',
    fault: (file) => (parseUrl(file)?.host ? `"${file}" is not a file; fetch it first` : undefined),
  },
  modelApi: {
    what: `model API that the gate has a key for: ${Object.keys(MODEL_APIS).join(', ')}, or the URL of one like OpenAI's`,
    otherwise: 'none',
    fault: (api) => (Object.hasOwn(MODEL_APIS, api) ? undefined : urlFault(api)),
  },
  mcp: {
    what: 'MCP server (streamable HTTP), such as https://tools.my-company.com/mcp',
    otherwise: 'none',
    fault: (text) =>
      urlFault(text) ??
      (isEndpoint(text)
        ? undefined
        : `"${text}" has no path, or a slash at its end; write the URL that clients of the server use, such as https://tools.my-company.com/mcp`),
  },
}

const isEndpoint = (text: string): boolean => /[^/]$/.test(parseUrl(text)?.pathname ?? '')

/** The names of all answers, in the order of the questions. */
export const ANSWER_NAMES = Object.keys(QUESTIONS) as readonly AnswerName[]

const modelApiOf = (api: string): ModelApi => {
  const known = Object.hasOwn(MODEL_APIS, api) ? MODEL_APIS[api] : undefined
  // Clients are given such a URL with its /v1.
  return (
    known ?? { ...OPENAI_LIKE, origin: api.replace(/(?:\/v1)?\/?$/, ''), secret: 'MODEL_API_KEY' }
  )
}

/** The secrets that the policy of these answers names. */
export function secretsOf({ modelApi }: Answers): readonly string[] {
  return modelApi === undefined ? [] : [modelApiOf(modelApi).secret]
}

/** A rule as it is written, and what a test asks of it. */
interface Rule {
  readonly lines: readonly string[]
  readonly what: string
  readonly scopes: readonly string[]
  /** `request` of a test case, as TOML. */
  readonly request: string
}

/** At least one of `origin`, `modelApi` and `mcp` is there; the first is where requests go. */
const mainOrigin = ({ origin, modelApi, mcp }: Answers): string => {
  const api = modelApi === undefined ? undefined : modelApiOf(modelApi).origin
  return origin ?? api ?? parseUrl(mcp ?? '')?.origin ?? ''
}

/** An imported rule, as a test needs it. */
export function importedRule({ match, scopes }: ImportedRule): Omit<Rule, 'lines'> {
  return {
    what: match,
    scopes: 'any' in scopes ? scopes.any.slice(0, 1) : scopes,
    request: tomlValue(match.replace(/,\S*/, '').replace(/\{\w+\}/g, 'example')),
  }
}

/** The rules of these answers; with an imported document, without the rules for the whole API. */
export function rulesOf(answers: Answers, isImported: boolean): readonly Rule[] {
  const { resource, audience, origin, modelApi, mcp } = answers
  const elsewhere = (other: string) =>
    other !== mainOrigin(answers) && `origin = ${tomlValue(other)}`
  const rules: Rule[] = []
  const server = parseUrl(mcp ?? '')
  if (server) {
    const { pathname } = server
    rules.push({
      lines: present([
        `match = ${tomlValue(`GET,POST,DELETE ${pathname}`)}`,
        `resource = ${tomlValue(resource.replace(/\/$/, '') + pathname)} # the URL for MCP clients`,
        audience !== undefined && `audiences = ${tomlValue([audience])}`,
        'scopes = ["mcp:connect"]',
        elsewhere(server.origin),
        'mcp = { tools = { "*" = ["mcp:tools"] } } # better: name each tool with the scopes it needs',
      ]),
      what: 'a tool call',
      scopes: ['mcp:connect', 'mcp:tools'],
      request: `{ method = "POST", url = ${tomlValue(pathname)}, mcp = { method = "tools/call", name = "search", arguments = {} } }`,
    })
  }
  if (modelApi !== undefined) {
    const api = modelApiOf(modelApi)
    const [name, before] = api.header
    for (const [match, body] of Object.entries(api.routes)) {
      const [method, url] = match.split(' ')
      rules.push({
        lines: present([
          `match = ${tomlValue(match)}`,
          'scopes = ["models:use"]',
          elsewhere(api.origin),
          `inject = { ${name} = ${tomlValue(`${before}\${${api.secret}}`)} } # agents never see the key`,
        ]),
        what: match,
        scopes: ['models:use'],
        request: tomlValue({ method, url, body }),
      })
    }
  }
  if (origin !== undefined && !isImported) {
    const api = (methods: string, scope: string): Rule => ({
      lines: [
        `match = ${tomlValue(`${methods} /*`)}`,
        `scopes = ${tomlValue([scope])}`,
        'audit_path = "full" # records say which path was called; "template" if paths have personal data',
      ],
      what: methods.split(',', 1).join(),
      scopes: [scope],
      request: tomlValue(`${methods.split(',', 1)} /v1/things`),
    })
    rules.push(api('GET', 'api:read'), api('POST,PUT,PATCH,DELETE', 'api:write'))
  }
  return rules
}

/** The policy as the end of a wrangler.toml. */
export function policyToml(answers: Answers, imported: readonly ImportedRule[]): string {
  const rules = rulesOf(answers, imported.length > 0)
  return [
    `[vars.GATE]
resource = ${tomlValue(answers.resource)} # the default audience of tokens
origin = ${tomlValue(mainOrigin(answers))}
assertion = "request" # what origins verify: who calls, and for which request`,
    issuerToml(answers),
    ...grantToml(
      answers,
      [...rules, ...imported.map(importedRule)].flatMap(({ scopes }) => scopes),
    ),
    '# The first rule that matches decides; a request that no rule matches is 404.',
    ...rules.map(({ lines }) => ['[[vars.ROUTES]]', ...lines].join('\n')),
    rulesToml(imported, `vars.${VARIABLE}`),
  ]
    .join('\n\n')
    .trimEnd()
}

/** What keeps strangers out of an issuer that signs for everybody, until somebody writes who may come in. */
export function pinOf(issuer: string): JsonObject {
  const [pin] = sharedOf(issuer)?.pins ?? []
  return pin ? { [claimPathText(pin)]: OWNER_ID } : {}
}

/** The one agent that gets scopes of an issuer whose tokens say none; `undefined` for other issuers. */
export function granteeOf({ issuer, profile }: Answers): JsonObject | undefined {
  const { scope, agentId, sample = {} } = profileOf(profile)
  const [[name = ''] = []] = agentId
  const made = isTrustDomain(issuer) ? `${issuer}/example` : AGENT_ID
  return scope.length > 0 ? undefined : { [name]: pinOf(issuer)[name] ?? sample[name] ?? made }
}

/** The answers, with the profile that the issuer's address suggests if none is named. */
export function withProfile(answers: Answers): Answers {
  const { profile } = guessProfile(answers.issuer)
  return { ...(profile !== undefined && { profile }), ...answers }
}

/** The profile of an answer. */
export function profileOf(name = 'rfc9068'): Profile {
  return PROFILES[name as ProfileName]
}

const grantToml = (answers: Answers, scopes: readonly string[]): readonly string[] => {
  const claims = granteeOf(answers)
  if (!claims) return []
  const grant = { issuer: 'main', claims, scopes: [...new Set(scopes)] }
  return [
    `# What tokens of the issuer get: they say no scopes. Write who may have them.\n${tomlTable('[vars.GRANTS]', grant).join('\n')}`,
  ]
}

const issuerToml = (answers: Answers): string => {
  const { issuer, profile, audience } = answers
  return present([
    '[vars.ISSUERS.main]',
    `issuer = ${tomlValue(issuer)}`,
    issuer.startsWith('http:') && 'allow_insecure_http = true # on this machine only',
    profile !== undefined && `profile = ${tomlValue(profile)}`,
    granteeOf(answers) && 'scopes_from = "grants"',
    sharedOf(issuer) &&
      `claims = ${tomlValue(pinOf(issuer))} # whose tokens are accepted: the issuer signs for everybody`,
    isTrustDomain(issuer) &&
      `jwks_uri = "https://${parseUrl(issuer)?.hostname}/bundle" # where its bundle is`,
    audience !== undefined && `audiences = ${tomlValue([audience])}`,
    'agent_prefix = "main/" # X-Agent-Id is main/…, so that a second issuer has ids of its own',
  ]).join('\n')
}
