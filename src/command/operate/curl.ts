import { isLoopback, parseUrl } from '../../gate/base/url.ts'
import { type CommandRow, collect, type Surroundings, TOKEN_VARIABLE } from '../base/command.ts'
import { readHeaders } from '../base/explain-request.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { authorize, readProofKey } from '../base/proof.ts'
import { type TokenOptions, tokenFor } from './access.ts'

export interface CurlOptions extends Pick<TokenOptions, 'tokenEnv' | 'tokenFile'> {
  readonly method?: string
  readonly data?: string
  /** `Name: value`, each. */
  readonly header?: readonly string[]
  /** Key file of a client; without it the token is sent as a bearer token. */
  readonly dpop?: string
}

export const curlCommand: CommandRow<CurlOptions> = {
  usage: 'curl URL --dpop FILE',
  description: 'Send one request with a token, and with a DPoP proof for the token.',
  example: 'curl https://api.my-company.com/v1/models --dpop client.jwk --token-file token.txt',
  help: `
If a 401 requires a nonce, the command repeats the request once, with a new proof.
Exit status: 0 the HTTP status is below 400, 1 it is 400 or more, 2 cannot tell.`,
  options: (command) =>
    command
      .argument('<url>', 'URL of the request')
      .option('--method <method>', 'GET, or POST with --data')
      .option('--data <text>', 'body, sent as JSON unless --header says otherwise')
      .option('--header <line>', '"Name: value"; may be repeated', collect)
      .option(
        '--dpop <file>',
        'file with the key that the token is bound to, which mint --dpop made',
      )
      .option('--token-env <name>', `environment variable with a token (else ${TOKEN_VARIABLE})`)
      .option('--token-file <file>', 'file with a token'),
  run: ([url = ''], options, process) => curl(url, options, process),
}

const TIMEOUT_MS = 30_000

/** Sends one request. A token is sent over plain http only to this machine. Follows no redirect. */
export async function curl(
  address: string,
  options: CurlOptions,
  around: Surroundings,
): Promise<Outcome> {
  const url = parseUrl(address)
  if (!url || !/^https?:$/.test(url.protocol)) return cannotTell('the URL must begin with https://')
  const { data, method = data === undefined ? 'GET' : 'POST' } = options
  const given = readHeaders(options.header ?? [])
  if (!given.ok) return cannotTell(given.reason)
  if (data !== undefined && !given.value.has('content-type')) {
    given.value.set('content-type', 'application/json')
  }
  const loopback = isLoopback(url.hostname)
  if (url.protocol === 'http:' && !loopback) {
    return cannotTell('the URL must be https: over plain http anyone could read the token')
  }
  const token = await tokenFor({ origin: url.origin, prefix: '', loopback }, options, '', around)
  if (!token.ok) return cannotTell(token.reason)
  const key = options.dpop === undefined ? undefined : await readProofKey(options.dpop)
  if (key && !key.ok) return cannotTell(key.reason)
  const ask = async (nonce?: string) => {
    const headers = new Headers(given.value)
    const proof = { method, url, token: token.value, nonce, now: around.now() }
    await authorize(headers, key?.value, proof)
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    return fetch(url, { method, headers, redirect: 'manual', signal, body: data ?? null })
  }
  try {
    let response = await ask()
    const nonce = response.headers.get('dpop-nonce')
    if (response.status === 401 && key && nonce !== null) {
      await response.body?.cancel()
      response = await ask(nonce)
    }
    const { status, headers } = response
    const body = await response.text()
    const challenge = headers.get('www-authenticate')
    return {
      exitCode: status < 400 ? EXIT.yes : EXIT.no,
      json: { status, headers: Object.fromEntries(headers), body },
      out: body === '' ? [] : body.trimEnd().split('\n'),
      err: [`${status}`, ...(challenge === null ? [] : [`WWW-Authenticate: ${challenge}`])],
    }
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return cannotTell(`No answer of ${url.origin}: ${String(cause)}`)
  }
}
