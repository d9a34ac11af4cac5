import * as v from 'valibot'
import { isObject, parseJson } from '../base/json.ts'

/** A whole number that is not negative. */
export const COUNT = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
/** A number that is not negative, nor infinite. */
export const AMOUNT = v.pipe(v.number(), v.finite(), v.minValue(0))
/** Milliseconds since the epoch, within the range of dates. */
export const TIME = v.pipe(v.number(), v.minValue(0), v.maxValue(8.64e15))
export const TEXTS = v.array(v.string())
export const OBJECT = v.custom<object>(isObject)
/** For a member that may be absent. */
export const maybe = v.exactOptional

/** A schema for JSON text, on one line, of a value that fits a schema. */
export function jsonOf(schema: v.GenericSchema) {
  return v.custom<string>(
    (text) => typeof text === 'string' && !/[\r\n]/.test(text) && v.is(schema, parseJson(text)),
  )
}

/** A schema for what each method of an object answers. */
export type Answers<Stub> = { readonly [Name in keyof Stub]: v.GenericSchema }

/**
 * The answer of an object or a service, if it fits its schema; otherwise it throws. Does not check members that the
 * schema does not name: the object may run a newer version of the gate.
 */
export function readAnswer<Answer>(schema: v.GenericSchema, answer: Answer): Answer {
  if (!v.is(schema, answer)) throw new Error('malformed answer')
  return answer
}

/** An object that has the methods of a table, and whose answers are read by {@link readAnswer}. */
export function readBy<Stub>(answers: Answers<Stub>, stub: Stub): Stub {
  const methods = stub as Readonly<Record<string, (...given: unknown[]) => unknown>>
  const reading = ([name, schema]: [string, v.GenericSchema]) => [
    name,
    async (...given: unknown[]) => readAnswer(schema, await methods[name]?.(...given)),
  ]
  return Object.fromEntries(Object.entries<v.GenericSchema>(answers).map(reading)) as Stub
}
