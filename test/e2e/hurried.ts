import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The limit as the built Worker has it: ten seconds. */
const TEN_SECONDS = /\bbodyReadMs:\s*(?:1e4|10_?000)\b/g

/** The built Worker with less time for a body than its own ten seconds, and nothing else changed. */
export async function withBodyTime(
  bundle: string,
  ms: number,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const code = (await readFile(bundle, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, '')
  const found = code.match(TEN_SECONDS)?.length ?? 0
  if (found !== 1) throw new Error(`the Worker has ${found} limits of ten seconds for a body`)
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-hurried-'))
  const path = join(directory, 'worker.js')
  await writeFile(path, code.replace(TEN_SECONDS, `bodyReadMs:${ms}`))
  return { path, remove: () => rm(directory, { recursive: true, force: true }) }
}
