import { setTimeout as wait } from 'node:timers/promises'
import { type Gate, type GateOptions, startGate } from '../kit/gate.ts'
import type { BesideOptions } from '../kit/gate-config.ts'
import { createIssuer, type Issuer, type IssuerOptions } from '../kit/issuer.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { shared } from '../kit/shared.ts'
import type { Members } from '../kit/signing.ts'

/** The name clients ask for where they can say one. */
export const HOST = 'api.example.com'
export const RESOURCE = `https://${HOST}`

/** What a test wants of its gate; the rest is the plainest policy that serves. */
export interface SettingOptions extends Omit<Partial<GateOptions>, 'beside'> {
  /** Laid over GATE; `undefined` leaves a key out. */
  readonly gate?: Members
  /** Laid over the one issuer's table. */
  readonly issuer?: Members
  /** Tables of further issuers. */
  readonly others?: Members
  readonly routes?: readonly Members[]
  /** Further policy variables. */
  readonly more?: Members
  readonly signing?: IssuerOptions
  /** Gates in the same process, with policies of their own before the same issuer and origin. */
  readonly beside?: readonly BesideSetting[]
}

/** What a gate beside may have of its own. */
export interface BesideSetting
  extends Pick<SettingOptions, 'gate' | 'issuer' | 'others' | 'routes' | 'more'>,
    Partial<BesideOptions> {}

/** A request init that may carry a token. */
export type AskInit = RequestInit & { readonly token?: string }

/** One issuer, one origin, and a gate between them. */
export interface Setting {
  readonly issuer: Issuer
  readonly origin: Origin
  readonly gate: Gate
  /** A good token with these claims laid over it. */
  token(claims?: Members): Promise<string>
  /** Asks the gate by its proper name; the token goes into `Authorization`. */
  ask(path: string, init?: AskInit): Promise<Response>
  /** Starts another gate before the same issuer and origin; it ends with the setting. */
  another(options: SettingOptions): Promise<Gate>
  /** As it was at first: nothing is revoked, and issuer and origin are as they began. */
  anew(): Promise<void>
  close(): Promise<void>
}

/** Starts all three. */
export async function startSetting(options: SettingOptions = {}): Promise<Setting> {
  const [issuer, origin] = await Promise.all([createIssuer(options.signing), startOrigin()])
  const gates: Gate[] = []
  const withVars = <Changes extends SettingOptions | BesideSetting>(changes: Changes) => ({
    ...changes,
    vars: { ...policyOf(changes, issuer, origin), ...changes.vars },
  })
  const another = async (changes: SettingOptions) => {
    const beside = (changes.beside ?? []).map(withVars)
    const gate = await startGate({ ...withVars(changes), beside })
    gates.push(gate)
    return gate
  }
  const gate = await another(options)
  return {
    issuer,
    origin,
    gate,
    token: (claims) => issuer.mint(claims),
    ask: (path, init) => askGate(gate, path, init),
    another,
    async anew() {
      await Promise.all([issuer.anew(), origin.anew(), endAllBut(gate, gates), liftAll(gate)])
    },
    async close() {
      await Promise.all(gates.map((one) => one.stop()))
      await Promise.all([issuer.close(), origin.close()])
    },
  }
}

/** The setting with these options that all files of a process share, as it was at first. */
export const sharedSetting = (options: SettingOptions = {}): Promise<Setting> =>
  shared(`setting ${JSON.stringify(options)}`, () => startSetting({ ...options, reaching: true }))

/** Ends the other gates that a file has started. */
export async function endAllBut(first: Gate, gates: Gate[]): Promise<void> {
  await Promise.all(gates.splice(0, gates.length, first).map((one) => one !== first && one.stop()))
}

/** Removes what a gate has revoked, whoever has made it. */
export async function liftAll(gate: Gate): Promise<void> {
  await gate.call('REVOCATIONS', '0', 'removePage', { limit: 1_000 })
}

/** Asks any gate by the proper name. */
export function askGate(gate: Gate, path: string, { token, ...init }: AskInit = {}) {
  const headers = new Headers(init.headers)
  if (!headers.has('host')) headers.set('host', HOST)
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  return gate.fetch(path, { ...init, headers: Object.fromEntries(headers) })
}

/** The policy's variables for an issuer and an origin. */
export function policyOf(options: SettingOptions, issuer: Issuer, origin: Origin): Members {
  return {
    GATE: withoutUndefined({
      resource: RESOURCE,
      origin: origin.url,
      hosts: [HOST, '127.0.0.1'],
      insecure_http: true,
      client_ip: 'connection',
      // So that what a test revokes counts on its next request.
      revocation: { consistency: 'strict' },
      ...options.gate,
    }),
    ISSUERS: {
      acme: withoutUndefined({
        issuer: issuer.issuer,
        jwks_uri: issuer.jwksUri,
        allow_insecure_http: true,
        ...options.issuer,
      }),
      ...options.others,
    },
    ROUTES: options.routes ?? [{ match: 'GET,POST /v1/*', scopes: [] }],
    ...options.more,
  }
}

/** The status and code of a denial; an answer that is none has no code. */
export async function outcome(response: Response) {
  const text = await response.text()
  const problem = response.headers.get('content-type') === 'application/problem+json'
  return { status: response.status, code: problem ? JSON.parse(text).code : undefined }
}

function withoutUndefined(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

/** Uses another gate before the same issuer and origin, and ends it. */
export async function withGate(
  setting: Setting,
  options: SettingOptions,
  use: (gate: Gate) => Promise<void>,
): Promise<void> {
  const gate = await setting.another(options)
  try {
    await use(gate)
  } finally {
    await gate.stop()
  }
}

/** Asks until the answer is content, ever again after a pause, and gives the answers on the way. */
export const until = async <T>(
  ask: () => Promise<T>,
  content: (answer: T) => boolean,
  ms: number,
  pause = 100,
) => {
  const answers: T[] = []
  for (const end = Date.now() + ms; ; await wait(pause)) {
    const answer = await ask()
    answers.push(answer)
    if (content(answer)) return answers
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${JSON.stringify(answers)}`)
  }
}
