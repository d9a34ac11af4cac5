import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { CONFIG_SCHEMA_FILE, configSchema } from '../../scripts/policy-docs.ts'
import { ROOT } from './repository.ts'

const wrangler = readFileSync(join(ROOT, 'node_modules/wrangler', CONFIG_SCHEMA_FILE), 'utf8')
const accepts = new Ajv({ allErrors: true, strict: false }).compile(
  configSchema(JSON.parse(wrangler)),
)

/** What an editor says of a wrangler.toml, by the schema that the package brings: `path: message` lines. */
export const editorMistakes = (file: object): readonly string[] =>
  accepts(JSON.parse(JSON.stringify(file)))
    ? []
    : (accepts.errors ?? []).map(({ instancePath, message, params }) =>
        [`${instancePath}: ${message}`, ...Object.values(params)].join(' '),
      )
