import { perObject } from '../../core/memo.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { Route } from '../../core/model/route.ts'
import { PARAM } from '../../policy/route-index.ts'
import { ruleFor } from '../diff/requests.ts'

/** Values that parameters of a path must have. */
export type Only = Readonly<Record<string, string>>

/** Stands for a value that no scope, no workflow and no rule is about. */
const ANY = 'x'.repeat(128)

/** The value of a parameter; where none is said, one that nothing is about. */
export function valueFor(only: Only, name: string): string {
  return (Object.hasOwn(only, name) ? only[name] : undefined) ?? ANY
}

/**
 * Whether some path with these values comes to the rule by one of the methods, and not to a rule
 * before it. Judges no credential.
 */
export async function isServed(
  policy: Policy,
  route: Route,
  only: Only,
  methods = route.methods,
): Promise<boolean> {
  const paths = pathsOf(route, only, deepest(policy))
  const hosts = route.host === undefined ? policy.gate.hosts : [route.host]
  for (const host of hosts) {
    for (const method of methods) {
      for (const path of paths) {
        if ((await ruleFor(policy, { method, host, path }))?.route === route) return true
      }
    }
  }
  return false
}

const partsOf = (path: string): readonly string[] => path.split('/')

/** Parts of the longest path of all rules. */
const deepest = perObject(({ routes }: Policy) =>
  routes.reduce((most, { path }) => Math.max(most, partsOf(path).length), 0),
)

/** A rest is tried empty, and at every depth to below the longest path that could take it. */
const pathsOf = ({ path }: Route, only: Only, depth: number): readonly string[] => {
  const parts = partsOf(path).map((part) =>
    part.replace(PARAM, (_, name: string, suffix: string) => valueFor(only, name) + suffix),
  )
  const base = parts.slice(0, -1)
  if (parts.at(-1) !== '*') return [parts.join('/')]
  const rests = [[''], ...Array.from({ length: depth - base.length + 1 }, (_, n) => filled(n + 1))]
  return rests.map((rest) => [...base, ...rest].join('/'))
}

const filled = (length: number): readonly string[] => Array<string>(length).fill(ANY)
