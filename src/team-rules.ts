/**
 * Variables of the policy that are built into the Worker: none. Where teams have files of rules, `[alias]` in
 * wrangler.toml puts what `edgewarden check --write` has made of them in place of this module.
 */
export const variables: Readonly<Record<string, unknown>> = {}
