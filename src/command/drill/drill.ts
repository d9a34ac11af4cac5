import { rename } from 'node:fs/promises'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { DEFAULT_PREFIX } from '../../gate/policy/keys/gate.ts'
import { type CommandRow, collect, type Process, withGate } from '../base/command.ts'
import { fileReason, writeText } from '../base/files.ts'
import { type GateAddress, gateAddress } from '../base/gate-client.ts'
import { cannotTell, EXIT, type Outcome, render } from '../base/output.ts'
import { durationSeconds, utc } from '../base/times.ts'
import type { GateOptions } from '../operate/access.ts'
import { type Canary, freeAgents, NEVER_REVOKED, policyOf, readCanary, ruleOf } from './canary.ts'
import {
  exitCodeOf,
  type Finding,
  findingLines,
  MEASURES,
  type Measure,
  metricsText,
  notMeasured,
} from './finding.ts'
import {
  type Drill,
  measureAddedTime,
  measureExpiry,
  measureKeys,
  measureRefusal,
  measureReplay,
  type Place,
} from './measures.ts'
import { measureRevocation, measureStream } from './revoked.ts'
import { createTraffic } from './traffic.ts'

export interface DrillOptions extends GateOptions {
  /** Key file of the canaries. */
  readonly canary: string
  readonly path?: string
  readonly public?: string
  readonly once?: string
  readonly stream?: readonly string[]
  /** The most that p99 of the added time may be. */
  readonly added?: string
  readonly requests: string
  readonly connections: string
  readonly every?: string
  readonly metrics?: string
  readonly json?: boolean
}

export const drillCommand: CommandRow<DrillOptions> = {
  usage: 'drill --gate URL --key FILE',
  description:
    'Measure from outside whether a running gate keeps its promises, with canary agents.',
  example: 'drill --gate https://api.my-company.com --key ops.jwk --path /drill --public /health',
  help: `
It sends GET requests as agents of an issuer of their own, which keygen --canary makes, and revokes these
agents for some minutes. It changes nothing else. What no option asks for is not measured.
Exit status: 0 every promise that was measured is kept, 1 one is broken, 2 cannot tell.`,
  options: (command) =>
    withGate(
      command
        .option('--canary <file>', 'key of the canaries, which keygen --canary made', 'canary.jwk')
        .option('--path <path>', 'path of a rule that accepts canaries')
        .option('--public <path>', 'path of a public rule: the added time is measured against it')
        .option('--added <duration>', 'the most that p99 of the added time may be, such as 20ms')
        .option('--once <path>', 'path of a rule with single_use that accepts canaries')
        .option('--stream <path>', 'path that answers with a stream; may be repeated', collect)
        .option('--requests <number>', 'requests to measure the added time with', '100')
        .option('--connections <number>', 'connections during a revocation', '4')
        .option('--every <duration>', 'again and again, such as 1h')
        .option('--metrics <file>', 'write the result into this file too, as OpenMetrics'),
      'edgewarden:revoke and edgewarden:read',
    ),
  run: (_, options, process) => drill(options, process),
}

/** What the options say, read. */
interface Asked {
  readonly gate: GateAddress
  readonly canary: Canary
  readonly requests: number
  readonly connections: number
  /** Milliseconds. */
  readonly added: number | undefined
  readonly every: number | undefined
}

