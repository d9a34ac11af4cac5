/** The values of conditions: what is read from JSON, how values are compared, and arithmetic. */
import { inexactMembers, isObject } from './json.ts'
import type { Json, JsonObject } from './types.ts'

/** An error as CEL has it: `||` and `&&` can make up for it. */
export class Wrong extends Error {}

/** A value that no condition may read: the whole condition is an error. */
export class Unfit extends Error {}

/** A point in time, in nanoseconds since 1970. */
export class Moment {
  nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

/** A length of time, in nanoseconds. */
export class Span {
  nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

/** A map. `in` works only on some. */
export class Table {
  members: Map<string, () => Value>
  takesIn: boolean
  /** Whether it is `token`, `arguments`, `agent` or `request`, which are no values as a whole. */
  isRoot: boolean
  constructor(members: [string, () => Value][], takesIn = false, isRoot = false) {
    this.members = new Map(members)
    this.takesIn = takesIn
    this.isRoot = isRoot
  }
  get(name: string): Value {
    const member = this.members.get(name)
    if (!member) throw new Wrong(`${name} is absent`)
    return member()
  }
}

/** A value: whole numbers of CEL are bigints, doubles are numbers. */
export type Value = null | boolean | bigint | number | string | Value[] | Table | Moment | Span

/** A text that a condition may read. */
export function textOf(text: string): string {
  if (text.length > 1024) throw new Unfit('a text of more than 1,024 characters')
  if (text.includes('\0') || !text.isWellFormed()) throw new Unfit('an ill-formed text')
  return text
}

/** How many members a value has in all, and how many levels. */
function sizeOf(value: Json | undefined): { members: number; levels: number } {
  if (typeof value !== 'object' || value === null) return { members: 0, levels: 0 }
  const inside = Object.values(value).map(sizeOf)
  return {
    members: inside.reduce((sum, one) => sum + one.members, inside.length),
    levels: 1 + Math.max(0, ...inside.map((one) => one.levels)),
  }
}

function convert(value: Json, isExact: boolean): Value {
  if (typeof value === 'number' && !isExact) throw new Unfit('an inexact number')
  if (typeof value === 'string') return textOf(value)
  if (typeof value !== 'object' || value === null) return value
  const wrong = inexactMembers(value)
  const entries = Object.entries(value)
  if (entries.length > 256) throw new Unfit('more than 256 members')
  const members = entries.map(([name, member]): [string, Value] => [
    Array.isArray(value) ? name : textOf(name),
    convert(member ?? null, !wrong.has(name)),
  ])
  if (Array.isArray(value)) return members.map(([, member]) => member)
  return new Table(members.map(([name, member]) => [name, () => member]))
}

/** Reads a member of `token` or `arguments`: the whole member has to be within the limits. */
function readMember(of: JsonObject, name: string, isToken: boolean): Value {
  let value = of[name] ?? null
  if (isToken && name === 'act' && isObject(value)) {
    // "`token.act` has no inner actors".
    const { act, ...outer } = value
    if ([...inexactMembers(value)].some((one) => one !== 'act'))
      throw new Unfit('an inexact number')
    value = outer
  }
  const { members, levels } = sizeOf(value)
  if (members > 1024 || levels > 5) throw new Unfit('a value that is too large')
  return convert(value, !inexactMembers(of).has(name))
}

/** `token` or `arguments`. */
export function rootOf(object: JsonObject, isToken: boolean): Table {
  const names = Object.keys(object)
  return new Table(
    names.map((name) => [name, () => readMember(object, name, isToken)]),
    true,
    true,
  )
}

/** A map with texts, such as the headers. */
export function tableOf(texts: Record<string, string>): Table {
  const entries = Object.entries(texts)
  return new Table(
    entries.map(([name, text]) => [name, () => textOf(text)]),
    true,
  )
}

const isNumber = (value: Value): value is bigint | number =>
  typeof value === 'bigint' || typeof value === 'number'

/** -1, 0 or 1. Values of different types have no order. */
export function compare(a: Value, b: Value): number {
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (typeof a === 'string' && typeof b === 'string') {
    // CEL compares texts by code points.
    return Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }
  if ((a instanceof Moment && b instanceof Moment) || (a instanceof Span && b instanceof Span)) {
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0
  }
  throw new Wrong('values of these types have no order')
}

/** Whether two values are equal. Values of different types are not, except numbers. */
export function equal(a: Value, b: Value): boolean {
  if (a === null || b === null) return a === b
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((one, at) => equal(one, b[at] ?? null))
  }
  if (a instanceof Table || b instanceof Table) {
    if (!(a instanceof Table && b instanceof Table) || a.members.size !== b.members.size)
      return false
    return [...a.members.keys()].every(
      (name) => b.members.has(name) && equal(a.get(name), b.get(name)),
    )
  }
  const isComparable =
    (isNumber(a) && isNumber(b)) ||
    (typeof a === typeof b && typeof a !== 'object') ||
    (a instanceof Moment && b instanceof Moment) ||
    (a instanceof Span && b instanceof Span)
  return isComparable && compare(a, b) === 0
}

/** A whole number of at most 64 bits. */
export function int64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new Wrong('more than 64 bits')
  return value
}

