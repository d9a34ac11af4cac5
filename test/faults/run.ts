/**
 * `npm run faults`: puts one deliberate fault after the other into a copy of the project, and says which tests find it.
 */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { distance } from '../../src/gate/policy/reading/issues.ts'
import { ROOT } from '../kit/repository.ts'
import { changed, type Fault, faultNames, readFault } from './faults.ts'

const USAGE = `npm run faults -- [options] [NAME…]

  NAME               faults whose names begin so; without a name all
  --differential N   also asks the second implementation, for at most N decisions`

/** Milliseconds: a test that hangs ends earlier. */
const LONGEST = 900_000

/** What is not copied: what is made, and what is linked. */
const NOT_COPIED = /^(?:\.git|\.wrangler|node_modules|dist|dist-site|.*\.log)$/

/** Files whose tests run inside workerd, or need a built Worker or command. */
const BUILT = /^test\/(?:console|e2e|examples|tools)\/|\.workerd\./

/** What Vitest is called with, by the kind of the files. */
const ARGUMENTS = { plain: ['--config=test/kit/plain.config.ts'], built: [], soak: ['--mode=soak'] }
type TestKind = keyof typeof ARGUMENTS

const kindOf = (suites: readonly string[], isSoak: boolean): TestKind =>
  isSoak ? 'soak' : suites.some((suite) => BUILT.test(suite)) ? 'built' : 'plain'

interface Ended {
  readonly code: number
  readonly output: string
}

/** The part of Vitest's report that is read. */
interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** A copy of the project, without the user's repository. */
async function copyProject(): Promise<string> {
  const copy = await realpath(await mkdtemp(join(tmpdir(), 'edgewarden-faults-')))
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))
  await cp(ROOT, copy, { recursive: true, filter: (path) => !NOT_COPIED.test(basename(path)) })
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

const node = (copy: string, ...args: readonly string[]): Promise<Ended> =>
  new Promise((resolve) => {
    const options = {
      cwd: copy,
      timeout: LONGEST,
      maxBuffer: 2 ** 28,
      // One seed, so that the same is found each time.
      env: { ...process.env, SEED: '222' },
    }
    execFile(process.execPath, args, options, (error, out, errors) =>
      resolve({ code: error ? 1 : 0, output: `${out}${errors}` }),
    )
  })

/** Runs test files up to the first failure. The first failed test, and its file. */
async function runTests(copy: string, suites: readonly string[], kind: TestKind) {
  const path = join(copy, 'report.json')
  await rm(path, { force: true })
  const { code, output } = await node(
    copy,
    ...['node_modules/vitest/vitest.mjs', 'run', '--bail=1', ...ARGUMENTS[kind]],
    ...['--reporter=json', `--outputFile=${path}`, ...suites],
  )
  const report: Report = await readFile(path, 'utf8').then(JSON.parse, () => ({ testResults: [] }))
  const [first] = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName }) => ({ file: name.slice(copy.length + 1), test: fullName })),
  )
  // Without a failed test something else failed, such as a build.
  if (code !== 0 && !first) throw new Error(`The tests did not run:\n${output.slice(-4_000)}`)
  return first
}

/** Puts a fault into the copy, and returns how to take it back. */
async function putInto(copy: string, { changes }: Fault): Promise<() => Promise<void>> {
  const texts = new Map<string, string>()
  for (const change of changes) {
    const known = texts.get(change.path) ?? (await readFile(join(ROOT, change.path), 'utf8'))
    texts.set(change.path, changed(known, change))
  }
  for (const [path, text] of texts) await writeFile(join(copy, path), text)
  return async () => {
    for (const path of texts.keys()) await cp(join(ROOT, path), join(copy, path))
  }
}

async function compare(copy: string, decisions: string): Promise<string> {
  const { code, output } = await node(copy, 'test/faults/differential.ts', decisions)
  if (code !== 0) throw new Error(`The second implementation was not asked:\n${output}`)
  return `; decision ${output.trim()}`
}

/** The faults that are asked for. Throws where nothing has such a name. */
function namesFor(asked: readonly string[]): readonly string[] {
  const names = faultNames()
  for (const one of asked) {
    if (names.some((name) => name.startsWith(one))) continue
    const near = names.find((name) => distance(one, name, 3) !== undefined)
    throw new Error(`no fault begins with "${one}"${near ? `; did you mean ${near}?` : ''}`)
  }
  return names.filter((name) => asked.length === 0 || asked.some((one) => name.startsWith(one)))
}

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    options: { differential: { type: 'string' }, help: { type: 'boolean' } },
    allowPositionals: true,
  })
  if (values.help) {
    console.log(USAGE)
    return true
  }
  const { differential } = values
  if (differential !== undefined && !/^[1-9]\d*$/.test(differential)) {
    throw new Error(`--differential takes a number of decisions, not "${differential}"`)
  }
  const faults = namesFor(positionals).map(readFault)
  const copy = await copyProject()
  for (const kind of ['plain', 'built', 'soak'] as const) {
    const suites = faults.flatMap((one) =>
      one.suites.filter((suite) => kindOf([suite], one.isSoak) === kind),
    )
    const failed = suites.length > 0 && (await runTests(copy, [...new Set(suites)], kind))
    if (failed) throw new Error(`Fails without a fault: ${failed.file}: ${failed.test}`)
  }
  let found = 0
  for (const fault of faults) {
    const since = performance.now()
    const takeBack = await putInto(copy, fault)
    try {
      const by = await runTests(copy, fault.suites, kindOf(fault.suites, fault.isSoak))
      const isCompared = differential !== undefined && fault.isDecision
      const compared = isCompared ? await compare(copy, differential) : ''
      const seconds = ((performance.now() - since) / 1000).toFixed(1)
      if (by) found++
      const said = by ? `found by ${by.file}: ${by.test}` : 'NOT FOUND'
      console.log(`${fault.name} (${seconds} s): ${said}${compared}`)
    } catch (error) {
      console.log(`${fault.name}: ${String(error)}`)
    }
    await takeBack()
  }
  console.log(`${found} of ${faults.length} faults found`)
  return found === faults.length
}

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
