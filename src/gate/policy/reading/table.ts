import {
  array,
  type GenericSchema,
  type InferInput,
  type InferIssue,
  type InferOutput,
  nonEmpty,
  pipe,
  rawTransform,
  safeParse,
  unknown,
} from 'valibot'
import { isObject } from '../../base/json.ts'
import type { Result } from '../../base/result.ts'
import { type Path, type Report, under, unknownName } from './issues.ts'

/** One key's value, a schema of valibot: how it is read, and what may be written. */
export type Field<Value, Input = unknown> = GenericSchema<Input, Value>

/** The keys of a table, one row each. */
export type Fields = Readonly<Record<string, Field<unknown>>>

/** The readable keys of a table, without absent and broken ones. */
export type Readable<F extends Fields> = { readonly [K in keyof F]?: InferOutput<F[K]> }

/** What marks a key that must be there. */
export interface IsRequired {
  readonly required: true
}

/** What may be written as a table. */
export type TableInput<F extends Fields> = Flat<
  {
    readonly [K in keyof F as F[K] extends IsRequired ? K : never]: InferInput<F[K]>
  } & {
    readonly [K in keyof F as F[K] extends IsRequired ? never : K]?: InferInput<F[K]>
  }
>

/** One object type in place of several. */
export type Flat<Table> = { readonly [K in keyof Table]: Table[K] }

/**
 * What the documentation and the JSON Schema say of a key. Nothing that serves requests imports it, so a
 * bundler leaves it out.
 */
export interface KeyDoc<Input> {
  /** One or two sentences in Markdown: what it does, what it does not, the trap. Links are relative to docs/. */
  readonly description: string
  /** What applies where the key is absent. */
  readonly default?: Input
  /** The default in words, if it is not a fixed value. */
  readonly unset?: string
  readonly example: Input
}

/** A table's documentation: one row for each of its keys, and no other. */
export type KeyDocs<F extends Fields> = { readonly [K in keyof F]: KeyDoc<InferInput<F[K]>> }

/** How `diff` compares two values of a key. `src/compare/judges.ts` has a function for each name. */
export type Comparing =
  /** Compared by the requests that are allowed, or by code of its own. */
  | 'elsewhere'
  /** Cannot be compared: counted as wider. */
  | 'opaque'
  | 'neutral'
  | 'neutralWhereBoth'
  | 'flag'
  | 'guard'
  | 'larger'
  | 'largerWhereBoth'
  | 'accepts'
  | 'acceptsMore'
  | 'requires'
  | 'permission'
  | 'restriction'
  | 'restrictionByAccepts'
  | 'restrictionByLarger'
  | 'restrictionByQuota'
  | 'algorithms'
  | 'destination'
  | 'secured'

/** Rows by which a table is compared key by key. */
export type ComparedRows = Readonly<Record<string, { readonly compare: Compare<unknown> }>>

/** A name; the words of a key in order, beginning with the one that allows least; or the rows of a nested table. */
export type Compare<Input> = Comparing | readonly Input[] | ComparedRows

/** What the documentation says of a key, and how `diff` compares it. */
export interface ComparedDoc<Input> extends KeyDoc<Input> {
  readonly compare: Compare<Input>
}

/** The documentation of a table whose keys are compared one by one. */
export type ComparedDocs<F extends Fields> = {
  readonly [K in keyof F]: ComparedDoc<InferInput<F[K]>>
}

/** What a field that reads by itself takes, in the words of valibot's schemas. */
export interface Form<Input> {
  readonly type: 'unknown' | 'picklist' | 'union' | 'record' | 'strict_object'
  readonly options?: readonly unknown[]
  readonly value?: Written<unknown>
  readonly entries?: Fields
  /** Never set. This member never exists at run time: it only has the type of what may be written. */
  readonly input?: Input
}

/** What may be written: by the field that reads it, or by a description of it. */
export type Written<Input> = Field<unknown, Input> | Form<Input>

type InputOf<One> =
  One extends GenericSchema<infer Input, unknown>
    ? Input
    : One extends Form<infer Input>
      ? Input
      : never

/** One of several forms. */
export function anyOf<const Options extends readonly Written<unknown>[]>(
  ...options: Options
): Form<InputOf<Options[number]>> {
  return { type: 'union', options }
}

/** A table whose keys are names that the operator chooses. */
export function namesTo<Input>(value: Written<Input>): Form<Readonly<Record<string, Input>>> {
  return { type: 'record', value }
}

