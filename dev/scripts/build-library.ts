import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { consolePage } from './console-page.ts'
import { CONFIG_SCHEMA_FILE, configSchema } from './policy-docs.ts'

/**
 * Compiles the package from src/ into lib/: JavaScript, types and maps, nothing left from before. The page of the
 * console is bundled into a module that has its text, and the templates of `init` are copied. Beside lib/ it makes
 * config-schema.json, of the wrangler that is installed.
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LIB = join(ROOT, 'lib')

const packageOf = (name: string): string =>
  dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
const tsc = join(packageOf('typescript'), 'bin', 'tsc')

rmSync(LIB, { recursive: true, force: true })
const { status } = spawnSync(process.execPath, [tsc, '-b', join(ROOT, 'src')], { stdio: 'inherit' })
const isBuilt = status === 0
// npm sets it when it links a command, which is once; a later build writes the file anew.
if (isBuilt) chmodSync(join(LIB, 'command', 'main.js'), 0o755)

if (isBuilt) writeFileSync(join(LIB, 'console-page.js'), await consolePage())

const templates = join('command', 'install', 'templates')
cpSync(join(ROOT, 'src', templates), join(LIB, templates), { recursive: true })

const wrangler = JSON.parse(readFileSync(join(packageOf('wrangler'), CONFIG_SCHEMA_FILE), 'utf8'))
writeFileSync(join(ROOT, CONFIG_SCHEMA_FILE), JSON.stringify(configSchema(wrangler)))
process.exitCode = isBuilt ? 0 : 1
