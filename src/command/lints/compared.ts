/** Texts that look like a pattern or an address of something else, and are compared or called exactly as written. */

import { issueIf, type PolicyIssue, quote } from '../../gate/policy/reading/issues.ts'
import type { PolicyVars } from '../../gate/policy/reading/vars.ts'
import { policyTexts } from './lint.ts'

const METADATA = /\/\.well-known\/(?:openid-configuration|oauth-authorization-server).*$/

/** Where a text is, which texts are meant, and what becomes of them. */
const TEXTS: readonly (readonly [at: RegExp, pattern: RegExp, said: (text: string) => string])[] = [
  [
    /\.issuer$/,
    METADATA,
    (text) =>
      `is the address of the issuer's metadata, and tokens name the issuer itself; write ${quote(text.replace(METADATA, ''))}`,
  ],
  [
    /\.jwks_uri$/,
    METADATA,
    () =>
      "is the address of the issuer's metadata, which has no keys; leave jwks_uri out, and the gate finds it",
  ],
  [
    /\.origin$/,
    /\*/,
    (text) =>
      `has a * that is sent as it is; the path of a request is added to the end: write ${quote(text.replace(/\/?\*.*$/, ''))}`,
  ],
  [
    /^(?!GRANTS).*\.scopes(?:\.any)?\[\d+\]$/,
    /\*/,
    (text) =>
      `${quote(text)} is compared as it is, and a token needs exactly this scope; [] means any valid token`,
  ],
  [
    /\.claims\b(?!.*\.pattern$)/,
    /\*/,
    (text) =>
      `${quote(text)} is compared as it is; for a pattern write { pattern = "${text.replaceAll('*', '.*')}" }`,
  ],
]

/** Warnings of a valid policy about such texts. Texts of `pattern` are patterns. */
export function compared(vars: PolicyVars): readonly PolicyIssue[] {
  return policyTexts(vars).flatMap(({ text, path }) =>
    TEXTS.flatMap(([at, pattern, said]) =>
      issueIf(at.test(path) && pattern.test(text), path, said(text)),
    ),
  )
}
