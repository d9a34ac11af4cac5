/** Makes a case smaller while its disagreement stays, and prints it. */
import { compareCase, type Disagreement } from './compare.ts'
import type { Case } from './shapes.ts'

type Node = Record<string, unknown> | unknown[]

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

/** All places in a value that may be taken out, the largest first. */
function placesOf(value: unknown, path: string[] = []): string[][] {
  if (!isNode(value)) return []
  const names = Object.keys(value).reverse()
  const own = names.map((name) => [...path, name])
  return [
    ...own,
    ...names.flatMap((name) => placesOf((value as Record<string, unknown>)[name], [...path, name])),
  ]
}

/** A copy without what is at a place; `undefined` if there is nothing. */
function without<T>(value: T, path: string[]): T | undefined {
  const copy = structuredClone(value)
  let at: unknown = copy
  for (const name of path.slice(0, -1)) {
    at = isNode(at) ? (at as Record<string, unknown>)[name] : undefined
  }
  const last = path.at(-1) ?? ''
  if (!isNode(at) || !(last in at)) return undefined
  if (Array.isArray(at)) at.splice(Number(last), 1)
  else delete at[last]
  return copy
}

/** What a case must have, so that both can read it. */
function isWhole({ policies, keys, tokens, steps }: Case): boolean {
  return (
    [policies, steps].every((list) => Array.isArray(list) && list.length > 0) &&
    [keys, tokens].every(isNode) &&
    policies.every(({ GATE, ISSUERS, ROUTES } = {} as never) =>
      [GATE, ISSUERS, ROUTES].every(isNode),
    ) &&
    Object.values(tokens).every((token) => token?.key && token.header && token.claims) &&
    steps.every(({ request } = {} as never) => {
      if (!request) return false
      const { method, scheme, host, target, headers, address, token, proof } = request
      const texts = [method, scheme, host, target, address]
      if (texts.some((one) => typeof one !== 'string' || one === '')) return false
      if (!Array.isArray(headers) || headers.some((one) => one?.length !== 2)) return false
      if (proof && !(proof.key && proof.header && proof.claims)) return false
      return token === undefined || token in tokens
    })
  )
}

/** The disagreement of a case by what it is about, so that shrinking does not change to another. */
const kindOf = ({ about }: Disagreement): string => about.map((one) => one.split(':')[0]).join()

const sameKind = (one: Disagreement, other: Disagreement): boolean =>
  kindOf(one) === kindOf(other) &&
  one.first.code === other.first.code &&
  one.second.code === other.second.code

/** The smallest case that was found with the same disagreement. */
export async function shrunk(
  one: Case,
): Promise<{ smallest: Case; found: Disagreement } | undefined> {
  const first = await compareCase(one)
  if (!first) return undefined
  let found = first
  let smallest: Case = { ...one, steps: one.steps.slice(0, found.step + 1) }
  const tries = async (next: Case | undefined): Promise<boolean> => {
    if (!next || !isWhole(next)) return false
    const other = await compareCase(next).catch(() => undefined)
    if (!other || !sameKind(found, other)) return false
    smallest = next
    found = other
    return true
  }
  // Steps first: they cost most.
  for (let size = smallest.steps.length - 1; size > 0; size = Math.floor(size / 2)) {
    for (let at = 0; at + size < smallest.steps.length; ) {
      const steps = smallest.steps.filter((_, i) => i < at || i >= at + size)
      if (!(await tries({ ...smallest, steps }))) at += size
    }
  }
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false
    for (const path of placesOf(smallest)) {
      if (await tries(without(smallest, path))) isSmaller = true
    }
  }
  return { smallest, found }
}

/** A case as it can be pasted into a test, with what both said. */
export function printed(one: Case, { step, about, first, second }: Disagreement): string {
  return [
    `differs at step ${step}: ${about.join('; ')}`,
    `const pasted: Case = ${JSON.stringify(one, undefined, 1)}`,
    `first:  ${JSON.stringify(first)}`,
    `second: ${JSON.stringify(second)}`,
  ].join('\n')
}
