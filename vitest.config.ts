import { existsSync, globSync, readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { outside } from './test/kit/key-host.ts'
import { CONFIG } from './test/kit/repository.ts'
import { PATIENCE } from './test/kit/wait.ts'

/** Test files whose text holds a word. */
const filesWith = (word: string) =>
  globSync('test/**/*.test.ts').filter((path) => readFileSync(path, 'utf8').includes(word))

/**
 * Files that share no process with others: they stand the clock still, and a connection that another file
 * left open may set timers that come again and again.
 */
const ALONE = filesWith('useFakeTimers').filter((path) => !path.endsWith('.workerd.test.ts'))

const pathOf = (name: string) => join(import.meta.dirname, `test/${name}.test.ts`)

/** Files that mostly wait, for a clock or a bound that is real: long and short ones in turn. */
const WAITING = [
  'e2e/endings',
  'e2e/streams',
  'e2e/audit',
  'e2e/denials',
  'e2e/ready',
  'e2e/mcp-clients',
  'e2e/streams-kept',
  'e2e/slow-bodies',
  'e2e/audit-acts',
  'e2e/alerts',
  'gate/keys/source',
  'e2e/agentic-approved',
  'e2e/bodies',
  'e2e/audit-live',
  'e2e/shadow',
  'e2e/subprotocols',
  'e2e/rate-limits',
  'e2e/expiry',
  'e2e/reflection',
  'gate/relay/streams',
  'e2e/uploads-cut',
  'e2e/storage-versions',
  'e2e/held-bodies',
  'e2e/serve',
  'e2e/serve-disk',
  'e2e/mcp-cut',
  'e2e/key-faults',
  'e2e/cli-agents',
  'e2e/audit-usage',
  'e2e/hung-objects',
].map(pathOf)
/** Those that wait longest. */
const LONGEST = ['e2e/pending', 'e2e/watch', 'e2e/agents'].map(pathOf)

/**
 * Orders the files so that both processors are used to the end. Long and short files are in groups of the same size, and
 * one waiting file comes before each group but the last two. The longest come first, and then all files that run inside
 * workerd: only two workers are free to start a workerd for these. A worker ends when the next file is of another project.
 */
class Spreading extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const of = (name: string) => sorted.filter(({ project }) => project.name === name)
    const listed = (paths: readonly string[]) =>
      paths.flatMap((path) => of('node').filter(({ moduleId }) => moduleId === path))
    const [waiting, longest] = [listed(WAITING), listed(LONGEST)]
    const first = [...longest, ...of('alone'), ...of('workerd')]
    // Also files of a project that is not named here.
    const others = sorted.filter((file) => ![...first, ...waiting].includes(file))
    const count = waiting.length + 2
    const groups = Array.from({ length: count }, (_, group) => [
      ...waiting.slice(group, group + 1),
      ...others.filter((_, i) => i % count === group),
    ])
    return [...first, ...groups.flat()]
  }
}

/**
 * Where `npm test` has its folders, if the machine has room there: SQLite waits for a disk at each write. A run takes
 * about 50 MB.
 */
const MEMORY = '/dev/shm'
const hasRoom = () => {
  const { bavail, bsize } = statfsSync(MEMORY)
  return bavail * bsize > 2 ** 30
}

/** `--sequence.shuffle.files` is another order each time. */
const isShuffled = process.argv.some((one) => one.startsWith('--sequence.shuffle'))

const SOAK = 'test/**/*.soak.test.ts'
const NIGHTLY = 'test/**/*.nightly.test.ts'
const WORKERD = 'test/**/*.workerd.test.ts'
const SOAK_IN_WORKERD = 'test/**/*.soak.workerd.test.ts'

/** Where properties begin, and how many times as often they are tried as in `npm test`. */
const TRYING = { seed: 20_261, factor: 1 }

