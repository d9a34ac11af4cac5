import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as addFormats from 'ajv-formats'
import { ROOT } from './repository.ts'

const ajv = new Ajv2020({ allErrors: true })
addFormats.default(ajv)

/** Whether a value fits docs/record.schema.json; then see `isRecord.errors`. */
export const isRecord = ajv.compile(
  JSON.parse(readFileSync(join(ROOT, 'docs/record.schema.json'), 'utf8')),
)
