import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Compiles the package from src/ into lib/: JavaScript, types and maps, nothing left from before. The Worker
 * comes first: what it shares with the other entries is written again without the types of Workers.
 */

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const LIB = join(ROOT, 'lib')

const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
const tsc = join(dirname(manifest), 'bin', 'tsc')

rmSync(LIB, { recursive: true, force: true })
const isBuilt = ['tsconfig.build-worker.json', 'tsconfig.build.json'].every(
  (project) =>
    spawnSync(process.execPath, [tsc, '-p', join(ROOT, project)], { stdio: 'inherit' }).status ===
    0,
)
// npm sets it when it links a command, which is once; a later build writes the file anew.
if (isBuilt) chmodSync(join(LIB, 'tools', 'cli', 'main.js'), 0o755)
process.exitCode = isBuilt ? 0 : 1
