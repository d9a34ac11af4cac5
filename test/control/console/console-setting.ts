import { inject } from 'vitest'
import { askGate, type Setting, type SettingOptions, startSetting } from '../../e2e/setting.ts'
import type { Members } from '../../kit/signing.ts'
import { WITH_AUDIT } from '../audit/support.ts'

/** The host of the console, and the cookie of a session. */
export const CONSOLE = 'ops.example.com'
export const COOKIE = '__Host-edgewarden-console'

/** The scopes of an operator who may do everything. */
export const OPERATOR =
  'edgewarden:read edgewarden:revoke edgewarden:metrics edgewarden:audit:read edgewarden:audit:erase edgewarden:agents'

/** What a gate with a console has. */
export const consoleOptions = (): SettingOptions => ({
  durableObjects: WITH_AUDIT,
  issuer: { admin: 'all', agent_prefix: 'acme/' },
  bundle: inject('consoleBundle'),
  gate: { assertion: 'identity', console: { host: CONSOLE } },
  routes: [
    { match: 'GET /v1/weak', scopes: ['none'] },
    { match: 'GET /v1/*', scopes: [] },
  ],
})

/** A gate with a console, and what its page sends. */
export interface ConsoleSetting extends Setting {
  /** A code for an operator. */
  code(claims?: Members): Promise<string>
  /** Sends a request to the console as its page would; `headers` are laid over those. */
  page(path: string, init?: RequestInit): Promise<Response>
  /** Exchanges a code for the cookie of a session. */
  enter(code: string): Promise<string>
}

/** What the page sends with each request, and with an act. */
export const PAGE = { 'sec-fetch-site': 'same-origin' }
export const ACT = { ...PAGE, origin: `http://${CONSOLE}`, 'x-edgewarden-console': '1' }

/** What begins a sign-in, and has not all of its body. */
export const signInHead = (address: string, length: number): string =>
  [
    'POST /session HTTP/1.1',
    `Host: ${CONSOLE}`,
    ...Object.entries(ACT).map(([name, value]) => `${name}: ${value}`),
    `X-Caller: ${address}`,
    'Content-Type: application/json',
    `Content-Length: ${length}`,
    '',
    '{"code":"',
  ].join('\r\n')

/** Starts a gate with a console. */
export async function startConsole(options: SettingOptions = {}): Promise<ConsoleSetting> {
  const setting = await startSetting({ ...consoleOptions(), ...options })
  const page = (path: string, init: RequestInit = {}) =>
    askGate(setting.gate, path, {
      ...init,
      headers: {
        ...(init.method ? ACT : PAGE),
        ...(init.body ? { 'content-type': 'application/json' } : {}),
        ...(init.headers as Record<string, string>),
        host: CONSOLE,
      },
    })
  return {
    ...setting,
    page,
    async code(claims = {}) {
      const token = await setting.token({ scope: OPERATOR, ...claims })
      const answer = await setting.ask('/.edgewarden/console', { method: 'POST', token })
      if (answer.status !== 200) throw new Error(`no code: ${answer.status} ${await answer.text()}`)
      const { url } = (await answer.json()) as { url: string }
      return new URL(url).hash.slice('#code='.length)
    },
    async enter(code) {
      const answer = await page('/session', { method: 'POST', body: JSON.stringify({ code }) })
      if (answer.status !== 204) throw new Error(`not in: ${answer.status} ${await answer.text()}`)
      return cookieIn(answer) ?? ''
    },
  }
}

/** The cookie that an answer sets, as a browser sends it. */
export const cookieIn = (answer: Response): string | undefined =>
  answer.headers.get('set-cookie')?.split(';')[0]
