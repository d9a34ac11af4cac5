import { describe, expect, it } from 'vitest'
import { ownManifest } from '../../../src/command/base/files.ts'
import { CHANGES, type Change, isNewer, isVersion } from '../../../src/command/lints/changes.ts'
import { check } from '../../../src/command/policy/check.ts'
import { isObject, listOf, own } from '../../../src/gate/base/json.ts'
import { environmentToml, folder, PARTS, toml, write } from '../cli/kit.ts'

const directory = await folder()

const rulesWithout = (key: string, rules: unknown): readonly number[] =>
  (listOf(rules) ?? []).flatMap((rule, i) =>
    isObject(rule) && own(rule, key) === undefined ? [i] : [],
  )

/** Changes as later versions may bring them: a default that is another, and a key that has another name. */
const TOYS: readonly Change[] = [
  {
    version: '0.2.0',
    judge: ({ ROUTES }, policy) =>
      rulesWithout('revocation', policy && ROUTES).map((i) => ({
        path: `ROUTES[${i}]`,
        message: 'is strict by default; write revocation = "bounded"',
      })),
  },
  {
    version: '0.3.0',
    judge: ({ ROUTES }) =>
      (listOf(ROUTES) ?? []).flatMap((rule, i) =>
        isObject(rule) && own(rule, 'scope') !== undefined
          ? [{ path: `ROUTES[${i}].scope`, message: 'is called `scopes` now' }]
          : [],
      ),
  },
]

const told = async (text: string, since?: string, env?: string) => {
  const file = await write(directory, 'wrangler.toml', text)
  const { exitCode, out, err, json } = await check({ file, since, env }, TOYS)
  const lines = [...out, ...err].map((line) => line.replace(`${file}:`, ''))
  return { exitCode, json, lines: lines.filter((line) => /changed in|^since|^this is/.test(line)) }
}

const BOTH = toml({ more: environmentToml('staging') })
const ROUTE = 'ROUTES[0]: is strict by default; write revocation = "bounded"'
const lineOf = (text: string, part: string) => text.slice(0, text.indexOf(part)).split('\n').length

describe('check --since', () => {
  it('names each place of this policy that a later version decides otherwise', async () => {
    const { exitCode, lines, json } = await told(BOTH, '0.1.0')
    expect(lines).toEqual([
      `${lineOf(BOTH, '[[vars.ROUTES]]')}:1: changed in 0.2.0: ${ROUTE}`,
      `${lineOf(BOTH, '[[env.staging.vars.ROUTES]]')}:1: changed in 0.2.0: env staging: ${ROUTE}`,
    ])
    expect(exitCode).toBe(0)
    expect(json).toMatchObject({
      environments: [
        { changes: [{ version: '0.2.0', path: 'ROUTES[0]', column: 1 }] },
        { environment: 'staging', changes: [{ version: '0.2.0' }] },
      ],
    })
    expect((await told(BOTH, '0.1.0', 'staging')).lines).toHaveLength(1)
  })

  it('tells of a change that makes a mistake of the policy', async () => {
    const text = toml({ route: PARTS.route.replace('scopes', 'scope') })
    const { exitCode, lines } = await told(text, '0.2.0')
    expect(exitCode).toBe(1)
    expect(lines).toEqual([
      expect.stringContaining('changed in 0.3.0: ROUTES[0].scope: is called `scopes` now'),
    ])
  })

  it('says that nothing is different, and nothing without it', async () => {
    const nothing = ['since 0.2.0: nothing is different for this policy']
    expect(await told(BOTH, '0.2.0')).toMatchObject({ exitCode: 0, lines: [expect.any(String)] })
    const { version } = ownManifest()
    const strict = toml({ route: `${PARTS.route}\nrevocation = "strict"` })
    expect((await told(strict, version)).lines).toEqual([nothing[0]?.replace('0.2.0', version)])
    expect((await told(strict)).lines).toEqual([])
    expect((await told(BOTH)).json).not.toHaveProperty('environments.0.changes')
  })

  it('does not say so of a rollback', async () => {
    const { lines, exitCode } = await told(toml(), '99.0.0')
    expect(lines).toEqual([expect.stringMatching(/^this is .* older than 99\.0\.0: .*upgrading/)])
    expect(exitCode).toBe(0)
  })

  it.each(['', '1', 'latest', '^0.1.0', '0.1', '0.1.0 '])('does not take "%s"', async (since) => {
    expect(isVersion(since)).toBe(false)
    const { exitCode, err } = await check({ file: 'wrangler.toml', since })
    expect({ exitCode, err }).toEqual({
      exitCode: 2,
      err: ['--since must be a version, such as 0.1.0.'],
    })
  })
})

it('orders versions', () => {
  const versions = ['0.1.0-rc.1', '0.1.0', 'v0.1.1', '0.2.0', '0.10.0', '1.0.0+build.5', '10.0.0']
  for (const [i, one] of versions.entries()) {
    for (const [j, other] of versions.entries()) {
      expect(isNewer(one, other), `${one} after ${other}`).toBe(i > j)
    }
  }
})

it('has changes in the order of their versions, none of a version to come', () => {
  const versions = [...CHANGES.map(({ version }) => version), ownManifest().version]
  for (const [i, version] of versions.slice(1).entries()) {
    expect(isNewer(versions[i] ?? '', version)).toBe(false)
  }
})
