// What is counted, and what a test asks of the gate's surroundings. This module runs before any code of the gate.

/** Name of a call → how often. */
export const calls = new Map()
/** Binding → `fails`, `hangs`, or the milliseconds after which a call of it begins. */
export const ways = new Map()
/** Name of a class → what its storage was asked for. */
export const storages = new Map()

const { fetch, setTimeout } = globalThis
const clock = { ahead: 0, now: Date.now }
Date.now = () => clock.now.call(Date) + clock.ahead
export const forward = (ms) => {
  clock.ahead += ms
}

/** Timers of the gate take so many times longer: a busy machine is then no outage. */
let stretched = 1
globalThis.setTimeout = (run, ms = 0, ...given) =>
  setTimeout.call(globalThis, run, ms * stretched, ...given)
export const stretch = (times) => {
  stretched = times
}

export const count = (name) => calls.set(name, (calls.get(name) ?? 0) + 1)

globalThis.fetch = (target, ...given) => {
  const { host, pathname } = new URL(target.url ?? target)
  count(`fetch ${host}${pathname}`)
  return fetch(target, ...given)
}

const later = (ms) => new Promise((done) => setTimeout.call(globalThis, done, ms))

/** Counts a call of a binding, and makes it as the test wants it. */
export const through = async (binding, name, call) => {
  count(name)
  while (ways.get(binding) === 'hangs') await later(20)
  const way = ways.get(binding)
  if (way === 'fails') throw new Error(`${binding} fails`)
  if (way > 0) await later(way)
  return await call()
}