/** No test asserts a time; these end one that hangs, on the busiest machine. */
const TIMES = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: PATIENCE } },
}
const SOAK_TIMES = { testTimeout: 900_000, hookTimeout: 900_000 }
const NIGHTLY_TIMES = { testTimeout: 7_200_000, hookTimeout: 900_000 }

/**
 * `npm test`: what the product promises, the same on every machine. `npm run soak` (mode `soak`): the long,
 * the many and the timed, and properties from a new seed. `npm run nightly` (mode `nightly`): what needs many minutes, or
 * a quiet machine. Projects over one tree: `*.workerd.test.ts` runs inside workerd, the rest in Node. Files share what they load and the gates they start, as starting anew
 * for each would take most of the time.
 */
export default defineConfig(({ mode }) => {
  const isSoak = mode === 'soak'
  const isNightly = mode === 'nightly'
  const isSpread = !isSoak && !isNightly && !isShuffled
  if (!isSoak && existsSync(MEMORY) && hasRoom()) process.env.TMPDIR = MEMORY
  const trying = isSoak ? { seed: soakSeed(), factor: 10 } : TRYING
  const shared = {
    isolate: false,
    unstubGlobals: true,
    env: {
      TZ: 'UTC',
      // Commands that are processes of their own.
      NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compile'),
    },
    globalSetup: ['test/kit/bundle.ts'],
    setupFiles: ['test/kit/each.setup.ts'],
    provide: { trying },
    ...TIMES,
  }
  const project = (name: string, test: object) => ({ test: { ...shared, name, ...test } })
  const workerd = (name: string, test: object) => ({
    resolve: {
      alias: { 'edgewarden/policy': join(import.meta.dirname, 'src/gate/policy/team-rules.ts') },
    },
    plugins: [
      cloudflareTest({
        wrangler: { configPath: CONFIG },
        miniflare: {
          outboundService: outside(),
          ratelimits: { RL_TEST: { namespace_id: '1', simple: { limit: 5, period: 60 } } },
        },
      }),
    ],
    test: {
      name,
      isolate: false,
      provide: { trying },
      globalSetup: ['test/kit/expected-crashes.ts'],
      setupFiles: ['test/kit/anew.workerd.ts'],
      // Without the order of `Spreading`, each of many workers would start a workerd.
      ...(!isSpread && { maxWorkers: 2, sequence: { groupOrder: 1 } }),
      ...TIMES,
      ...test,
    },
  })
  return {
    test: {
      // Many wait for a process or a clock. More workers would load everything more often.
      maxWorkers: isSoak ? 4 : 5,
      maxConcurrency: 32,
      sequence: isSpread ? { sequencer: Spreading } : {},
      projects: isNightly
        ? [project('nightly', { include: [NIGHTLY], fileParallelism: false, ...NIGHTLY_TIMES })]
        : isSoak
          ? [
              project('soak', {
                include: [SOAK, ...filesWith('kit/property.ts')],
                exclude: [WORKERD],
                ...SOAK_TIMES,
              }),
              workerd('soak in workerd', {
                include: [
                  SOAK_IN_WORKERD,
                  ...filesWith('kit/property.ts').filter((path) =>
                    path.endsWith('.workerd.test.ts'),
                  ),
                ],
                ...SOAK_TIMES,
              }),
            ]
          : [
              project('node', {
                include: ['test/**/*.test.ts'],
                exclude: [SOAK, NIGHTLY, WORKERD, ...ALONE],
              }),
              project('alone', {
                include: ALONE,
                exclude: [SOAK],
                globalSetup: [],
              }),
              workerd('workerd', { include: [WORKERD], exclude: [SOAK_IN_WORKERD] }),
            ],
    },
  }
})

/** A seed that is printed, so that what it found can be tried again: `SEED=… npm run soak`. */
function soakSeed(): number {
  // The configuration is loaded more than once in a run.
  if (process.env.SEED === undefined) {
    process.env.SEED = String(Math.floor(Math.random() * 2 ** 31))
    console.log(`properties are tried from SEED=${process.env.SEED}`)
  }
  return Number(process.env.SEED)
}
