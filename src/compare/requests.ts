import { getOrMake } from '../gate/base/memo.ts'
import { route } from '../gate/guard/stages/route.ts'
import type { Policy } from '../gate/model/policy.ts'
import { METHODS, type Method, type Route } from '../gate/model/route.ts'
import { holesOf } from '../gate/model/scope.ts'
import { METADATA_PATH, metadataPath } from '../gate/model/well-known.ts'
import type { Pace } from './pace.ts'
import { samplePaths } from './paths.ts'
import { declaredScopes, type Met, valuesIn, writtenTexts } from './scopes.ts'
import { placeOf, type Shape, shapesOf } from './shapes.ts'

/** A sample of the requests that both policies treat alike. */
export interface Sample {
  readonly method: Method
  /** All methods that every rule treats alike. */
  readonly methods: readonly Method[]
  readonly host: string
  readonly path: string
}

export interface Requests {
  readonly samples: Iterable<Sample>
  /** The prefix of placeholder segments. */
  readonly placeholder: string
}

/** Steps to find the shapes of a rule. */
const SHAPE = 50
/** The most paths of all samples. */
const MOST_PATHS = 50_000

/** One sample request of each kind; `undefined` if there are too many, by themselves or for `most`. */
export async function requestsFor(
  before: Policy,
  after: Policy,
  pace: Pace,
  most = Number.POSITIVE_INFINITY,
): Promise<Requests | undefined> {
  const both = [before, after]
  const scopes = [...new Set(both.flatMap(declaredScopes))]
  const rules = both.flatMap(({ routes }) => routes)
  const own = both.flatMap(ownPaths).map((path) => ({ path }))
  const methods = methodsOf(rules)
  const hosts = hostsOf(before, after, rules)
  const shapes: Shape[] = []
  const texts = [...scopes]
  for (const rule of rules) {
    await pace(SHAPE)
    shapes.push(...shapesOf(rule, tellingValues(rule, scopes)))
    texts.push(...writtenTexts(rule))
  }
  const found = await samplePaths(
    [...shapes, ...own.flatMap((rule) => shapesOf(rule))],
    Math.min(MOST_PATHS, most / (hosts.length * methods.length)),
    texts,
    pace,
  )
  if (!found) return undefined
  return { placeholder: found.placeholder, samples: samplesOf(found.paths, hosts, methods) }
}

/** Makes each sample when it is needed: all of them take a tenth of a second. */
function* samplesOf(
  paths: readonly string[],
  hosts: readonly string[],
  methods: readonly Pick<Sample, 'method' | 'methods'>[],
): Generator<Sample> {
  for (const path of paths) {
    for (const host of hosts) for (const alike of methods) yield { ...alike, host, path }
  }
}

/** Paths of the gate's own endpoints. */
const ownPaths = ({ gate, resources }: Policy): readonly string[] => [
  gate.prefix,
  `${gate.prefix}/*`,
  METADATA_PATH,
  ...[...resources.keys()].map((resource) => metadataPath(resource)),
]

const firstOfEach = <Item>(items: Iterable<Item>, kindOf: (item: Item) => string): Item[] => {
  const kinds = new Map<string, Item>()
  for (const item of items) if (!kinds.has(kindOf(item))) kinds.set(kindOf(item), item)
  return [...kinds.values()]
}

/** One method of each set that every rule treats alike, with the set. */
const methodsOf = (rules: readonly Route[]): readonly Pick<Sample, 'method' | 'methods'>[] => {
  const kinds = new Map(
    METHODS.map((method) => [
      method,
      rules.map(({ methods }) => +methods.includes(method)).join(''),
    ]),
  )
  const kindOf = (method: Method) => kinds.get(method) ?? ''
  return firstOfEach(METHODS, kindOf).map((method) => ({
    method,
    methods: METHODS.filter((one) => kindOf(one) === kindOf(method)),
  }))
}

/** Every host of a rule, and one other host that both policies serve, or only one. */
const hostsOf = (before: Policy, after: Policy, rules: readonly Route[]): readonly string[] => {
  const named = new Set(rules.map(({ host }) => host))
  return firstOfEach(new Set([...after.gate.hosts, ...before.gate.hosts]), (host) =>
    named.has(host)
      ? host
      : `${before.gate.hosts.has(host)} ${after.gate.hosts.has(host)} (any other)`,
  )
}

/**
 * By segment: the parameter values with which a template matches one of the scopes. Empty for a
 * parameter that no scope restricts.
 */
const tellingValues = (route: Route, scopes: readonly string[]): Shape['values'] => {
  const found = new Map<number, Set<string>>()
  for (const template of route.scopes.scopes) {
    const valuesOf = (name: string) => getOrMake(found, placeOf(route, name), () => new Set())
    const names = holesOf(template)
    for (const name of names) valuesOf(name)
    for (const scope of names.length > 0 ? scopes : []) {
      for (const [name, value] of valuesIn(template, scope) ?? []) valuesOf(name).add(value)
    }
  }
  return new Map([...found].map(([place, values]) => [place, [...values]]))
}

/** The rule a request matches; `undefined` if it is refused before its credential is read. */
export async function ruleFor(
  policy: Policy,
  { method, host, path }: Pick<Sample, 'method' | 'host' | 'path'>,
): Promise<Met | undefined> {
  const request = { method, url: `https://${host}${path}`, headers: new Headers() }
  const { value } = await route.run({ request, policy }, undefined)
  const { route: found, params = new Map() } = value ?? {}
  return found && !found.endpoint ? { route: found, params, policy } : undefined
}
