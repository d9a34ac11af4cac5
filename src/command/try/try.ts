import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isObject, type JsonObject, parseJsonObject } from '../../gate/base/json.ts'
import { cut } from '../../gate/base/text.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { CommandRow, Process } from '../base/command.ts'
import { counted } from '../base/file-policy.ts'
import { cannotTell, EXIT, type Outcome, present } from '../base/output.ts'
import { wranglerPath } from '../base/wrangler-names.ts'
import type { Settings } from '../serve/settings.ts'
import { readServed, startGate, type ToServe } from '../serve/start.ts'
import { readTests } from '../tests/test.ts'
import type { TestCase } from '../tests/test-file.ts'
import { createRequestMaker, type RequestMaker } from '../tests/test-request.ts'
import { onlyTested, PROTOCOL_HEADER, type Tried, tryCase } from './call.ts'
import { type Arrival, startStandIn } from './stand-in.ts'

export interface TryOptions {
  readonly config?: string
  readonly env?: string
  readonly bundle?: string
}

export const tryCommand: CommandRow<TryOptions> = {
  usage: 'try',
  description:
    'Send the requests of test files through the gate on this machine, and show what comes back.',
  example: 'try tests/policy.test.toml',
  help: `
Without files it takes those that test takes. The gate runs as serve runs it, until the last answer, with data
that is removed. The command signs tokens as their issuer, and answers in place of the origins: no request leaves
this machine, and secrets may be missing.
Exit status: 0 all is as expected, 1 it is not, 2 cannot tell.`,
  options: (command) =>
    command
      .argument('[files...]', 'test files')
      .option('--config <file>', 'the file with the policy (default: wrangler.toml)')
      .option('--env <name>', 'run the policy of this environment')
      .option('--bundle <file>', 'a bundle that wrangler deploy --dry-run made'),
  run: (files, options, around) => tryRequests(present(files.flat()), options, around),
}

/** The value of a secret that is not set. It is sent to this command only. */
const madeUp = (name: string) => `made-up-value-of-${name}`

/** A case, and what came back; or why there is none. */
interface Shown {
  readonly file: string
  readonly test: TestCase
  readonly tried?: Tried
  /** Why the case was not sent. */
  readonly skipped?: string
  readonly failure?: string
}

/** Runs the gate of a policy for the requests of test files, with this process as issuer and origin. */
export async function tryRequests(
  given: readonly string[],
  { config: named = 'wrangler.toml', env, bundle }: TryOptions,
  around: Process,
): Promise<Outcome> {
  const config = wranglerPath(named)
  // Secrets of the environment are for real origins.
  const served = await readServed(config, env, { ...around, env: {} }, madeUp)
  if (!served.ok) return served.reason
  const files = await readTests(given, config, served.value.settings.policy)
  if (!files.ok) return files.reason
  const cases = files.value.flatMap(({ file, cases }) => cases.map((test) => ({ file, test })))
  const options = { ...(env !== undefined && { env }), ...(bundle !== undefined && { bundle }) }
  return withGate(served.value, options, around, async (call) => {
    const shown: Shown[] = []
    for (const { file, test } of cases) {
      const skipped = onlyTested(test)
      const tried = skipped === undefined ? await call(test) : undefined
      shown.push({
        file,
        test,
        ...(skipped !== undefined && { skipped }),
        ...(tried?.ok && { tried: tried.value, ...failureIn(tried.value) }),
        ...(tried && !tried.ok && { failure: tried.reason }),
      })
    }
    return outcomeOf(shown, served.value.settings)
  })
}

const failureIn = ({ failure }: Tried) => (failure === undefined ? {} : { failure })

type Call = (test: TestCase) => ReturnType<typeof tryCase>

/** Starts the gate and what answers in place of origins, and ends both. */
const withGate = async (
  { file, settings }: ToServe,
  options: Pick<TryOptions, 'env' | 'bundle'>,
  around: Process,
  use: (call: Call) => Promise<Outcome>,
): Promise<Outcome> => {
  const maker = createRequestMaker(settings.policy, around.now())
  const [origin, data] = await Promise.all([
    startStandIn(),
    mkdtemp(join(tmpdir(), 'edgewarden-try-')),
  ])
  try {
    const vars = await withKeys(settings.vars, settings.policy, maker)
    const started = await startGate(
      file,
      { ...settings, vars, isAddressAssumed: false },
      { ...options, listen: '127.0.0.1:0', data, protocolHeader: PROTOCOL_HEADER },
      around,
      origin.address,
    )
    if (!started.ok)
      return { ...cannotTell(started.reason), err: started.reason.trimEnd().split('\n') }
    const { workerd, port } = started.value
    try {
      return await use((test) => tryCase(test, { maker, origin, port }))
    } finally {
      workerd.child.kill('SIGKILL')
      await workerd.ended
    }
  } finally {
    await Promise.all([origin.close(), rm(data, { recursive: true, force: true })])
  }
}

