import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { parseUrl } from '../../gate/base/url.ts'
import { readPerson } from '../../gate/policy/keys/issuer-keys.ts'
import type { CommandRow } from '../base/command.ts'
import { writeSecret } from '../base/files.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { tomlTable } from '../base/toml.ts'

export interface KeygenOptions {
  /** The name of the table under `[vars.ISSUERS]`. */
  readonly issuer: string
  /** The key of an operator: for the gate's own endpoints, of every issuer, and for no rule. */
  readonly operator?: boolean
  /** The key of agents: for rules, and not for what administers the gate. */
  readonly agent?: boolean
  /** The key of the canaries of a drill: only for rules that name the issuer. */
  readonly canary?: boolean
  /** With `operator`: the person who has the key. */
  readonly name?: string
  /** Where the private key goes; `NAME.jwk` without it. */
  readonly out?: string
  /** The `iss` of tokens signed with the key. */
  readonly url?: string
}

export const keygenCommand: CommandRow<KeygenOptions> = {
  usage: 'keygen --operator|--agent|--canary --issuer NAME',
  description: 'Make a signing key, and print the issuer table for wrangler.toml.',
  example: 'keygen --operator --name maria --issuer ops >> wrangler.toml',
  options: (command) =>
    command
      .requiredOption('--issuer <name>', 'name of the table under [vars.ISSUERS]')
      .option(
        '--operator',
        'a key that can revoke, list and explain, for every issuer; no rule accepts its tokens',
      )
      .option('--agent', 'a key whose tokens can use rules by their scopes, and cannot administer')
      .option('--canary', 'a key for drill; only rules that name the issuer accept its tokens')
      .option('--name <person>', 'with --operator: who has the key; shown with all that it does')
      .option('--out <file>', 'where the private key goes (default: NAME.jwk); never overwritten')
      .option('--url <url>', 'the issuer (default: https://NAME.ops.invalid)'),
  run: (_, options) => keygen(options),
}

/** A name that is both a bare TOML key and a label of a host name (RFC 1123 §2.1). */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Makes an ES256 key pair. The outcome contains the issuer's table with the public key; the private
 * key goes to a new file that only its owner can read, and nowhere else. Never overwrites a file.
 */
export async function keygen({
  issuer: name,
  operator = false,
  agent = false,
  canary = false,
  name: person,
  out,
  url,
}: KeygenOptions): Promise<Outcome> {
  if ([operator, agent, canary].filter(Boolean).length !== 1) {
    return cannotTell(
      'Say what the key is for: --operator (revokes and explains; no rule accepts its tokens), --agent (rules accept its tokens; it administers nothing) or --canary (only rules that name its issuer accept its tokens). Make a key for each.',
    )
  }
  const named = person === undefined ? undefined : readPerson(person)
  if (named && !operator)
    return cannotTell('--name is for --operator: the other keys are of agents')
  if (named && !named.ok) return cannotTell(`--name ${named.reason}`)
  if (!NAME.test(name)) {
    return cannotTell(
      `"${name}" cannot name an issuer; use lower-case letters, digits and "-", such as ops`,
    )
  }
  // RFC 6761 §6.4: nobody can ever own a name under .invalid, so no real issuer has this URL.
  const issuer = url ?? `https://${name}.ops.invalid`
  const parsed = parseUrl(issuer)
  if (parsed?.protocol !== 'https:' || parsed.search !== '' || parsed.hash !== '') {
    return cannotTell(`--url must be an https URL without query and fragment`)
  }
  const path = out ?? `${name}.jwk`
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  const marks = { kid, alg: 'ES256', use: 'sig' }
  const secret = { ...(await exportJWK(privateKey)), ...marks, iss: issuer }
  const written = await writeSecret(path, secret)
  if (!written.ok) return cannotTell(written.reason)
  const { kty, crv, x, y } = jwk
  const purpose = PURPOSES[operator ? 'operator' : agent ? 'agent' : 'canary']
  const table = {
    issuer,
    algorithms: ['ES256'],
    ...(person !== undefined && { operator: person }),
    ...purpose.table(name),
    jwks: { keys: [{ kty, crv, x, y, ...marks }] },
  }
  return {
    exitCode: EXIT.yes,
    json: { name, table, key_file: path, kid },
    out: tomlTable(`vars.ISSUERS.${name}`, table),
    err: [
      ...purpose.may,
      ...(operator && person === undefined ? [NAMELESS] : []),
      `The private key is in ${path}. Keep the key out of version control: whoever has it can do all of this.`,
      purpose.next(name, path),
    ],
  }
}

const PREFIXES =
  'Every other issuer now needs an agent_prefix of its own, or set GATE.shared_ids = true.'

const NAMELESS =
  'Nothing says who has the key. Make it with --name, or add operator = "…" to the table.'

/** What keys are for. */
const PURPOSES = {
  operator: {
    table: () => ({ admin: 'all', rules: false }),
    may: [
      'This key may: revoke, list and lift revocations of every issuer; approve and stop agents; read the policy and decisions; explain requests.',
      'It may not: use any rule, so nothing signed with it reaches an origin.',
    ],
    next: (_: string, path: string) =>
      `Put the table above into wrangler.toml, deploy, then: npx edgewarden list --gate URL --key ${path}`,
  },
  agent: {
    table: (name: string) => ({ agent_prefix: `${name}:` }),
    may: [
      'This key may: use every rule that does not name other issuers, as any agent and with any scope.',
      'It may not: revoke, list, lift or explain.',
      PREFIXES,
    ],
    next: (_: string, path: string) =>
      `Put the table above into wrangler.toml, deploy, then: npx edgewarden mint --key ${path} --audience RESOURCE --scope "…"`,
  },
  canary: {
    table: (name: string) => ({ agent_prefix: `${name}:`, rules: 'named' }),
    may: [
      'This key may: use the rules whose issuers name it, as any agent and with any scope.',
      'It may not: use any other rule, revoke, list, lift or explain.',
      PREFIXES,
    ],
    next: (name: string, path: string) =>
      `Put the table above into wrangler.toml, and "${name}" into the issuers of the rules for drills. Deploy, then: npx edgewarden drill --gate URL --key ops.jwk --canary ${path} --path PATH`,
  },
}
