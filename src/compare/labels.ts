import type { Policy } from '../gate/model/policy.ts'
import type { Method, Route } from '../gate/model/route.ts'
import { PARAM } from '../gate/policy/reading/route-index.ts'
import type { Sample } from './requests.ts'
import type { Met } from './scopes.ts'
import { standIn, unfit } from './shapes.ts'
import { listed } from './words.ts'

/** A request, its rule in each policy, and the prefix of placeholder segments. */
export interface Labelled {
  readonly sample: Sample
  readonly old: Met | undefined
  readonly now: Met | undefined
  readonly before: Policy
  readonly after: Policy
  readonly placeholder: string
}

/** Names the requests of a finding in the words of the rules. */
export function labelOf(labelled: Labelled): string {
  const names = unfitOf(labelled).map((name) => `{${name}}`)
  const where = names.length === 0 ? '' : ` where ${listed(names, 'and')} cannot be part of a scope`
  return ruleLabelOf(labelled) + where
}

/** The parameters whose placeholder values are not allowed in scopes. */
export function unfitOf(labelled: Labelled): readonly string[] {
  const { sample, placeholder } = labelled
  return sample.path
    .split('/')
    .flatMap((segment, i) =>
      segment.startsWith(unfit(standIn(placeholder, i))) ? (paramAt(labelled, i) ?? 'any') : [],
    )
}

/** The name that a rule gives the segment at an index. */
const paramAt = ({ old, now }: Labelled, i: number): string | undefined =>
  [now, old]
    .map((met) => PARAM.exec(met?.route.path.split('/')[i] ?? '')?.[1])
    .find((name) => name !== undefined)

const ruleLabelOf = (labelled: Labelled): string => {
  const { sample, old, now, before, after } = labelled
  const { host, path } = sample
  const rule = (now ?? old)?.route
  if (!rule) return path
  const isServedAlike = before.gate.hosts.has(host) === after.gate.hosts.has(host)
  const on = rule.host !== undefined || !isServedAlike ? ` on ${host}` : ''
  if (old && now && old.route.name === now.route.name) return rule.name + on
  const pattern = patternOf(labelled)
  const asked = `${methodsText(sample, rule)} ${pattern}${on}`
  if (old && now) {
    return `${asked} (under \`${now.route.name}\`, before under \`${old.route.name}\`)`
  }
  const other = now ? before : after
  if (other.router.find(sample.method, host, path).ambiguous) {
    return `${asked} (${now ? 'before' : 'now'} refused as ambiguous)`
  }
  if (pattern !== rule.path) return `${asked} (under \`${rule.name}\`)`
  return rule.methods.every((method) => !isServed(other, method, sample)) ? rule.name + on : asked
}

const isServed = ({ gate, router }: Policy, method: Method, { host, path }: Sample): boolean => {
  const { match } = router.find(method, host, path)
  return gate.hosts.has(host) && match !== undefined && !match.route.endpoint
}

/** The methods of a sample, in a rule's notation. */
const methodsText = ({ methods }: Sample, rule: Route): string => {
  const named = methods.filter((method) => rule.methods.includes(method))
  return named.filter((method) => method !== 'HEAD' || !named.includes('GET')).join()
}

/** The path with parameters and `*` in place of the placeholders. */
const patternOf = (labelled: Labelled): string => {
  const { sample, placeholder } = labelled
  return sample.path
    .split('/')
    .map((segment, i, { length }) => {
      const stand = standIn(placeholder, i)
      if (!segment.startsWith(stand)) return segment
      // The literal suffix of a parameter.
      const suffix = segment.replace(unfit(stand), stand).slice(stand.length)
      const name = paramAt(labelled, i)
      if (name !== undefined) return `{${name}}${suffix}`
      return suffix === '' && i === length - 1 ? '*' : `{any}${suffix}`
    })
    .join('/')
}

/** Rates a sample as a finding's label: a whole rule is best, an unusual spelling worst. */
export function specificity(labelled: Labelled): number {
  const { sample, old, now, before, after, placeholder } = labelled
  const { method, host, path } = sample
  if ([before, after].some(({ router }) => router.find(method, host, path).ambiguous)) return -1
  if (patternOf(labelled) === (now ?? old)?.route.path) return Number.POSITIVE_INFINITY
  return path.split(placeholder).length - 1
}
