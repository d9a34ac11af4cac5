import type { InferOutput } from 'valibot'
import type { Field, Fields, Flat, Readable } from './table.ts'

/** A row whose value is in the model under the same name; `otherwise` is the value if the key is absent. */
export interface IsKept<Otherwise> {
  readonly otherwise: Otherwise
}

/** A key whose value is in the model as it is read. Without `otherwise` it is absent from the model where it is unset. */
export function kept<One extends Field<unknown>>(field: One): One & IsKept<undefined>
export function kept<One extends Field<unknown>, const Otherwise extends InferOutput<One>>(
  field: One,
  otherwise: Otherwise,
): One & IsKept<Otherwise>
export function kept(field: Field<unknown>, otherwise?: unknown) {
  return { ...field, otherwise }
}

/** A name of the configuration as it is in the model. */
export type Camel<Name> = Name extends `${infer Head}_${infer Rest}`
  ? `${Head}${Capitalize<Camel<Rest>>}`
  : Name

/**
 * A name of the configuration as it is in the model.
 * @example camelCase('max_lifetime') // 'maxLifetime'
 */
export function camelCase(key: string): string {
  return key.replace(/_(.)/g, (_all, letter: string) => letter.toUpperCase())
}

type Kept<F extends Fields> = Flat<
  {
    readonly [K in keyof F as F[K] extends IsKept<undefined> ? Camel<K> : never]?: ValueOf<F[K]>
  } & {
    readonly [K in keyof F as F[K] extends IsKept<undefined>
      ? never
      : F[K] extends IsKept<unknown>
        ? Camel<K>
        : never]: ValueOf<F[K]>
  }
>

type ValueOf<One extends Field<unknown>> = Exclude<InferOutput<One>, undefined>

/** The part of the model that rows with `kept` say. */
export function keptOf<F extends Fields>(fields: F, entry: Readable<F>): Kept<F> {
  const model: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(fields)) {
    if (!('otherwise' in field)) continue
    const value = entry[key] ?? field.otherwise
    if (value !== undefined) model[camelCase(key)] = value
  }
  return model as Kept<F>
}
