import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { cut } from '../../gate/base/text.ts'
import { columns } from './output.ts'
import { utc } from './times.ts'

/** Characters of one value, and of a name, that are shown. */
const VALUE = 80
const NAME = 40
/** Pairs of one step that are shown. */
const PAIRS = 16

/** Members that are seconds since the epoch. */
const MOMENTS: ReadonlySet<string> = new Set(['iat', 'exp', 'nbf', 'auth_time', 'now'])

const MARKS: Readonly<Record<string, string>> = { passed: '✓', ended: '✓', denied: '✗' }

/** Text that can follow `=` without quotes. */
const BARE = /^[^\s"=,\\]+$/

/** Steps of a decision, one line each: mark, stage, what it found. Accepts any answer of a gate. */
export function stepLines(steps: readonly JsonObject[]): readonly string[] {
  return columns(
    steps.map((step) => {
      const outcome = String(own(step, 'outcome'))
      const mark = own(MARKS, outcome) ?? '?'
      const found = detailText(objectOf(own(step, 'detail')))
      const end = outcome === 'ended' ? 'asks for nothing more' : ''
      const what = [end, found].filter((text) => text !== '').join('; ')
      return [`${mark} ${cut(String(own(step, 'stage')), NAME)}`, what]
    }),
  )
}

/** The result of each operand of a condition, one line each, to print below its step. */
export function operandLines(step: JsonObject): readonly string[] {
  const operands = listOf(own(objectOf(own(step, 'detail')), 'operands')).filter(isObject)
  return operands.slice(0, OPERANDS).map((one) => {
    const sides = listOf(own(one, 'sides')).filter(isObject).map(operandText)
    return `    ${operandText(one)}${sides.length > 0 ? `   (${sides.join('; ')})` : ''}`
  })
}

/** Operands of one step that are shown, and characters of one. */
const OPERANDS = 64
const OPERAND = 128

const operandText = (operand: JsonObject): string => {
  const source = cut(String(own(operand, 'source')).replace(/\s+/g, ' '), OPERAND)
  const error = own(operand, 'error')
  const result = error === undefined ? json(own(operand, 'value')) : String(error)
  return `${source} → ${error === undefined ? '' : 'error: '}${cut(result, OPERAND)}`
}

/** What a step found as `name=value` pairs; empty members are left out, long values are cut. */
export function detailText(detail: JsonObject): string {
  const pairs = Object.entries(detail).flatMap(([name, value]) => {
    const text = valueText(name, value)
    return text === undefined ? [] : [`${cut(name, NAME)}=${text}`]
  })
  return [...pairs.slice(0, PAIRS), ...(pairs.length > PAIRS ? ['…'] : [])].join(' ')
}

const valueText = (name: string, value: unknown): string | undefined => {
  if (value === undefined || value === null) return undefined
  // Zero means a moment that the token does not name.
  if (typeof value === 'number')
    return MOMENTS.has(name) && value !== 0 ? quoted(utc(value)) : String(value)
  if (typeof value === 'string') return quoted(cut(value, VALUE))
  if (isObject(value) && Object.keys(value).length === 0) return undefined
  const isPlain = Array.isArray(value) && value.length > 0 && value.every((one) => !isNested(one))
  return cut(isPlain ? value.map((one) => quoted(String(one))).join(',') : json(value), VALUE)
}

const isNested = (value: unknown): boolean => typeof value === 'object' && value !== null

const json = (value: unknown): string => JSON.stringify(value) ?? ''

const quoted = (text: string): string => (BARE.test(text) ? text : json(text))
