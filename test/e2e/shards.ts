import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Classes that take the place of the revocation set, for what the real one does not do on demand:
 * `UnreachableShard` rejects every call, also in place of the keeper of assertion keys or of what counts requests or remembers tokens, `FullShard` has no room, `SlowShard` answers a lookup
 * after 2.5 seconds. `FailingShard` is the real one until an entry's reason says how long it fails,
 * `CountedShard` the real one which logs how it is read, and when. `TroubledShard` is the real one that a
 * test can call: to be stopped, to lose all that it has, to tell how many lookups it has answered, and to
 * behave as it does in `trouble` (no call reaches it and it `fails` or `hangs`, or it is `deaf` only to what
 * it is told), or on a slow line: so many milliseconds go by before it `takes` something, and after it has
 * read what it answers to `lookups` and `pulls` and hands over in `pages`. `OnceUnreachableKeeper` is the
 * keeper of assertion keys, but for the first call; `TwiceUnreachableReplays` is what remembers tokens, but for
 * the first two claims, and `LosingReplays`, whose first claim is stored and not answered.
 */
const classes = (real: string, keeper: string, replays: string) => `
import { DurableObject as Base__ } from 'cloudflare:workers'
const later__ = (ms) => new Promise((done) => setTimeout(done, ms))
const NOTHING__ = { epoch: 'e', version: 1, entries: [] }
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
export class OnceUnreachableKeeper extends ${keeper} {
  keys(...given) {
    if (OnceUnreachableKeeper.hasFailed) return super.keys(...given)
    OnceUnreachableKeeper.hasFailed = true
    throw new Error('unreachable')
  }
}
export class TwiceUnreachableReplays extends ${replays} {
  claim(...given) {
    const { calls = 0 } = TwiceUnreachableReplays
    TwiceUnreachableReplays.calls = calls + 1
    if (calls < 2) throw new Error('unreachable')
    return super.claim(...given)
  }
}
export class LosingReplays extends ${replays} {
  async claim(...given) {
    const first = await super.claim(...given)
    if (LosingReplays.hasLost) return first
    LosingReplays.hasLost = true
    throw new Error('the answer is lost')
  }
}
export class FullShard extends Base__ {
  lookup() { return NOTHING__ }
  add() { return { full: true } }
}
export class SlowShard extends Base__ {
  async lookup() {
    await later__(2_500)
    return NOTHING__
  }
}
export class CountedShard extends ${real} {
  say(called) { console.log(JSON.stringify({ called, at: Date.now() })) }
  lookup(...given) { this.say('lookup'); return super.lookup(...given) }
  pullAll(...given) { this.say('pullAll'); return super.pullAll(...given) }
  pullSince(...given) { this.say('pullSince'); return super.pullSince(...given) }
}
export class FailingShard extends ${real} {
  until = 0
  reached() { if (Date.now() < this.until) throw new Error('unreachable') }
  lookup(...given) { this.reached(); return super.lookup(...given) }
  pullAll(...given) { this.reached(); return super.pullAll(...given) }
  pullSince(...given) { this.reached(); return super.pullSince(...given) }
  async add(entries) {
    this.reached()
    const added = await super.add(entries)
    const [, ms] = /^fails for ([0-9]+) ms$/.exec(entries[0]?.reason ?? '') ?? []
    if (ms) this.until = Date.now() + Number(ms)
    return added
  }
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
  async take(...given) {
    const { takes, trouble } = this.ways
    if (takes) await later__(takes)
    return await (trouble === 'deaf' ? this.lost() : this.reached(() => super.take(...given)))
  }
  async lookup(...given) {
    const found = await this.reached(() => super.lookup(...given))
    if (found) this.answered++
    if (this.ways.lookups) await later__(this.ways.lookups)
    return found
  }
  async handAll(...given) {
    const page = await super.handAll(...given)
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

/** The built Worker with those classes beside its own. */
export async function withShards(
  bundle: string,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-shards-'))
  const path = join(directory, 'worker.js')
  const code = (await readFile(bundle, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, '')
  const realName = (exported: string) => {
    const [, name] = new RegExp(`(?<![\\w$])([\\w$]+) as ${exported}\\b`).exec(code) ?? []
    if (name === undefined) throw new Error(`the Worker exports no ${exported}`)
    return name
  }
  const real = ['RevocationShard', 'AssertionKeeper', 'ReplayShard'] as const
  const [shard, keeper, replays] = real.map(realName) as [string, string, string]
  await writeFile(path, code + classes(shard, keeper, replays))
  return { path, remove: () => rm(directory, { recursive: true, force: true }) }
}