/** The variables, in which each issuer has the keys of this run in place of its own. */
const withKeys = async (
  vars: JsonObject,
  { issuers }: Policy,
  maker: RequestMaker,
): Promise<JsonObject> => {
  const keys = new Map<string, JsonObject>()
  for (const issuer of issuers.values())
    keys.set(issuer.name, { keys: await maker.publicKeys(issuer) })
  const keyed = (name: string, table: unknown): unknown => {
    const jwks = keys.get(name)
    if (!isObject(table) || !jwks) return table
    const { jwks_uri: _, jwks_cache: __, ...rest } = table
    return { ...rest, jwks }
  }
  return Object.fromEntries(
    Object.entries(vars).map(([name, value]) => {
      const tables = typeof value === 'string' ? parseJsonObject(value) : value
      if (!/^ISSUERS(?:_|$)/.test(name) || !isObject(tables)) return [name, value]
      const entries = Object.entries(tables).map(([one, table]) => [one, keyed(one, table)])
      return [name, Object.fromEntries(entries)]
    }),
  )
}

/** Characters of an answer that are printed. */
const MOST = 200

const outcomeOf = (shown: readonly Shown[], settings: Settings): Outcome => {
  const faults = shown.flatMap(({ file, test, failure }) =>
    failure === undefined ? [] : [`${file}:${test.line}: ${test.name}: ${failure}`],
  )
  const skipped = shown.filter((one) => one.skipped !== undefined).length
  const sent = shown.length - skipped
  const told = shown.map((one) => ({ ...one, origin: originOf(one.tried?.arrival, settings) }))
  return {
    exitCode: faults.length === 0 ? EXIT.yes : EXIT.no,
    json: {
      passed: faults.length === 0,
      cases: told.map(({ file, test, tried, origin, skipped, failure }) => {
        const { request, status, code, body } = tried ?? {}
        const { name, line } = test
        return { file, line, name, request, origin, status, code, body, skipped, failure }
      }),
    },
    out: [
      ...told.flatMap(linesOf),
      [
        `${counted(sent, 'request')}: ${sent - faults.length} as expected, ${faults.length} not`,
        ...(skipped > 0 ? [`${skipped} not sent`] : []),
      ].join('; '),
      'This command answered in place of the origins: nothing left this machine.',
    ],
    err: faults,
  }
}

/** What an origin received, with the headers that say who calls and by which credential. */
interface Received extends Omit<Arrival, 'headers'> {
  readonly headers: Readonly<Record<string, string>>
}

const originOf = (
  arrival: Arrival | undefined,
  { policy, secrets }: Settings,
): Received | undefined => {
  if (!arrival) return undefined
  const { identityPrefix: prefix } = policy.gate
  const set = Object.entries(secrets).filter(([, value]) => value !== '')
  const hidden = (text: string) =>
    set.reduce((all, [name, value]) => all.replaceAll(value, `\${${name}}`), text)
  const shown = Object.entries(arrival.headers).flatMap(([name, value]) => {
    const text = [value].flat().join(', ')
    const isWho = name === `${prefix}id` || name === `${prefix}scope`
    return isWho || hidden(text) !== text ? [[name, hidden(text)] as const] : []
  })
  return { ...arrival, headers: Object.fromEntries(shown) }
}

const linesOf = ({
  test: { name },
  tried,
  origin,
  skipped,
  failure,
}: Shown & { readonly origin: Received | undefined }): readonly string[] => {
  if (skipped !== undefined) return [`- ${name}: not sent, because ${skipped}`]
  const mark = `${failure === undefined ? '✓' : '✗'} ${name}`
  if (!tried) return [mark]
  const { request, status, code, body } = tried
  const headers = Object.entries(origin?.headers ?? {}).map(([one, value]) => `${one}: ${value}`)
  return present([
    mark,
    `  > ${request}`,
    origin && `    ${[`${origin.address} got ${origin.method}`, ...headers].join(', ')}`,
    `  < ${present([String(status), code, body !== '' && cut(body, MOST)]).join(' ')}`,
  ])
}
