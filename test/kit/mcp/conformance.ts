import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Scenario → check → how it came out, where it could come out in more than one way. */
export type Results = Readonly<Record<string, Readonly<Record<string, string>>>>

interface Check {
  readonly id: string
  readonly status: string
}

const MANIFEST = '@modelcontextprotocol/conformance/package.json'
const TOOL = join(createRequire(import.meta.url).resolve(MANIFEST), '../dist/index.js')

/** The flags for every scenario for servers of a revision. */
export const ofRevision = (revision: string) => [['--suite', 'all', '--spec-version', revision]]

/** The flags for scenarios by name: those of extensions are of no revision. */
export const byName = (...names: readonly string[]) => names.map((name) => ['--scenario', name])

/** Runs scenarios for servers of the conformance package against this URL, with each of these flags in turn. */
export async function conformance(
  url: string,
  runs: readonly (readonly string[])[],
): Promise<Results> {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-conformance-'))
  try {
    for (const flags of runs) {
      const given = [TOOL, 'server', '--url', url, ...flags, '--output-dir', directory]
      // Its exit code says whether all went well; what it wrote says what did not.
      await new Promise<void>((done) => execFile(process.execPath, given, () => done()))
    }
    const folders = await readdir(directory)
    const results = await Promise.all(
      folders.map(async (folder) => {
        const checks: Check[] = JSON.parse(
          await readFile(join(directory, folder, 'checks.json'), 'utf8'),
        )
        const judged = checks.filter(({ status }) => status !== 'INFO')
        const statuses: Record<string, string> = {}
        // A check may be made several times.
        for (const { id, status } of judged) statuses[id] = [statuses[id], status].join(' ').trim()
        return [scenarioOf(folder), statuses]
      }),
    )
    return Object.fromEntries(results)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** `server-NAME-2026-11-25T23-09-25-952Z` → `NAME`. */
const scenarioOf = (folder: string): string => folder.replace(/^server-|-\d{4}-\d\d-\d\dT.*$/g, '')

/** `scenario check: one → other` for each check that came out differently. */
export const differences = (one: Results, other: Results): readonly string[] => {
  const scenarios = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...scenarios].flatMap((scenario) => {
    const [a = {}, b = {}] = [one[scenario], other[scenario]]
    return [...new Set([...Object.keys(a), ...Object.keys(b)])]
      .filter((check) => a[check] !== b[check])
      .map((check) => `${scenario} ${check}: ${a[check]} → ${b[check]}`)
  })
}
