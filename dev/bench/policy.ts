import type { PublicKey } from './public-key.ts'

/** What clients ask for: the name, and the identifier of the API. */
export const HOST = 'api.example.com'
export const RESOURCE = `https://${HOST}`
export const ISSUER = 'https://auth.acme.example'

/** The `jti` of a token that is revoked wherever there are revocations. */
export const REVOKED_TOKEN = 'd3b07384-revoked'

/** Few rules, as a usual policy has. */
export const USUAL_RULES = 10

/** A path that meets the last rule; another for each `id`. */
export const pathOf = (id: string | number): string => `/v1/documents/doc_${id}`
export const PATH = pathOf('7f3a9c')

/** Bytes of one variable of a Worker. */
const VARIABLE_SIZE = 5_000

type Table = Readonly<Record<string, unknown>>

/** The rules for what is posted, for the scopes that the tokens have. */
const POSTED: readonly Table[] = [
  { match: 'POST /v1/chat/completions', scopes: ['chat:write'] },
  { match: 'POST /v1/files', scopes: ['documents:write'] },
]

/** So many rules; the last one is what `pathOf` is for, and has what is laid over it. */
const rulesOf = (count: number, last: Table): readonly Table[] => [
  ...Array.from({ length: count - POSTED.length - 1 }, (_, i) => ({
    match: `GET /v1/collection-${i}/{id}`,
    scopes: [`collection-${i}:read`],
  })),
  ...POSTED,
  { match: 'GET /v1/documents/{id}', scopes: ['documents:read'], ...last },
]

/** What a policy has in which a person must approve some calls: parts of GATE, variables and the rule. */
export const ASKING = {
  gate: { console: { host: 'ops.example.com' } },
  vars: {
    ISSUERS_PEOPLE: {
      people: {
        issuer: 'https://people.example',
        ...{ agent_prefix: 'people/', admin: 'all', rules: false, person: { client_id: 'gate' } },
      },
    },
  },
  rule: { match: 'POST /v1/refunds/{id}', scopes: [], approval: { hold: '60s' } },
} as const

/** The variables of a gate's policy, none larger than Cloudflare takes. */
export const policyVars = (
  keys: readonly PublicKey[],
  count: number,
  gate: Table = {},
  last: Table = {},
): Table => ({
  GATE: {
    resource: RESOURCE,
    origin: 'service:ORIGIN',
    insecure_http: true,
    ...gate,
  },
  ISSUERS: {
    acme: { issuer: ISSUER, agent_prefix: 'acme/', jwks: { keys }, max_lifetime: '60m' },
  },
  ...Object.fromEntries(
    inPieces(rulesOf(count, last)).map((piece, i) => [
      `ROUTES_${String(i).padStart(4, '0')}`,
      piece,
    ]),
  ),
})

const inPieces = (rules: readonly unknown[]): readonly (readonly unknown[])[] => {
  const pieces: unknown[][] = []
  let size = VARIABLE_SIZE
  for (const rule of rules) {
    const length = JSON.stringify(rule).length + 1
    if (size + length > VARIABLE_SIZE - 2) {
      pieces.push([])
      size = 0
    }
    pieces.at(-1)?.push(rule)
    size += length
  }
  return pieces
}
