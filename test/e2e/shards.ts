import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { inject } from 'vitest'

/** The id of a token that `FaultyShard` cannot be asked about. */
export const UNREACHABLE = 'unreachable-token'

/** The agent that `FaultyShard` says is throttled. */
export const THROTTLED = 'throttled-agent'

/**
 * Classes that take the place of the revocation set, for what the real one does not do on demand:
 * `UnreachableShard` rejects every call, also in place of the keeper of assertion keys or of what counts requests or remembers tokens. `FaultyShard`
 * has no room, nor a share for one issuer, nor for agents, does not answer for the token UNREACHABLE, and for the token `until-…` not before that second. `CountedShard` is the real one which logs how it is read, and when; `CountedLimiter` is what counts requests, and tells how often all such objects were called. `TroubledShard` is the real one that a
 * test can call: to be stopped, to lose all that it has, to tell how many lookups it has answered, and to
 * behave as it does in `trouble` (no call reaches it and it `fails` or `hangs`, or it is `deaf` only to what
 * it is told, or `untold` only by the registry of agents), or on a slow line: so many milliseconds go by before it `takes` something, and after it has
 * read what it answers to `lookups` and `pulls` and hands over in `pages`. `TroubledReplays` is what
 * remembers tokens, and does to the next claims what it is told: `fails` stores nothing, `loses` stores it and does not answer. `TroubledApprovals` ends no approval while it is deaf. `Clock` puts
 * the clock of its isolate forward, so that no test has to wait, and makes its timers long, so that a busy
 * machine does not end what is only slow; and it changes the variables of its isolate, which keeps what it remembers. It also has the objects gather records and sightings for a moment only.
 * The classes whose names begin with `Malformed` are the real ones, but for the method that `Clock` names, which gives
 * the answer that it was told, or none while it `hang`s; `$undefined` and `$NaN` stand for what JSON does not have.
 */
const classes = (
  {
    RevocationShard: real,
    AssertionKeyService: keeper,
    ReplayShard: replays,
    RateLimiter: limiter,
    ApprovalStore: approvals,
    ...others
  }: Real,
  worker: string,
) => `
import { DurableObject as Base__ } from 'cloudflare:workers'
const later__ = (ms) => new Promise((done) => setTimeout(done, ms))
const changing__ = {
  ...${worker},
  fetch(request, env, context) {
    clock__.env ??= { ...env, ...clock__.vars }
    return ${worker}.fetch(request, clock__.env, context)
  },
}
const NOTHING__ = { epoch: 'e', version: 1, entries: [] }
export class Clock extends Base__ {
  async forward(ms) { clock__.ahead += ms }
  async stretch(times) { clock__.stretch = times }
  async gather(soon) {
    for (const one of clock__.gathers) one.ms = soon ? 20 : one.usual
  }
  async change(vars) { clock__.vars = vars; clock__.env = undefined }
  async hang(hanging) { malform__.hanging = hanging }
  async malform(method, answer) { Object.assign(malform__, { method, answer: revived__(answer) }) }
}
const malform__ = {}
const REVIVED__ = { $undefined: undefined, $NaN: Number.NaN }
const revived__ = (value) => {
  if (Object.hasOwn(REVIVED__, value)) return REVIVED__[value]
  if (Array.isArray(value)) return value.map(revived__)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, revived__(one)]))
}
const malformed__ = (Real) => {
  class Malformed extends Real {}
  for (const name of Object.getOwnPropertyNames(Real.prototype).slice(1)) {
    Malformed.prototype[name] = async function (...given) {
      while (malform__.hanging === name) await later__(20)
      return malform__.method === name ? malform__.answer : Real.prototype[name].apply(this, given)
    }
  }
  return Malformed
}
${Object.entries({
  RevocationShard: real,
  AssertionKeyService: keeper,
  ReplayShard: replays,
  RateLimiter: limiter,
  ...others,
})
  .map(([name, own]) => `export const Malformed${name} = malformed__(${own})`)
  .join('\n')}
export class UnreachableShard extends Base__ {
  fail() { throw new Error('unreachable') }
  lookup() { this.fail() }
  list() { this.fail() }
  get() { this.fail() }
  add() { this.fail() }
  remove() { this.fail() }
  keys() { this.fail() }
  take() { this.fail() }
  claim() { this.fail() }
  isClaimed() { this.fail() }
}
export class TroubledReplays extends ${replays} {
  static next = []
  async behave(next) { TroubledReplays.next = next }
  async claim(...given) {
    const trouble = TroubledReplays.next.shift()
    if (trouble === 'fails') throw new Error('unreachable')
    const first = await super.claim(...given)
    if (trouble === 'loses') throw new Error('the answer is lost')
    return first
  }
}
export class TroubledApprovals extends ${approvals} {
  static isDeaf = false
  async behave(isDeaf) { TroubledApprovals.isDeaf = isDeaf }
  end(...given) {
    if (TroubledApprovals.isDeaf) throw new Error('unreachable')
    return super.end(...given)
  }
}
export class FaultyShard extends Base__ {
  async lookup(keys) {
    if (keys.some((key) => key.includes('"${UNREACHABLE}"'))) throw new Error('unreachable')
    const [, until] = /"until-([0-9.]+)"/.exec(keys.join()) ?? []
    if (until) await later__(until * 1_000 - Date.now())
    const isThrottled = keys.some((key) => key.includes('"agent"') && key.includes('"${THROTTLED}"'))
    const entry = { id: 'throttle', mode: 'throttle', kind: 'agent', issuer: '', value: '', limit: 1, created: 1, createdBy: 'ops' }
    return { ...NOTHING__, entries: isThrottled ? [entry] : [] }
  }
  add([{ own }]) { return { full: own ? 'share' : 'set' } }
  change() { return { refused: 'agents_full' } }
}
export class CountedShard extends ${real} {
  say(called) { console.log(JSON.stringify({ called, at: Date.now() })) }
  lookup(...given) { this.say('lookup'); return super.lookup(...given) }
  pullAll(...given) { this.say('pullAll'); return super.pullAll(...given) }
  pullSince(...given) { this.say('pullSince'); return super.pullSince(...given) }
}
export class CountedLimiter extends ${limiter} {
  static calls = 0
  async calls() { return CountedLimiter.calls }
  take(...given) { CountedLimiter.calls++; return super.take(...given) }
}
export class TroubledShard extends ${real} {
  ways = {}
  answered = 0
  async behave(ways) { this.ways = ways }
  async answers() { return this.answered }
  async stop() { this.ctx.abort('stopped') }
  async wipe() {
    await this.ctx.storage.deleteAll()
    await this.ctx.storage.sync()
    this.ctx.abort('wiped')
  }
  async lost() {
    while (this.ways.trouble === 'hangs') await later__(50)
    throw new Error('unreachable')
  }
  reached(call) { return ['fails', 'hangs'].includes(this.ways.trouble) ? this.lost() : call() }
  async replicate(...given) {
    const { takes, trouble } = this.ways
    if (takes) await later__(takes)
    return await (trouble === 'deaf' ? this.lost() : this.reached(() => super.replicate(...given)))
  }
  async lookup(...given) {
    const found = await this.reached(() => super.lookup(...given))
    if (found) this.answered++
    if (this.ways.lookups) await later__(this.ways.lookups)
    return found
  }
  async setStandings(...given) {
    while (this.ways.trouble === 'untold') await later__(50)
    return await super.setStandings(...given)
  }
  async copyPage(...given) {
    const page = await super.copyPage(...given)
    if (this.ways.pages) await later__(this.ways.pages)
    return page
  }
  async pulled(call) {
    const found = await this.reached(call)
    if (this.ways.pulls) await later__(this.ways.pulls)
    return found
  }
  pullAll(...given) { return this.pulled(() => super.pullAll(...given)) }
  pullSince(...given) { return this.pulled(() => super.pullSince(...given)) }
}
`

