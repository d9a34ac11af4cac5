import { existsSync } from 'node:fs'
import type { PolicyIssue } from '../../gate/policy/reading/issues.ts'

/** In the order in which wrangler looks for its file. */
const ENDINGS = ['json', 'jsonc', 'toml']

/** The other names that a wrangler file may have in its folder; none for a file with any other name. */
export function otherNames(path: string): readonly string[] {
  const [, stem, own] = /^(|.*[/\\])wrangler\.(toml|jsonc?)$/s.exec(path) ?? []
  return stem === undefined
    ? []
    : ENDINGS.flatMap((ending) => (ending === own ? [] : [`${stem}wrangler.${ending}`]))
}

/** The file to read for a name: if it is a wrangler.toml that does not exist, the wrangler.json or .jsonc beside it. */
export function wranglerPath(path: string): string {
  const others = path.endsWith('.toml') ? otherNames(path) : []
  return existsSync(path) ? path : (others.find(existsSync) ?? path)
}

/** A wrangler.toml that wrangler does not read, because of another file beside it. */
export function overridden(file: string): readonly PolicyIssue[] {
  const others = file.endsWith('.toml') ? otherNames(file) : []
  return others
    .filter((one) => existsSync(one))
    .slice(0, 1)
    .map((one) => ({
      path: file,
      message: `is not read by wrangler, which reads ${one} beside it`,
    }))
}
