import { auth as sdkAuth } from '@modelcontextprotocol/sdk/client/auth.js'
import { authorize } from './interactive-server.ts'

/** Where a person's browser is sent with the code. Nobody listens there. */
export const REDIRECT = 'http://127.0.0.1:7777/callback'

/** Someone with a browser, who is nobody at the authorization server yet. */
export type Person = ReturnType<typeof person>

/** A provider of either SDK without anything to begin with, but a registration unless it is to make its own. */
export const person = (client?: object) => {
  const kept: { client?: unknown; tokens?: unknown; verifier?: string; discovery?: unknown } = {
    client,
  }
  const opened: URL[] = []
  const provider = {
    redirectUrl: REDIRECT,
    clientMetadata: {
      redirect_uris: [REDIRECT],
      client_name: 'kit',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    },
    clientInformation: () => kept.client as never,
    saveClientInformation(client: unknown) {
      kept.client = client
    },
    tokens: () => kept.tokens as never,
    saveTokens(tokens: unknown) {
      kept.tokens = tokens
    },
    redirectToAuthorization(url: URL) {
      opened.push(url)
    },
    saveCodeVerifier(verifier: string) {
      kept.verifier = verifier
    },
    codeVerifier: () => kept.verifier ?? '',
    saveDiscoveryState(state: unknown) {
      kept.discovery = state
    },
    discoveryState: () => kept.discovery as never,
  }
  return { provider, opened }
}

/** What signs in: of SDK 1.x, or of a client that has its own. */
type Auth = (
  provider: Person['provider'],
  options: { readonly serverUrl: string; readonly authorizationCode?: string },
) => Promise<unknown>

/** Signs them in at a resource. A client that is given the provider then finds tokens in it. */
export async function signIn(
  { provider, opened }: Person,
  serverUrl: string,
  auth: Auth = sdkAuth,
): Promise<void> {
  await auth(provider, { serverUrl })
  const url = opened.at(-1)
  if (!url) throw new Error('no browser was opened')
  const code = (await authorize(url, REDIRECT)).get('code') ?? ''
  await auth(provider, { serverUrl, authorizationCode: code })
}
