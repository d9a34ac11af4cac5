import type { AskedOfMcp } from '../answer/explain-mcp.ts'
import { isObject, type JsonObject } from '../base/json.ts'
import { fail, ok } from '../base/result.ts'
import { MCP_REVISIONS } from '../model/mcp.ts'
import { text, word } from '../policy/fields.ts'
import { type Field, field, reads, readTable } from '../policy/table.ts'

const some = text((value) => (value === '' ? fail('must not be empty') : ok(value)))

const FIELDS = {
  method: some,
  name: some,
  arguments: reads<JsonObject>((value) =>
    isObject(value) ? ok(value) : fail('must be an object'),
  ),
  revision: word(MCP_REVISIONS),
}

/** What is asked of an MCP server, as it is told: `{ "method": "tools/call", "name": "get_weather" }`. */
export const mcpField: Field<AskedOfMcp | undefined> = field((value, report) => {
  const { method, ...rest } = readTable(FIELDS, ['method'], value, report)
  return method === undefined ? undefined : { method, ...rest }
})
