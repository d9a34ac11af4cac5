/** The stage of every code of docs/denials.md: a stage has a numbered section, and a code a row of its table. */
import { readFileSync } from 'node:fs'

const PAGE = readFileSync(new URL('../../docs/denials.md', import.meta.url), 'utf8')

/** Stages by code. */
export const CODES: Record<string, string> = Object.fromEntries([
  ...PAGE.split('\n### ').flatMap((section) => {
    const [, stage] = /^\d+\. (\w+)/.exec(section) ?? []
    const rows = [...section.matchAll(/^\| (?:<a id="\w+"><\/a>)?`(\w+)`/gm)]
    return stage === undefined ? [] : rows.map(([, code]) => [code, stage])
  }),
  ['unavailable', 'any'],
  ...['body_unexpected', 'origin_unreachable', 'origin_credential_refused'].map((code) => [
    code,
    'origin',
  ]),
  ['decision_reach', 'endpoint'],
])
