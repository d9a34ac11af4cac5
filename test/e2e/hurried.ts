import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Limits as the built Worker has them, and how they are written there: milliseconds for a body, bytes that
 * are held for one agent, entries of the revocation set and agents that were decided of.
 */
const LIMITS = {
  bodyReadMs: '(?:1e4|10_?000)',
  signInMs: '(?:3e3|3_?000)',
  signInMoreMs: '(?:2e3|2_?000)',
  samples: '(?:1e5|100_?000)',
  ofOne: '(?:4 ?\\* ?1024 ?\\* ?1024|4194304)',
  revocations: '(?:1e6|1_?000_?000)',
  discoveredAgents: '(?:1e4|10_?000)',
  agentStandings: '(?:1e5|100_?000)',
}

/** The built Worker with other limits, and nothing else changed. */
export async function withLimits(
  bundle: string,
  limits: Readonly<Partial<Record<keyof typeof LIMITS, number>>>,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  let code = (await readFile(bundle, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, '')
  for (const [name, value] of Object.entries(limits)) {
    const written = new RegExp(`\\b${name}:\\s*${LIMITS[name as keyof typeof LIMITS]}`, 'g')
    const found = code.match(written)?.length ?? 0
    if (found !== 1) throw new Error(`the Worker has the limit ${name} ${found} times`)
    code = code.replace(written, `${name}:${value}`)
  }
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-limits-'))
  const path = join(directory, 'worker.js')
  await writeFile(path, code)
  return { path, remove: () => rm(directory, { recursive: true, force: true }) }
}
