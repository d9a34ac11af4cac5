import { PROFILES, type Profile } from '../../policy/profiles.ts'
import type { ImportedRule } from '../openapi/rules.ts'
import { type Answers, granteeOf, importedRule, pinOf, profileOf, rulesOf } from './init-policy.ts'
import { tomlTable, tomlValue } from './toml.ts'

/** Tests of the policy: each rule with the scopes it needs, and without one of them. */
export function policyTests(answers: Answers, imported: readonly ImportedRule[]): string {
  const profile = profileOf(answers.profile)
  const [[claim = 'scope'] = []] = profile.scope
  const rules = [
    ...rulesOf(answers, imported.length > 0),
    ...imported.slice(0, 1).map(importedRule),
  ]
  const grantee = granteeOf(answers)
  const [[name, value] = []] = Object.entries(grantee ?? {})
  const isPin = name !== undefined && Object.hasOwn(pinOf(answers.issuer), name)
  const code = grantee ? (isPin ? 'claim_rejected' : 'grant_missing') : 'scope_missing'
  const cases = rules.flatMap(({ what, scopes, request }) => {
    const others = ['other', ...scopes.slice(0, -1)].join(' ')
    const lacking = name === undefined ? { [claim]: others } : { [name]: `${value}x` }
    return [
      [
        `name = ${tomlValue(`${what} with ${scopes.join(' ')}`)}`,
        `request = ${request}`,
        `claims = ${tomlValue(grantee ?? { [claim]: scopes.join(' ') })}`,
        'expect = { decision = "allowed" }',
      ],
      [
        `name = ${tomlValue(`${what} without ${scopes.at(-1)}`)}`,
        `request = ${request}`,
        `claims = ${tomlValue(lacking)}`,
        `expect = { decision = "denied", code = ${tomlValue(code)} }`,
      ],
    ]
  })
  const all = [
    ...cases,
    [
      'name = "a request without a token"',
      `request = ${rules[0]?.request}`,
      'expect = { decision = "denied", code = "credential_missing" }',
    ],
  ]
  return [
    ...profileClaims(profile, answers),
    ...all.map((lines) => ['[[case]]', ...lines].join('\n')),
  ].join('\n\n')
}

/** What tokens of a profile have, and a test fills in by itself only for those of RFC 9068. */
const profileClaims = (profile: Profile, answers: Answers): readonly string[] => {
  const { requiredClaims, clientId, clientRequired, claims, sample = {} } = profile
  const names = new Set([
    ...requiredClaims,
    ...(clientRequired ? clientId.slice(0, 1).map(([claim = '']) => claim) : []),
    ...Object.keys(claims),
  ])
  const made = [...names]
    .filter((name) => !PROFILES.rfc9068.requiredClaims.some((one) => one === name))
    .map((name) => [name, [claims[name] ?? 'test'].flat()[0] ?? ''] as const)
  const table = {
    ...Object.fromEntries(made),
    ...sample,
    ...pinOf(answers.issuer),
    ...granteeOf(answers),
  }
  return made.length === 0 ? [] : [tomlTable('defaults.claims', table).join('\n')]
}
