import { defineConfig } from 'vitest/config'
import { PATIENCE } from './wait.ts'

/** For `npm run faults`: tests in Node that need no built Worker. They start in half the time. */
export default defineConfig({
  test: {
    unstubGlobals: true,
    env: { TZ: 'UTC' },
    setupFiles: ['test/kit/each.setup.ts'],
    provide: { trying: { seed: 20_261, factor: 1 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: PATIENCE } },
  },
})
