import {
  type GenericSchema,
  type InferIssue,
  type InferOutput,
  pipe,
  rawTransform,
  safeParse,
  unknown,
} from 'valibot'
import { isObject } from '../core/json.ts'
import type { Result } from '../core/result.ts'
import { type Path, type Report, under, unknownName } from './issues.ts'

/** One key's value: how it is read from what the configuration holds. */
export type Field<Value> = GenericSchema<unknown, Value>

type Fields = Readonly<Record<string, Field<unknown>>>

/** What is readable of a table; a key that is absent or broken is not there. */
export type Readable<F extends Fields> = { readonly [K in keyof F]?: InferOutput<F[K]> }

/** A field that may report several mistakes, each at a path inside its value. */
export function field<Value>(read: (value: unknown, report: Report) => Value): Field<Value> {
  return pipe(
    unknown(),
    rawTransform<unknown, Value>(({ dataset, addIssue }) =>
      read(dataset.value, (path, message) => {
        const [first, ...rest] = path.map(step)
        addIssue({ message, ...(first && { path: [first, ...rest] }) })
      }),
    ),
  )
}

const step = (key: string | number) =>
  ({ type: 'unknown', origin: 'value', input: undefined, key, value: undefined }) as const

/** A field with one mistake at most: a value, or a sentence for the operator. */
export function reads<Value>(read: (value: unknown) => Result<Value, string>): Field<Value> {
  return field<Value>((value, report) => {
    const reading = read(value)
    if (reading.ok) return reading.value
    report([], reading.reason)
    return undefined as never
  })
}

/** Reads one value with a field. */
export function readField<Value>(
  schema: Field<Value>,
  value: unknown,
  report: Report,
): Value | undefined {
  const reading = safeParse(schema, value)
  if (reading.success) return reading.output
  for (const issue of reading.issues) report(pathOf(issue), issue.message)
  return undefined
}

const pathOf = (issue: InferIssue<Field<unknown>>): Path =>
  (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)))

/**
 * Reads a table key by key, so that one broken key hides no mistake of another. Own keys only;
 * every key that has no field is a mistake, and so is a required one that is absent. Not
 * valibot's `strictObject`, which names the first unknown key only and takes inherited ones.
 */
export function readTable<const F extends Fields>(
  fields: F,
  required: readonly (keyof F & string)[],
  value: unknown,
  report: Report,
): Readable<F> {
  if (!isObject(value)) {
    report([], 'must be a table')
    return {}
  }
  const names = Object.keys(fields)
  const read: Record<string, unknown> = {}
  for (const [key, raw] of Object.entries(value)) {
    if (!Object.hasOwn(fields, key)) {
      report([key], unknownName('key', key, names))
      continue
    }
    const decoded = readField(fields[key] as Field<unknown>, raw, under(report, key))
    if (decoded !== undefined) read[key] = decoded
  }
  for (const key of required) {
    if (!Object.hasOwn(value, key)) report([key], 'is required')
  }
  return read as Readable<F>
}

/** A table inside a table. */
export function table<const F extends Fields>(
  fields: F,
  required: readonly (keyof F & string)[] = [],
): Field<Readable<F>> {
  return field((value, report) => readTable(fields, required, value, report))
}

/** A list, read item by item. */
export function list<Item>(
  item: Field<Item>,
  { empty = false }: { readonly empty?: boolean } = {},
): Field<readonly Item[]> {
  return field((value, report) => {
    const items: Item[] = []
    if (!Array.isArray(value)) {
      report([], 'must be a list')
      return items
    }
    if (value.length === 0 && !empty) report([], 'must not be an empty list')
    for (const [i, raw] of value.entries()) {
      const decoded = readField(item, raw, under(report, i))
      if (decoded !== undefined) items.push(decoded)
    }
    return items
  })
}
