import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../../test/kit/repository.ts'
import type { Report } from './report.ts'

/** The machine, without its name. */
export const machine = (): Report['machine'] => ({
  system: `${process.platform} ${process.arch}`,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
})

/** Of everything that takes part. */
export const versions = (): Report['versions'] => ({
  edgewarden: versionIn(join(ROOT, 'package.json')),
  node: process.versions.node,
  ...Object.fromEntries(
    ['workerd', 'jose', 'hono', 'oauth4webapi'].map((name) => [
      name,
      versionIn(join(ROOT, 'node_modules', name, 'package.json')),
    ]),
  ),
})

const versionIn = (manifest: string): string => JSON.parse(readFileSync(manifest, 'utf8')).version
