/** OpenAPI documents, as APIs publish them. */

const responses = { 200: { description: 'ok' } }
const OAUTH = {
  type: 'oauth2',
  flows: { clientCredentials: { tokenUrl: 'https://auth.acme.dev/token', scopes: {} } },
}

/** A document with these paths; scopes are those of the scheme `oauth`. */
export const document = (paths: object, more: object = {}): Record<string, unknown> => ({
  openapi: '3.0.3',
  info: { title: 'API', version: '1' },
  servers: [{ url: 'https://api.acme.dev' }],
  paths,
  components: {
    securitySchemes: {
      oauth: OAUTH,
      oidc: { type: 'openIdConnect', openIdConnectUrl: 'https://auth.acme.dev' },
      key: { type: 'apiKey', in: 'header', name: 'X-Key' },
      cookie: { type: 'apiKey', in: 'cookie', name: 'session' },
      bearer: { type: 'http', scheme: 'bearer' },
    },
  },
  ...more,
})

/** An operation that asks for all of these scopes. */
export const asking = (...scopes: readonly string[]): object => ({
  security: [{ oauth: scopes }],
  responses,
})

/** As that of a code host: 600 operations over owners, repositories and what is in them. */
export const large = (): Record<string, unknown> => {
  const kinds = Array.from({ length: 60 }, (_, i) => `kind${i}`)
  return document(
    Object.fromEntries(
      kinds.flatMap((kind) => {
        const base = `/repos/{owner}/{repo}/${kind}`
        return [
          [base, { get: asking('repo:read'), post: asking(`${kind}:write`) }],
          [`${base}/search`, { get: asking('search') }],
          [
            `${base}/{item-id}`,
            {
              parameters: [{ name: 'item-id', in: 'path', required: true, schema: {} }],
              get: asking('repo:read'),
              put: asking(`${kind}:write`),
              patch: asking(`${kind}:write`),
              delete: asking(`${kind}:write`, 'repo:admin'),
            },
          ],
          [`${base}/{item-id}:archive`, { post: asking(`${kind}:write`) }],
          [`${base}/{item-id}/comments/{comment}`, { get: asking(), delete: asking('repo:admin') }],
        ]
      }),
    ),
    { servers: [{ url: 'https://{host}/api/v3', variables: { host: { default: 'h.dev' } } }] },
  )
}