/** A field that may report several mistakes, each at a path inside its value. */
export function field<Value, Input = unknown>(
  read: (value: unknown, report: Report) => Value,
  form: Form<Input> = { type: 'unknown' },
): Field<Value, Input> {
  const reading = rawTransform<unknown, Value>(({ dataset, addIssue }) =>
    read(dataset.value, (path, message) => {
      const [first, ...rest] = path.map(step)
      addIssue({ message, ...(first && { path: [first, ...rest] }) })
    }),
  )
  return as(pipe(unknown(), reading), form)
}

const step = (key: string | number) =>
  ({ type: 'unknown', origin: 'value', input: undefined, key, value: undefined }) as const

/** The result of a reading with at most one mistake: a value, or a sentence for the operator. */
export function checked<Input, Value>(read: (value: Input) => Result<Value, string>) {
  return rawTransform<Input, Value>(({ dataset, addIssue, NEVER }) => {
    const reading = read(dataset.value)
    if (reading.ok) return reading.value
    addIssue({ message: reading.reason })
    return NEVER
  })
}

/** A field with one mistake at most. */
export function reads<Value, Input = unknown>(
  read: (value: unknown) => Result<Value, string>,
  form: Form<Input> = { type: 'unknown' },
): Field<Value, Input> {
  return as(pipe(unknown(), checked(read)), form)
}

const as = <Value, Input>(schema: Field<Value>, form: Form<Input>) =>
  Object.assign(schema, form) as Field<Value> as Field<Value, Input>

/** A key that must be there. */
export function required<Value, Input>(schema: Field<Value, Input>) {
  return { ...schema, required: true } as Field<Value, Input> & IsRequired
}

/** Reads one value with a field. */
export function readField<Value>(
  schema: Field<Value>,
  value: unknown,
  report: Report,
): Value | undefined {
  const reading = safeParse(schema, value, ONE_MISTAKE)
  if (reading.success) return reading.output
  for (const issue of reading.issues) report(pathOf(issue), issue.message)
  return undefined
}

const pathOf = (issue: InferIssue<Field<unknown>>): Path =>
  (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)))

/** A value that fails a check is not checked further. */
const ONE_MISTAKE = { abortPipeEarly: true } as const

/**
 * Reads a table key by key, so that one broken key hides no mistake of another. Own keys only;
 * every key that has no field is a mistake, and so is a required one that is absent. Not
 * valibot's `strictObject`, which names the first unknown key only and takes inherited ones.
 */
export function readTable<const F extends Fields>(
  fields: F,
  value: unknown,
  report: Report,
): Readable<F> {
  if (!isObject(value)) {
    report([], 'must be a table')
    return {}
  }
  const read: Record<string, unknown> = {}
  for (const [key, raw] of Object.entries(value)) {
    const schema = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (!schema) {
      report([key], unknownName('key', key, Object.keys(fields)))
      continue
    }
    const decoded = readField(schema, raw, under(report, key))
    if (decoded !== undefined) read[key] = decoded
  }
  for (const [key, schema] of Object.entries(fields)) {
    if ('required' in schema && !Object.hasOwn(value, key)) report([key], 'is required')
  }
  return read as Readable<F>
}

/** A table inside a table. `make` turns the table into its form in the policy, and may report more mistakes. */
export function table<const F extends Fields, Value = Readable<F>>(
  fields: F,
  make: (entry: Readable<F>, report: Report, written: unknown) => Value = (entry) =>
    entry as unknown as Value,
): Field<Value, TableInput<F>> {
  return field((value, report) => make(readTable(fields, value, report), report, value), {
    type: 'strict_object',
    entries: fields,
  })
}

/** The entries of a table whose keys are names. Reports `otherwise` for any other value, and returns none. */
export function namedEntries(
  value: unknown,
  report: Report,
  otherwise: string,
): readonly (readonly [name: string, value: unknown])[] {
  if (isObject(value)) return Object.entries(value)
  report([], otherwise)
  return []
}

/** A list, read item by item. */
export function list<Item, Input>(
  item: Field<Item, Input>,
  { empty = false }: { readonly empty?: boolean } = {},
): Field<readonly Item[], readonly Input[]> {
  const items = array(item, 'must be a list')
  return empty ? items : pipe(items, nonEmpty('must not be an empty list'))
}
