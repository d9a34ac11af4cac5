import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A limit as the built Worker has it, and how it is written there. */
const LIMITS = { bodyReadMs: '(?:1e4|10_?000)', revocations: '(?:1e6|1_?000_?000)' }

/** The built Worker with another limit, and nothing else changed. */
const withLimit = async (bundle: string, name: keyof typeof LIMITS, value: number) => {
  const written = new RegExp(`\\b${name}:\\s*${LIMITS[name]}\\b`, 'g')
  const code = (await readFile(bundle, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, '')
  const found = code.match(written)?.length ?? 0
  if (found !== 1) throw new Error(`the Worker has the limit ${name} ${found} times`)
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-limit-'))
  const path = join(directory, 'worker.js')
  await writeFile(path, code.replace(written, `${name}:${value}`))
  return { path, remove: () => rm(directory, { recursive: true, force: true }) }
}

/** With less time for a body than its own ten seconds. */
export const withBodyTime = (bundle: string, ms: number) => withLimit(bundle, 'bodyReadMs', ms)

/** With room for fewer revocations than a million. */
export const withRoom = (bundle: string, entries: number) =>
  withLimit(bundle, 'revocations', entries)
