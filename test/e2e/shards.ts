import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Classes that take the place of the revocation set, for what the real one does not do on demand:
 * `UnreachableShard` rejects every call, `FullShard` has no room, `SlowShard` answers a lookup
 * after 2.5 seconds. `FailingShard` is the real one until an entry's reason says how long it fails,
 * `CountedShard` the real one which logs how it is read, and when.
 */
const classes = (real: string) => `
import { DurableObject as Base__ } from 'cloudflare:workers'
const NOTHING__ = { epoch: 'e', version: 1, entries: [] }
export class UnreachableShard extends Base__ {
  fail() { throw new Error('unreachable') }
  lookup() { this.fail() }
  list() { this.fail() }
  get() { this.fail() }
  add() { this.fail() }
  remove() { this.fail() }
}
export class FullShard extends Base__ {
  lookup() { return NOTHING__ }
  add() { return { full: true } }
}
export class SlowShard extends Base__ {
  async lookup() {
    await new Promise((done) => setTimeout(done, 2_500))
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
`

/** The built Worker with those classes beside its own. */
export async function withShards(
  bundle: string,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-shards-'))
  const path = join(directory, 'worker.js')
  const code = (await readFile(bundle, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, '')
  const [, real] = /\b([\w$]+) as RevocationShard\b/.exec(code) ?? []
  if (real === undefined) throw new Error('the Worker exports no RevocationShard')
  await writeFile(path, code + classes(real))
  return { path, remove: () => rm(directory, { recursive: true, force: true }) }
}
