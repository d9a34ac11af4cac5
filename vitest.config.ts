import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { outside } from './test/kit/key-host.ts'

/**
 * Files with a process of their own: one watches which tables are declared while the sources load, so
 * nothing may have loaded them before; the others stand the clock still, and a connection that a file
 * before them left open may set timers that come again and again.
 */
const ALONE = [
  'test/denials.test.ts',
  ...globSync('test/**/*.test.ts').filter(
    (path) =>
      !path.endsWith('.workerd.test.ts') && readFileSync(path, 'utf8').includes('useFakeTimers'),
  ),
]

/**
 * Projects over one tree: `*.workerd.test.ts` runs inside workerd, the rest in Node. Files share what
 * they load, as starting anew for each would take most of the time; the modules keep nothing between
 * uses but what was made of the same text or object.
 */
export default defineConfig({
  test: {
    // Many wait for a process or a clock, so that some can share a processor well.
    maxWorkers: 4,
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.workerd.test.ts', ...ALONE],
          isolate: false,
          unstubGlobals: true,
          // Commands are started a hundred times, each a process of its own.
          env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compile') },
          globalSetup: ['test/kit/bundle.ts'],
          // Properties are tried thousands of times, and a busy machine may take long for them.
          testTimeout: 40_000,
          hookTimeout: 40_000,
        },
      },
      { test: { name: 'alone', include: ALONE } },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              outboundService: outside(),
              ratelimits: { RL_TEST: { namespace_id: '1', simple: { limit: 5, period: 60 } } },
            },
          }),
        ],
        test: {
          name: 'workerd',
          include: ['test/**/*.workerd.test.ts'],
          isolate: false,
          setupFiles: ['test/kit/anew.workerd.ts'],
        },
      },
    ],
  },
})