const readAsked = async (
  options: DrillOptions,
  { now }: Process,
): Promise<Result<Asked, string>> => {
  const gate = gateAddress(options.gate, options.prefix ?? DEFAULT_PREFIX)
  if (!gate.ok) return gate
  const { path, once, stream = [], added, every } = options
  const numbers = { requests: 10_000, connections: 64 }
  for (const [name, most] of Object.entries(numbers) as [keyof typeof numbers, number][]) {
    const isGood = /^[1-9]\d{0,4}$/.test(options[name]) && Number(options[name]) <= most
    if (!isGood) return fail(`--${name} must be a number from 1 to ${most}`)
  }
  for (const one of [path, options.public, once, ...stream]) {
    if (one === undefined || (one.startsWith('/') && !/^\/[/\\]|[\s#]/.test(one))) continue
    return fail(`"${one}" must be a path of the gate, such as /drill`)
  }
  if (options.public !== undefined && path === undefined) return fail('--public needs --path')
  if (added !== undefined && options.public === undefined) return fail('--added needs --public')
  const times: (number | undefined)[] = []
  for (const [name, text] of Object.entries({ added, every })) {
    const seconds = text === undefined ? undefined : durationSeconds(text)
    if (seconds && !seconds.ok) return fail(`--${name}: ${seconds.reason}`)
    times.push(seconds && seconds.value * 1000)
  }
  const canary = await readCanary(options.canary, now)
  if (!canary.ok) return canary
  return ok({
    gate: gate.value,
    canary: canary.value,
    requests: Number(options.requests),
    connections: Number(options.connections),
    added: times[0],
    every: times[1],
  })
}

/**
 * Measures what the options ask for, once or again and again, and says which promises of the gate are broken. Changes
 * only canaries; their revocations expire.
 */
export async function drill(options: DrillOptions, around: Process): Promise<Outcome> {
  const asked = await readAsked(options, around)
  if (!asked.ok) return cannotTell(asked.reason)
  const { every } = asked.value
  for (;;) {
    const began = around.waiting.elapsed()
    const outcome = await drillOnce(asked.value, options, around)
    if (every === undefined) return outcome
    const { stdout, stderr } = render(outcome, false)
    if (options.json) around.print(JSON.stringify(outcome.json))
    else for (const line of `${stdout}${stderr}`.trimEnd().split('\n')) around.print(line)
    await around.waiting.sleep(Math.max(0, began + every - around.waiting.elapsed()))
  }
}

const drillOnce = async (
  asked: Asked,
  options: DrillOptions,
  around: Process,
): Promise<Outcome> => {
  const policy = await policyOf(options, around)
  // A gate that refuses the operator breaks no promise.
  if (!policy.ok) return { ...policy.reason, exitCode: EXIT.unknown }
  const { gate, canary } = asked
  const traffic = createTraffic(gate.origin, around.waiting.elapsed)
  const shared: Drill = { gate, options, around, traffic, canary, policy: policy.value }
  const measured = await measureAll(asked, options, shared)
  if (!measured.ok) return { ...measured.reason, exitCode: EXIT.unknown }
  const findings = [...measured.value].sort(
    (a, b) => MEASURES.indexOf(a.name) - MEASURES.indexOf(b.name),
  )
  const at = around.now()
  const written =
    options.metrics === undefined
      ? ok(undefined)
      : await writeWhole(options.metrics, metricsText(findings, at))
  // What was found is told all the same.
  const found = exitCodeOf(findings)
  const exitCode = written.ok || found === EXIT.no ? found : EXIT.unknown
  const unsaid = written.ok ? 'Something could not be measured.' : written.reason
  return {
    exitCode,
    json: {
      kept: found === EXIT.yes,
      gate: gate.origin,
      at: Math.floor(at),
      findings,
      ...((exitCode === EXIT.unknown || !written.ok) && { error: unsaid }),
    },
    out: [`${gate.origin}, ${utc(at)}`, ...findingLines(findings)],
    err: written.ok ? [] : [written.reason],
  }
}

const measureAll = async (
  { requests, connections, added }: Asked,
  { path, public: publicPath, once, stream = [] }: DrillOptions,
  drill: Drill,
): Promise<Result<readonly Finding[], Outcome>> => {
  const { canary, gate, options, around, policy } = drill
  const agents = await freeAgents(canary.issuer, 1 + stream.length, options, around)
  if (!agents.ok) return agents
  const mine = NEVER_REVOKED
  const [revoked = '', ...others] = agents.value
  const findings: Finding[] = [await measureKeys(drill)]
  const placeOf = async (at: string, agent: string, name: Measure): Promise<Place | undefined> => {
    const rule = await ruleOf(gate.origin + at, agent, canary, policy, options, around)
    if (!rule.ok) findings.push({ name, state: 'unknown', says: `${at}: ${rule.reason}` })
    return rule.ok ? { path: at, rule: rule.value, agent } : undefined
  }
  const place = path === undefined ? undefined : await placeOf(path, mine, 'path')
  if (place) {
    findings.push(
      await measureRefusal(drill, 'forged token', place),
      await measureRefusal(drill, 'unsigned token', place),
      publicPath === undefined
        ? notMeasured('added time', '--public')
        : await measureAddedTime(drill, place, publicPath, requests, added),
      ...(await measureRevocation(drill, { ...place, agent: revoked }, connections)),
    )
    const clock = findings.find(({ name }) => name === 'clock')
    findings.push(await measureExpiry(drill, place, clock?.ms?.ahead ?? 0))
  }
  const onceAt = once === undefined ? undefined : await placeOf(once, mine, 'replayed token')
  if (onceAt) findings.push(await measureReplay(drill, onceAt))
  for (const [i, at] of stream.entries()) {
    const streamAt = await placeOf(at, others[i] ?? '', 'bounded stream')
    if (streamAt) findings.push(await measureStream(drill, streamAt, mine))
  }
  const needs = {
    'replayed token': '--once',
    'strict stream': '--stream',
    'bounded stream': '--stream',
  }
  const missing = MEASURES.filter(
    (name) => name !== 'path' && findings.every((one) => one.name !== name),
  )
  // Of a path that does not accept canaries, its own finding says enough.
  const isTold = path !== undefined && !place
  const unmeasured = missing.flatMap((name) => {
    const option = (needs as Readonly<Partial<Record<Measure, string>>>)[name] ?? '--path'
    return option === '--path' && isTold ? [] : [notMeasured(name, option)]
  })
  return ok([...findings, ...unmeasured])
}

/** Writes a file that others read, so that they never see half of it. */
const writeWhole = async (path: string, text: string): Promise<Result<undefined, string>> => {
  const part = `${path}.part`
  const written = await writeText(part, text)
  if (!written.ok) return written
  try {
    await rename(part, path)
    return ok(undefined)
  } catch (error) {
    return fail(`Cannot write ${path}: ${fileReason(error)}.`)
  }
}
