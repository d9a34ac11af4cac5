import { describe, expect, it } from 'vitest'
import { check } from '../../../src/command/policy/check.ts'
import { environmentToml, folder, PARTS, toml, unplaced, write } from '../cli/kit.ts'

const directory = await folder()
const checkText = async (text: string) =>
  unplaced(await check({ file: await write(directory, 'w.toml', text) }))

const ON = 'enabled = true'
const OFF = 'enabled = false'
const ENTRYPOINT = '[exports.default]\ntype = "worker"\n'
const staging = environmentToml('staging')

const message = (place: string) =>
  `is true: Cloudflare would answer before the gate runs, with answers that it cached for other callers; write enabled = false in ${place}`

describe("Cloudflare's cache for Workers", () => {
  it.each<[string, string, readonly string[]]>([
    ['at the top level', `[cache]\n${ON}`, [`cache.enabled: ${message('[cache]')}`]],
    [
      'across versions',
      `[cache]\n${ON}\ncross_version_cache = true`,
      [`cache.enabled: ${message('[cache]')}`],
    ],
    [
      'of the entrypoint that is the gate',
      `[cache]\n${OFF}\n${ENTRYPOINT}cache = { ${ON} }`,
      [`exports.default.cache.enabled: ${message('[exports.default.cache]')}`],
    ],
    [
      'of previews',
      `[previews.cache]\n${ON}`,
      [`previews.cache.enabled: ${message('[previews.cache]')}`],
    ],
    [
      'of an environment',
      `${staging}\n[env.staging.cache]\n${ON}`,
      [`env staging: cache.enabled: ${message('[env.staging.cache]')}`],
    ],
    [
      'that an environment inherits',
      `[cache]\n${ON}\n${staging}`,
      [`cache.enabled: ${message('[cache]')}`, `env staging: cache.enabled: ${message('[cache]')}`],
    ],
    [
      'that an environment turns off for itself',
      `[cache]\n${ON}\n${staging}\n[env.staging.cache]\n${OFF}`,
      [`cache.enabled: ${message('[cache]')}`],
    ],
    [
      'that an environment turns on for itself',
      `[cache]\n${OFF}\n${staging}\n[env.staging.cache]\n${ON}`,
      [`env staging: cache.enabled: ${message('[env.staging.cache]')}`],
    ],
  ])('is a mistake %s', async (_, more, expected) => {
    const { exitCode, err } = await checkText(toml({ more }))
    expect(exitCode).toBe(1)
    expect(err.slice(0, -1)).toEqual(expected)
  })

  it.each([
    ['off', `[cache]\n${OFF}`],
    ['off in an environment', `${staging}\n[env.staging.cache]\n${OFF}`],
    ['on, but off for the gate', `[cache]\n${ON}\n${ENTRYPOINT}cache = { ${OFF} }`],
    ['on for another entrypoint', `[exports.Other]\ntype = "worker"\ncache = { ${ON} }`],
    ['off for previews', `[previews.cache]\n${OFF}`],
  ])('may be %s', async (_, more) => {
    expect(await checkText(toml({ more }))).toMatchObject({ exitCode: 0, err: [] })
  })

  it('is a mistake beside others', async () => {
    const { err } = await checkText(toml({ more: `[cache]\n${ON}`, route: '', top: PARTS.top }))
    expect(err.join('\n')).toMatch(/ROUTES: must have a rule.*\ncache\.enabled: /)
  })
})
