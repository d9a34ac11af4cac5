import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/** Two projects over one tree: `*.workerd.test.ts` runs inside workerd, the rest in Node. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.workerd.test.ts'],
          globalSetup: ['test/kit/bundle.ts'],
          testTimeout: 20_000,
          hookTimeout: 30_000,
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              outboundService: (request: Request) =>
                new Response(`no network in tests: ${request.url}`, { status: 599 }),
            },
          }),
        ],
        test: { name: 'workerd', include: ['test/**/*.workerd.test.ts'] },
      },
    ],
  },
})
