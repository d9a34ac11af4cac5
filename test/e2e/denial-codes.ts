import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../kit/repository.ts'

const TABLE = /\bdenials\(\{\n([\s\S]*?)\n\}\)/g
const ROW = /^ {2}([a-z_]+): \[/gm

/** Every code that a `denials({ … })` table of the source declares, with the file it is in. */
export function declaredCodes(): ReadonlyMap<string, string> {
  const codes = new Map<string, string>()
  for (const file of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const source = readFileSync(join(ROOT, 'src', file), 'utf8')
    const tables = [...source.matchAll(TABLE)]
    // A table in another form than this reads would leave its codes without a test.
    const calls = source.match(/\bdenials\(/g)?.length ?? 0
    if (tables.length !== calls) throw new Error(`${file} has a table that is not understood`)
    for (const [, rows = ''] of tables) {
      for (const [, code = ''] of rows.matchAll(ROW)) {
        if (codes.has(code)) throw new Error(`${code} is in ${codes.get(code)} and in ${file}`)
        codes.set(code, file)
      }
    }
  }
  return codes
}
