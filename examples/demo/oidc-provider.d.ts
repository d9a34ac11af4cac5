/** The part of oidc-provider that the demo uses; the package brings no types of its own. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http'
  import type { JWK } from 'jose'

  interface Client {
    readonly clientId: string
  }

  export interface Context {
    body: unknown
    readonly oidc: {
      readonly client: Client
      readonly params: Readonly<Record<string, unknown>>
      readonly requestParamScopes: ReadonlySet<string>
    }
  }

  export interface ResourceServer {
    readonly audience: string
    readonly scope: string
    readonly accessTokenTTL: number
    readonly accessTokenFormat: 'jwt'
    readonly jwt: { readonly sign: { readonly alg: string } }
  }

  interface Token {
    readonly clientId: string
    readonly resourceServer?: ResourceServer
  }

  interface Switch {
    readonly enabled: boolean
  }

  interface Configuration {
    readonly adapter: (model: string) => {
      readonly find: (id: string) => Promise<undefined>
      readonly upsert: (id: string) => Promise<undefined>
    }
    readonly clients: readonly {
      readonly client_id: string
      readonly client_secret: string
      readonly grant_types: readonly string[]
      readonly response_types: readonly string[]
      readonly redirect_uris: readonly string[]
      readonly scope: string
    }[]
    readonly clientBasedCORS: (context: Context, origin: string, client: Client) => boolean
    readonly clientDefaults: { readonly id_token_signed_response_alg: string }
    readonly enabledJWA: { readonly idTokenSigningAlgValues: readonly string[] }
    readonly extraTokenClaims: (
      context: Context,
      token: Token,
    ) => Promise<Readonly<Record<string, unknown>> | undefined>
    readonly features: {
      readonly clientCredentials: Switch
      readonly devInteractions: Switch
      readonly dPoP: Switch
      readonly pushedAuthorizationRequests: Switch
      readonly rpInitiatedLogout: Switch
      readonly userinfo: Switch
      readonly resourceIndicators: Switch & {
        readonly defaultResource: () => Promise<string>
        readonly getResourceServerInfo: (
          context: Context,
          resource: string,
          client: Client,
        ) => Promise<ResourceServer>
      }
    }
    readonly jwks: { readonly keys: readonly JWK[] }
    readonly renderError: (
      context: Context,
      answer: Readonly<Record<string, string>>,
    ) => Promise<void>
    readonly scopes: readonly string[]
    readonly ttl: {
      readonly AccessToken: number
      readonly ClientCredentials: (context: Context, token: Token) => number
    }
  }

  interface AccessToken {
    resourceServer: ResourceServer
    expiresIn: number
    readonly expiration: number
    save(): Promise<string>
  }

  export class Provider {
    constructor(issuer: string, configuration: Configuration)
    silent: boolean
    readonly issuer: string
    readonly AccessToken: new (properties: {
      readonly client: Client
      readonly accountId: string
      readonly scope: string
      readonly gty: string
    }) => AccessToken
    readonly Client: { find(id: string): Promise<Client | undefined> }
    callback(): RequestListener
    registerGrantType(
      name: string,
      handler: (context: Context) => Promise<void>,
      parameters: readonly string[],
    ): void
    urlFor(route: 'jwks' | 'token'): string
  }

  export const errors: {
    readonly InvalidRequest: new (description: string) => Error
    readonly InvalidScope: new (description: string, scope?: string) => Error
    readonly InvalidTarget: new (description?: string) => Error
  }
}
