import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT } from './repository.ts'
import { type SigningKey, sign } from './signing.ts'

/** A token in the shape an issuer documents, and what the gate makes of it. */
export interface IssuerToken {
  readonly name: string
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Readonly<Record<string, unknown>>
  /** `ok`, or the code it is denied with. */
  readonly code: string
  /** What the origin is told of a token that passes. */
  readonly identity?: {
    readonly agentId: string
    readonly clientId: string
    /** With single spaces between, in the order of the header. */
    readonly scope: string
    readonly workflowId?: string
  }
}

/** One issuer's tokens and what its entry says. */
export interface IssuerTokens {
  /** The entry's name, and the file's. */
  readonly name: string
  readonly profile: string
  readonly issuer: string
  readonly audiences?: readonly string[]
  /** What else its entry says. */
  readonly entry?: Readonly<Record<string, unknown>>
  /** The documents whose shapes they have. */
  readonly origin: string
  readonly tokens: readonly IssuerToken[]
}

const FOLDER = join(ROOT, 'test/vectors/issuers')

export const ISSUER_TOKENS: readonly IssuerTokens[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => ({
    name: basename(file, '.json'),
    ...JSON.parse(readFileSync(join(FOLDER, file), 'utf8')),
  }))

/** ISSUERS with an entry for each: what the profile cannot know, and keys that go into all. */
export const issuerEntries = (more: object = {}): Readonly<Record<string, object>> =>
  Object.fromEntries(
    ISSUER_TOKENS.map(({ name, profile, issuer, audiences, entry }) => [
      name,
      {
        issuer,
        profile,
        agent_prefix: `${name}/`,
        ...(audiences && { audiences }),
        ...entry,
        ...more,
      },
    ]),
  )

const TIMES = ['iat', 'nbf', 'exp', 'auth_time']

/** Signs a token as if it had been issued at `now` (seconds); changes are laid over its payload. */
export const mintLike = (
  { header, payload }: IssuerToken,
  key: SigningKey,
  now: number,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<string> => {
  const shift = now - Number(payload.iat)
  const moved = Object.fromEntries(
    Object.entries(payload).map(([name, value]) => [
      name,
      TIMES.includes(name) ? Number(value) + shift : value,
    ]),
  )
  return sign({ ...header, kid: key.kid }, { ...moved, ...changes }, key)
}
