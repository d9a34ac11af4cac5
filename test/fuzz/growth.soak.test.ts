import { expect, it } from 'vitest'
import { askGate, sharedSetting } from '../e2e/setting.ts'
import { RESOURCE } from '../kit/facts.ts'
import { growths, loadWorld } from './growth.ts'
import { BASES, ENTRIES, type Entry, headerEntry } from './growth-entries.ts'

const { world, gate } = await loadWorld({ isCounted: false })

/** Milliseconds of the processor for each KB: what is linear whatever shorter texts take, and the most. */
const MS = { few: 0.3, most: 1 }
/** How many times as long a text of four times the length may take. Quadratic growth would be sixteen. */
const LINEAR = 7
/** Milliseconds for which this process may do other things. */
const PAUSE = 3
/** Milliseconds for connecting and waiting on a busy machine. */
const WAIT = 40
/** Times that a measurement is repeated before a text counts as slow. */
const ATTEMPTS = 12
/** Milliseconds that `fixedWork` takes on the machine for which the bounds are written. */
const FIXED_WORK = 8

/** Measures until the time is within its bound: other work can only add to it. */
const least = async (run: () => Promise<number>, bound: number): Promise<number> => {
  let time = Number.POSITIVE_INFINITY
  for (let i = 0; i < ATTEMPTS && time > bound; i++) time = Math.min(time, await run())
  return time
}

/** Milliseconds of the processor that this process used: other processes add none. */
const usedBy = async (work: () => unknown): Promise<number> => {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}
const timeOf = (entry: Entry, text: string) => () => {
  const sent = entry.send(text, world)
  return usedBy(() => gate.ask(sent))
}

const LINES = JSON.stringify(Array.from({ length: 8_000 }, (_, i) => `/%25${i}/%EF%BC%A1`))
/** The same work each time, to find how slow the machine is. */
const fixedWork = () => {
  for (const line of JSON.parse(LINES)) {
    decodeURIComponent(line).normalize('NFKC').split('/').join(':')
  }
}
/** How many times slower the machine is now than the one for which the bounds are written. */
const slowness = async () => Math.max(1, (await least(() => usedBy(fixedWork), 0)) / FIXED_WORK)

const figures: (readonly [msOfKb: number, label: string])[] = []

/** Texts that take more than linear time, or more than their share of milliseconds. */
const slowOf = async (entry: Entry): Promise<readonly string[]> => {
  const faults: string[] = []
  await gate.ask(entry.send('', world))
  const length = entry.isLong ? 32 * 1024 : 7_000
  for (const { label, at } of growths(entry, true)) {
    const [short, long] = [at(length / 4), at(length)]
    const kb = long.length / 1024
    const few = Math.max(PAUSE, kb * MS.few)
    const time = await least(timeOf(entry, long), few)
    figures.push([time / kb, label])
    if (time <= few) continue
    const linear = LINEAR * (await least(timeOf(entry, short), 0))
    const bound = Math.min(Math.max(linear, 2 * few), kb * MS.most) * (await slowness())
    const again = time > bound ? await least(timeOf(entry, long), bound) : 0
    if (again > bound) faults.push(`${label}: ${again} ms for ${kb} KB, over ${bound}`)
  }
  return faults
}

it.each(ENTRIES)('$name takes at most a millisecond for a KB', async (entry) => {
  expect(await slowOf(entry)).toEqual([])
})

it.each(Object.keys(BASES))(
  'each header that %s reads takes at most a millisecond for a KB',
  async (base) => {
    const faults: string[] = []
    for (const name of await gate.namesRead(BASES[base]?.(world) ?? {})) {
      faults.push(...(await slowOf(headerEntry(name, base))))
    }
    expect(faults).toEqual([])
  },
)

it('shows the three texts that take most', () => {
  const worst = figures.sort(([one], [other]) => other - one).slice(0, 3)
  console.log(worst.map(([ms, label]) => `${ms.toFixed(3)} ms a KB: ${label}`).join('\n'))
  expect(worst).toHaveLength(3)
})

it('a stranger over HTTP waits at most a millisecond for a KB', async () => {
  const setting = await sharedSetting({
    routes: world.ROUTES,
    vars: { KEY: 'a-secret-of-the-origin' },
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    others: { people: world.PEOPLE },
    gate: { assertion: 'body', console: { host: 'ops.example.com' } },
  })
  const faults: string[] = []
  const statuses: number[] = []
  for (const entry of ENTRIES.filter(({ isLong }) => !isLong)) {
    for (const { label, at } of growths(entry)) {
      const text = at(12 * 1024)
      const { url = `${RESOURCE}/docs/7`, answer, cf, ...init } = entry.send(text, world)
      // What is only in an answer or in a connection, and what no client of HTTP can send.
      if (answer || cf || !url.startsWith(RESOURCE) || /[^!-~]/.test(url)) continue
      const waited = async () => {
        const start = performance.now()
        const response = await askGate(setting.gate, url.slice(RESOURCE.length), init)
        await response.arrayBuffer()
        statuses.push(response.status)
        return performance.now() - start
      }
      const bound = WAIT + text.length / 1024
      const time = await least(waited, bound)
      if (time > bound) faults.push(`${label}: ${time} ms`)
    }
  }
  expect(statuses.filter((status) => status === 401).length).toBeGreaterThan(1_000)
  expect(statuses.filter((status) => status >= 500)).toEqual([])
  expect(faults).toEqual([])
})
