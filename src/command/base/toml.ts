import { isObject, type JsonObject } from '../../gate/base/json.ts'

/** A value as TOML on one line; what TOML cannot express is found when the file is read. */
export function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`
  return isObject(value) ? `{ ${pairs(value).join(', ')} }` : JSON.stringify(value)
}

const pairs = (table: JsonObject): readonly string[] =>
  Object.entries(table).map(
    ([key, value]) => `${/^[\w-]+$/.test(key) ? key : JSON.stringify(key)} = ${tomlValue(value)}`,
  )

/** A table as lines, for the end of a file. */
export function tomlTable(name: string, table: JsonObject): readonly string[] {
  return [`[${name}]`, ...pairs(table)]
}
