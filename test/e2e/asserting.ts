import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyResult, jwtVerify } from 'jose'
import type { Gate } from '../kit/gate.ts'
import type { RecordedRequest } from '../kit/origin.ts'
import { RESOURCE } from './setting.ts'

export const JWKS = '/.edgewarden/jwks.json'

/** What an origin finds in a request, verified by what the gate publishes now. */
export const assertionIn = async (
  gate: Gate,
  request: RecordedRequest | undefined,
  audience: string,
): Promise<JWTVerifyResult & { readonly text: string }> => {
  const text = request?.header('x-agent-assertion') ?? ''
  return { text, ...(await verified(text, await keysOf(gate), audience)) }
}

/** The keys as the gate publishes them. */
export const keysOf = async (gate: Gate): Promise<JSONWebKeySet> =>
  (await gate.fetch(JWKS)).json() as Promise<JSONWebKeySet>

/** What an assertion says, verified by these keys, now or at another time. */
export const verified = (
  text: string,
  keys: JSONWebKeySet,
  audience: string,
  currentDate = new Date(),
) =>
  jwtVerify(text, createLocalJWKSet(keys), {
    typ: 'agent-assertion+jwt',
    issuer: RESOURCE,
    audience,
    currentDate,
  })

/**
 * An origin's check that keeps the keys for so many milliseconds, and asks for none that it does not
 * know: whatever a gate signs with must be published so long before.
 */
export const cachingVerifier = (gate: () => Gate, audience: string, ms: number) => {
  let kept: { readonly keys: Promise<JSONWebKeySet>; readonly at: number } | undefined
  return async (text: string) => {
    if (!kept || Date.now() - kept.at >= ms) kept = { keys: keysOf(gate()), at: Date.now() }
    return verified(text, await kept.keys, audience)
  }
}

/** The times of keys as the built Worker has them. */
const TIMES = [
  [/\bahead:\s*36e5,\s*after:\s*372e4,\s*rotation:\s*2592e6\b/g, 'ahead', 'after', 'rotation'],
  [/\bfresh:\s*5\s*\*\s*6e4,\s*usable:\s*55\s*\*\s*6e4\b/g, 'fresh', 'usable'],
] as const

type Times = Readonly<Record<'ahead' | 'after' | 'rotation' | 'fresh' | 'usable', number>>

/** The built Worker with other times for its keys, in milliseconds, and nothing else changed. */
export async function withKeyTimes(
  bundle: string,
  times: Times,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  let code = (await readFile(bundle, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, '')
  for (const [written, ...names] of TIMES) {
    const found = code.match(written)?.length ?? 0
    if (found !== 1) throw new Error(`the Worker has ${found} of the times ${names.join(', ')}`)
    code = code.replace(written, names.map((name) => `${name}:${times[name]}`).join(','))
  }
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-key-times-'))
  const path = join(directory, 'worker.js')
  await writeFile(path, code)
  return { path, remove: () => rm(directory, { recursive: true, force: true }) }
}
