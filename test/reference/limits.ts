/** Limits by agent and by network address (docs/configuration/rate-limits.md). */
import type { Asked } from './asked.ts'
import { callerOf } from './headers.ts'
import type { Identity } from './identity.ts'
import type { Rule } from './rule.ts'
import { type Bucket, refuse, type World } from './types.ts'

const DAY = 86_400_000

/** Rounding may not cost a request that the limit allows. */
const NEARLY = 1e-9

/**
 * A bucket at this moment. It is refilled evenly: as before until the first request after a change of limit or period,
 * and then by the new ones. "Requests that were counted stay counted, up to the new `limit`."
 */
function bucketAt(world: World, key: string, limit: number, period: number, now: number): Bucket {
  const last = world.buckets[key]
  const own = { at: now, limit, period }
  if (last === undefined) return { counted: 0, ...own }
  const refilled = (Math.max(0, now - last.at) / (last.period * 1000)) * last.limit
  return { counted: Math.min(limit, Math.max(0, last.counted - refilled)), ...own }
}

/** Whether a bucket allows one request at this moment: `limit` at once, then one more every `period / limit`. */
export function isInBucket(
  ...[world, key, limit, period, now]: Parameters<typeof bucketAt>
): boolean {
  return bucketAt(world, key, limit, period, now).counted <= limit - 1 + NEARLY
}

/** Takes one request from a bucket. Whether there was one. */
export function takeFromBucket(
  ...[world, key, limit, period, now]: Parameters<typeof bucketAt>
): boolean {
  const bucket = bucketAt(world, key, limit, period, now)
  const isAllowed = isInBucket(world, key, limit, period, now)
  world.buckets[key] = { ...bucket, counted: bucket.counted + (isAllowed ? 1 : 0) }
  return isAllowed
}

/** Counts a request against the rule's `rate_limit`; in shadow mode it only looks. */
export function checkRateLimit({ world, request }: Asked, rule: Rule, identity: Identity): void {
  if (rule.rateLimit === undefined) return
  const { now } = request
  const counts = rule.mode === 'enforce'
  const { limit, period, daily, per, binding } = rule.rateLimit
  const who = {
    agent: identity.id,
    client: identity.client,
    workflow: identity.workflow,
    issuer: '',
  }
  if (who[per] === undefined) refuse('rate_limit_key_missing')
  if (binding !== undefined) {
    if (counts) askBinding(world, binding, 'rate_limited', 'rate_limit_unavailable')
    return
  }
  if (world.unavailable.limits) refuse('rate_limit_unavailable')
  // A rule with another `match` or `host` is another rule.
  const key = [identity.issuer.issuer, per, who[per], rule.match, rule.host ?? ''].join('\n')
  const day = `${key}\n${Math.floor(now / DAY)}`
  const used = world.days[day] ?? 0
  if (daily !== undefined && used >= daily) {
    // It is a request after a change, too: from now on the bucket refills by the new limit.
    if (limit !== undefined && period !== undefined && counts)
      world.buckets[key] = bucketAt(world, key, limit, period, now)
    refuse('rate_limited')
  }
  if (limit !== undefined && period !== undefined) {
    const ask = counts ? takeFromBucket : isInBucket
    if (!ask(world, key, limit, period, now)) refuse('rate_limited')
  }
  if (daily !== undefined && counts) world.days[day] = used + 1
}

function askBinding(world: World, name: string, refused: string, failed: string): void {
  const answer = world.bindings[name] ?? 'allows'
  if (answer === 'fails') refuse(failed)
  if (answer === 'refuses') refuse(refused)
}

/** Counts a request of a network address: the stage `address`. Shadow mode counts it too. */
export function checkAddressLimit({ policy, world, request }: Asked): void {
  const address = callerOf(policy, request)
  if (policy.gate.addressLimit === undefined || address === undefined) return
  const { limit, period, binding } = policy.gate.addressLimit
  if (binding !== undefined) {
    askBinding(world, binding, 'address_limited', 'address_limit_unavailable')
    return
  }
  if (limit === undefined || period === undefined) return
  const key = `address\n${countedAddress(address)}`
  if (!takeFromBucket(world, key, limit, period, request.now)) refuse('address_limited')
}

/** IPv4 addresses are counted one by one, IPv6 addresses by their /64. */
function countedAddress(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1] !== undefined) return mapped[1]
  const [head = '', tail] = address.toLowerCase().split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const [front, back] = [groups(head), groups(tail ?? '')]
  const zeros = tail === undefined ? [] : Array(8 - front.length - back.length).fill('0')
  const four = [...front, ...zeros, ...back].slice(0, 4)
  return `${four.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}/64`
}
