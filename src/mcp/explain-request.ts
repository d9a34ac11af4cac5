import { isObject, type JsonObject } from '../core/json.ts'
import { MCP_REVISIONS } from '../core/model/mcp.ts'
import { fail, ok } from '../core/result.ts'
import { text, word } from '../policy/fields.ts'
import { type Field, reads, required, table } from '../policy/table.ts'
import type { AskedOfMcp } from './explain.ts'

const some = text((value) => (value === '' ? fail('must not be empty') : ok(value)))

const FIELDS = {
  method: required(some),
  name: some,
  arguments: reads<JsonObject>((value) =>
    isObject(value) ? ok(value) : fail('must be an object'),
  ),
  revision: word(MCP_REVISIONS),
}

/** What is asked of an MCP server, as it is told: `{ "method": "tools/call", "name": "get_weather" }`. */
export const mcpField: Field<AskedOfMcp | undefined> = table(FIELDS, ({ method, ...rest }) =>
  method === undefined ? undefined : { method, ...rest },
)
