/** Keys in the wrong table. In TOML a key belongs to the header above it, and that is often not the one that is meant. */
import { WATCH_KEYS } from '../../gate/policy/keys/agents.ts'
import { AUDIT_KEYS } from '../../gate/policy/keys/audit.ts'
import { GATE_KEYS } from '../../gate/policy/keys/gate.ts'
import { GRANT_KEYS } from '../../gate/policy/keys/grants.ts'
import { ISSUER_KEYS } from '../../gate/policy/keys/issuer-keys.ts'
import { ROUTE_KEYS } from '../../gate/policy/keys/route-keys.ts'
import type { PolicyIssue } from '../../gate/policy/reading/issues.ts'

/** Keys of wrangler that stand at the top of the file, above all tables. */
const OF_WRANGLER = [
  'account_id',
  'compatibility_date',
  'compatibility_flags',
  'find_additional_modules',
  'keep_names',
  'keep_vars',
  'logpush',
  'main',
  'minify',
  'name',
  'no_bundle',
  'preview_urls',
  'route',
  'routes',
  'send_metrics',
  'tsconfig',
  'upload_source_maps',
  'workers_dev',
]

/** What each table may have, and how to name it. The first that has a key is meant. */
const OWNERS: readonly (readonly [keys: object, name: string])[] = [
  [GATE_KEYS, 'of [vars.GATE]; move it below that header'],
  [ISSUER_KEYS, 'of an issuer; move it below [vars.ISSUERS.NAME]'],
  [ROUTE_KEYS, 'of a rule; move it below [[vars.ROUTES]]'],
  [GRANT_KEYS, 'of a grant; move it below [[vars.GRANTS]]'],
  [AUDIT_KEYS, 'of [vars.AUDIT]; move it below that header'],
  [WATCH_KEYS, 'of [vars.WATCH]; move it below that header'],
  [
    Object.fromEntries(OF_WRANGLER.map((key) => [key, true])),
    'of wrangler; move it to the top of the file, above all tables',
  ],
]

/** A key directly in a table of the policy. Not in SCOPES, where every name is the operator's. */
const DIRECT =
  /^(?:(?:GATE|AUDIT|WATCH)(?:_\w+)?|ISSUERS(?:_\w+)?\.[^.[\]]+|(?:ROUTES|GRANTS)\w*\[\d+\])\.([\w-]+)$/
const UNKNOWN = /^unknown key `/

/** The mistakes. One about a key of another table says which. */
export function strayed(issues: readonly PolicyIssue[]): readonly PolicyIssue[] {
  return issues.map((issue) => {
    const [, key = ''] = DIRECT.exec(issue.path) ?? []
    const owner = OWNERS.find(([keys]) => Object.hasOwn(keys, key))
    if (owner === undefined || !UNKNOWN.test(issue.message)) return issue
    const [words = ''] = issue.message.split('\n', 1)
    const [, where = '', cure = ''] = /^(.*?)(;.*)$/.exec(owner[1]) ?? []
    // A slip in the name is as likely.
    const said = words.includes('did you mean')
      ? `${words} \`${key}\` itself is a key ${where}`
      : `\`${key}\` is a key ${where}${cure}`
    return { ...issue, message: issue.message.replace(words, () => said) }
  })
}
