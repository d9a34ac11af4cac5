import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { CONFIG_SCHEMA_FILE, configSchema, policySchema } from '../../dev/scripts/policy-docs.ts'
import { ROOT } from './repository.ts'

/** `path: message` lines about a value, by a schema that is compiled on first use. */
const mistakesBy = (schema: () => object) => {
  let accepts: ReturnType<Ajv['compile']> | undefined
  return (value: object): readonly string[] => {
    accepts ??= new Ajv({ allErrors: true, strict: false }).compile(schema())
    if (accepts(JSON.parse(JSON.stringify(value)))) return []
    return (accepts.errors ?? []).map(({ instancePath, message, params }) =>
      [`${instancePath}: ${message}`, ...Object.values(params)].join(' '),
    )
  }
}

/** What an editor says of a wrangler.toml, by the schema that the package brings. */
export const editorMistakes = mistakesBy(() => {
  const path = join(ROOT, 'node_modules/wrangler', CONFIG_SCHEMA_FILE)
  return configSchema(JSON.parse(readFileSync(path, 'utf8')))
})

const ofPolicy = mistakesBy(policySchema)

/** What it says of `[vars]`. Compiling that schema takes a third of the time. */
export const editorMistakesOfVars = (vars: object): readonly string[] => ofPolicy({ vars })
