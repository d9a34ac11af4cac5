import { parseUrl } from '../../core/url.ts'
import { PROFILE_NAMES } from '../../policy/profiles.ts'

/** What a project is made from: each is an option of `init`, and a question in a terminal. */
export interface Answers {
  readonly resource: string
  readonly issuer: string
  readonly profile?: string
  readonly audience?: string
  readonly origin?: string
  readonly modelApi?: string
  readonly mcp?: string
}

export type AnswerName = keyof Answers

/** One of them. */
export interface Question {
  /** How commander shows the value. */
  readonly value: string
  readonly help: string
  readonly question: string
  readonly isRequired?: boolean
  /** Why an answer is none. What it means is judged with the policy. */
  readonly fault: (answer: string) => string | undefined
}

const urlFault = (text: string): string | undefined => {
  const { protocol = '', search, hash } = parseUrl(text) ?? {}
  const isUrl = /^https?:$/.test(protocol) && search === '' && hash === ''
  return isUrl ? undefined : `"${text}" is no URL such as https://api.my-company.com`
}

/** A model API whose key the gate keeps. */
interface ModelApi {
  readonly origin: string
  readonly routes: readonly string[]
  readonly secret: string
  readonly header: readonly [name: string, before: string]
}

const OPENAI_LIKE: Omit<ModelApi, 'origin' | 'secret'> = {
  routes: ['POST /v1/chat/completions', 'POST /v1/responses', 'POST /v1/embeddings'],
  header: ['Authorization', 'Bearer '],
}

const MODEL_APIS: Readonly<Record<string, ModelApi>> = {
  openai: { ...OPENAI_LIKE, origin: 'https://api.openai.com', secret: 'OPENAI_API_KEY' },
  anthropic: {
    origin: 'https://api.anthropic.com',
    routes: ['POST /v1/messages'],
    secret: 'ANTHROPIC_API_KEY',
    header: ['x-api-key', ''],
  },
}

/** In the order in which they are asked. */
export const QUESTIONS: Readonly<Record<AnswerName, Question>> = {
  resource: {
    value: '<url>',
    help: 'URL that agents will call: the audience of their tokens',
    question: 'URL that agents will call, such as https://api.my-company.com',
    isRequired: true,
    fault: urlFault,
  },
  issuer: {
    value: '<url>',
    help: "authorization server: exactly the tokens' iss",
    question: "Authorization server, exactly the tokens' iss",
    isRequired: true,
    fault: urlFault,
  },
  profile: {
    value: '<name>',
    help: `what its tokens look like: ${PROFILE_NAMES.join(', ')} (default: rfc9068)`,
    question: `What its tokens look like: ${PROFILE_NAMES.join(', ')} (rfc9068)`,
    fault: (name) =>
      (PROFILE_NAMES as readonly string[]).includes(name)
        ? undefined
        : `"${name}" is no profile; there are ${PROFILE_NAMES.join(', ')}`,
  },
  audience: {
    value: '<aud>',
    help: "the tokens' aud where it is not the resource, such as a client id",
    question: "The tokens' aud, if it is not that URL (it is)",
    fault: () => undefined,
  },
  origin: {
    value: '<url>',
    help: 'your API: where allowed requests go',
    question: 'Your API, where allowed requests go (none)',
    fault: urlFault,
  },
  modelApi: {
    value: '<api>',
    help: `model API that the gate has a key for: ${Object.keys(MODEL_APIS).join(', ')}, or the URL of one like OpenAI's`,
    question: `Model API that the gate has a key for: ${Object.keys(MODEL_APIS).join(', ')} or a URL (none)`,
    fault: (api) => (Object.hasOwn(MODEL_APIS, api) ? undefined : urlFault(api)),
  },
  mcp: {
    value: '<url>',
    help: 'MCP server (streamable HTTP), such as https://tools.my-company.com/mcp',
    question: 'MCP server, such as https://tools.my-company.com/mcp (none)',
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

/** A text as TOML; what TOML cannot hold is found when the file is read. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

/** The policy as the end of a wrangler.toml. At least one of `origin`, `modelApi` and `mcp` is there. */
export function policyToml(answers: Answers): string {
  const { resource, origin, modelApi, mcp } = answers
  const api = modelApi === undefined ? undefined : modelApiOf(modelApi)
  const server = mcp === undefined ? undefined : (parseUrl(mcp) as URL)
  const main = origin ?? api?.origin ?? server?.origin ?? ''
  const elsewhere = (other: string) => (other === main ? [] : [`origin = ${quoted(other)}`])
  const rules: (readonly string[])[] = []
  if (server !== undefined) {
    rules.push([
      `match = ${quoted(`GET,POST,DELETE ${server.pathname}`)}`,
      `resource = ${quoted(resource.replace(/\/$/, '') + server.pathname)} # the URL for MCP clients`,
      'scopes = ["mcp:connect"]',
      ...elsewhere(server.origin),
      'mcp = { tools = { "*" = ["mcp:tools"] } } # better: name each tool with the scopes it needs',
    ])
  }
  if (api !== undefined) {
    const [name, before] = api.header
    for (const match of api.routes) {
      rules.push([
        `match = ${quoted(match)}`,
        'scopes = ["models:use"]',
        ...elsewhere(api.origin),
        `inject = { ${quoted(name)} = ${quoted(`${before}\${${api.secret}}`)} } # agents never see the key`,
      ])
    }
  }
  if (origin !== undefined) {
    rules.push(
      ['match = "GET /*"', 'scopes = ["api:read"]'],
      ['match = "POST,PUT,PATCH,DELETE /*"', 'scopes = ["api:write"]'],
    )
  }
  return [
    `[vars.GATE]
resource = ${quoted(resource)} # the default audience of tokens
origin = ${quoted(main)}
assertion = "request" # what origins verify: who calls, and for which request`,
    issuerToml(answers),
    '# The first rule that matches decides; a request that no rule matches is 404.',
    ...rules.map((lines) => ['[[vars.ROUTES]]', ...lines].join('\n')),
  ].join('\n\n')
}

const issuerToml = ({ issuer, profile, audience }: Answers): string =>
  [
    '[vars.ISSUERS.main]',
    `issuer = ${quoted(issuer)}`,
    ...(issuer.startsWith('http:') ? ['allow_insecure_http = true # on this machine only'] : []),
    ...(profile === undefined ? [] : [`profile = ${quoted(profile)}`]),
    ...(audience === undefined ? [] : [`audiences = [${quoted(audience)}]`]),
    'agent_prefix = "main/" # X-Agent-Id is main/…, so that a second issuer has ids of its own',
  ].join('\n')
