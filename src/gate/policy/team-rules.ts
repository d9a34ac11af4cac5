/**
 * Variables of the policy that are built into the Worker: none. Where teams have files of rules, `[alias]` in
 * wrangler.toml replaces this module by the rules that `edgewarden check --write` has made of these files.
 */
export const variables: Readonly<Record<string, unknown>> = {}