/** A double that is exact: no infinity, and no whole number over 9007199254740991. */
export function exact(value: number): number {
  if (!Number.isFinite(value)) throw new Wrong('no number')
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Wrong('an inexact number')
  return value + 0
}

const SECOND = 1_000_000_000n
/** The years 1 to 9999. */
const [FIRST, LAST] = [-62135596800n * SECOND, 253402300800n * SECOND - 1n]
/** 10,000 years, as CEL has them: of 365.25 days. */
const LONGEST = 315576000000n * SECOND

/** A time within the years 1 to 9999. */
export function momentOf(nanos: bigint): Moment {
  if (nanos < FIRST || nanos > LAST) throw new Wrong('a time outside the years 1 to 9999')
  return new Moment(nanos)
}

/** A length of time of at most 10,000 years. */
export function spanOf(nanos: bigint): Span {
  if (nanos > LONGEST || nanos < -LONGEST) throw new Wrong('a duration over 10,000 years')
  return new Span(nanos)
}

function calculateInts(operator: string, a: bigint, b: bigint): bigint {
  if ((operator === '/' || operator === '%') && b === 0n) throw new Wrong('a division by zero')
  if (operator === '+') return int64(a + b)
  if (operator === '-') return int64(a - b)
  if (operator === '*') return int64(a * b)
  return int64(operator === '/' ? a / b : a % b)
}

function calculateDoubles(operator: string, a: number, b: number): number {
  if (operator === '+') return exact(a + b)
  if (operator === '-') return exact(a - b)
  if (operator === '*') return exact(a * b)
  if (operator === '/') return exact(a / b)
  throw new Wrong('% is for whole numbers')
}

/** `+`, `-`, `*`, `/` and `%`. */
export function calculate(operator: string, a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return calculateInts(operator, a, b)
  if (typeof a === 'number' && typeof b === 'number') return calculateDoubles(operator, a, b)
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return a + b
    if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b]
    if (a instanceof Moment && b instanceof Span) return momentOf(a.nanos + b.nanos)
    if (a instanceof Span && b instanceof Moment) return momentOf(a.nanos + b.nanos)
    if (a instanceof Span && b instanceof Span) return spanOf(a.nanos + b.nanos)
  }
  if (operator === '-') {
    if (a instanceof Moment && b instanceof Moment) return spanOf(a.nanos - b.nanos)
    if (a instanceof Moment && b instanceof Span) return momentOf(a.nanos - b.nanos)
    if (a instanceof Span && b instanceof Span) return spanOf(a.nanos - b.nanos)
  }
  throw new Wrong(`no ${operator} for these types`)
}