/** The Worker's own classes, and their names in its code. */
const REAL = [
  'RevocationShard',
  'AssertionKeyService',
  'ReplayShard',
  'RateLimiter',
  'KeyService',
  'AuditLog',
  'AgentRegistry',
  'ApprovalStore',
] as const
type Real = Readonly<Record<(typeof REAL)[number], string>>

/** What the Worker tells the time by, before any of its own code runs. */
const CLOCK = `
const clock__ = { ahead: 0, stretch: 1, now: Date.now, setTimeout, gathers: [] }
const gather__ = (one) => {
  clock__.gathers.push(Object.assign(one, { usual: one.ms }))
  return one
}
Date.now = () => clock__.now.call(Date) + clock__.ahead
globalThis.setTimeout = (run, ms = 0, ...given) =>
  clock__.setTimeout.call(globalThis, run, ms * clock__.stretch, ...given)
`

/** `FEED` and `GATHER` of src/control/, as the build writes them: for how long sightings and records are gathered. */
const GATHERS = ['={ms:3e3,callMs:5e3}', '={ms:250}'] as const

let shared: ReturnType<typeof withShards> | undefined

/** The path of one such Worker for all files of a process. */
export const sharedShards = async (): Promise<string> => {
  shared ??= withShards(inject('bundle'))
  return (await shared).path
}

/** The built Worker with those classes beside its own, in the folder of the run, which is removed after it. */
export async function withShards(
  bundle: string,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(dirname(inject('consoleBundle')), 'shards-'))
  const path = join(directory, 'worker.js')
  const code = (await readFile(bundle, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, '')
  const realName = (exported: string) => {
    const [, name] = new RegExp(`(?<![\\w$])([\\w$]+) as ${exported}\\b`).exec(code) ?? []
    if (name === undefined) throw new Error(`the Worker exports no ${exported}`)
    return name
  }
  const real = Object.fromEntries(REAL.map((name) => [name, realName(name)])) as Real
  const worker = realName('default')
  const gathering = GATHERS.reduce((text, written) => {
    const [before = '', behind, ...more] = text.split(written)
    if (behind === undefined || more.length > 0) throw new Error(`the Worker has no ${written}`)
    return `${before}=gather__(${written.slice(1)})${behind}`
  }, code)
  const exporting = gathering.replace(`${worker} as default`, 'changing__ as default')
  await writeFile(path, CLOCK + exporting + classes(real, worker))
  return { path, remove: () => rm(directory, { recursive: true, force: true }) }
}
