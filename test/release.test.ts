import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { faultsOf, notesOf, type Release } from '../dev/scripts/release.ts'
import { ROOT } from './kit/repository.ts'

const CHANGELOG = `# Changelog

## [1.2.0] - 2026-12-01

### Added

- A thing.

## [1.1.0] - Unreleased

## [1.0.0] - 2026-11-01
`
const RELEASE: Release = {
  tag: 'v1.2.0',
  manifest: { version: '1.2.0', repository: { url: 'git+https://github.com/acme/edgewarden.git' } },
  create: {
    version: '1.2.0',
    dependencies: { edgewarden: '1.2.0' },
    repository: 'https://github.com/acme/edgewarden',
  },
  origin: { version: '1.2.0', repository: 'https://github.com/acme/edgewarden' },
  changelog: CHANGELOG,
  repository: 'acme/edgewarden',
}
const MANIFESTS = [
  'package.json',
  'packages/create-edgewarden/package.json',
  'packages/origin/package.json',
]
const at = (version: string): Release => ({
  ...RELEASE,
  tag: `v${version}`,
  manifest: { ...RELEASE.manifest, version },
  create: { ...RELEASE.create, version, dependencies: { edgewarden: version } },
  origin: { ...RELEASE.origin, version },
})

describe('a release', () => {
  it('may be made where tag, packages and changelog agree', () => {
    expect(faultsOf(RELEASE)).toEqual([])
    expect(notesOf(CHANGELOG, '1.2.0')).toBe('### Added\n\n- A thing.')
  })

  it.each<[string, Release, readonly RegExp[]]>([
    ['another tag', { ...RELEASE, tag: 'v1.2.1' }, [/^the tag is v1\.2\.1, .* must be v1\.2\.0$/]],
    ['a tag without v', { ...RELEASE, tag: '1.2.0' }, [/must be v1\.2\.0$/]],
    ['a prerelease', at('1.2.0-rc.1'), [/prerelease/, /no heading/, /says nothing/]],
    ['no section', at('2.0.0'), [/no heading "## \[2\.0\.0\] - YYYY-MM-DD", but none/, /nothing/]],
    [
      'a section without a date',
      at('1.1.0'),
      [/but "## \[1\.1\.0\] - Unreleased"/, /nothing of 1/],
    ],
    ['an empty section', at('1.0.0'), [/says nothing of 1\.0\.0/]],
    [
      'create-edgewarden of another version',
      { ...RELEASE, create: { ...RELEASE.create, version: '1.1.0' } },
      [/create-edgewarden\/package\.json has version 1\.1\.0, package\.json 1\.2\.0$/],
    ],
    [
      'edgewarden-origin of another version',
      { ...RELEASE, origin: { ...RELEASE.origin, version: '1.1.0' } },
      [/origin\/package\.json has version 1\.1\.0, package\.json 1\.2\.0$/],
    ],
    [
      'create-edgewarden for another version',
      { ...RELEASE, create: { ...RELEASE.create, dependencies: { edgewarden: '^1.2.0' } } },
      [/depends on edgewarden \^1\.2\.0, not on 1\.2\.0/],
    ],
    [
      'another repository',
      { ...RELEASE, repository: 'fork/edgewarden' },
      [
        /^package\.json: .* not https:\/\/github\.com\/fork\/edgewarden$/,
        /^packages\/create/,
        /^packages\/origin/,
      ],
    ],
    ['no repository', { ...RELEASE, manifest: { version: '1.2.0' } }, [/repository is none/]],
  ])('is refused with %s', (_, release, says) => {
    const faults = faultsOf(release)
    expect(faults).toHaveLength(says.length)
    for (const [i, one] of says.entries()) expect(faults[i]).toMatch(one)
  })
})

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly name?: string
  readonly with?: Readonly<Record<string, unknown>>
}
interface Workflow {
  readonly permissions: Readonly<Record<string, string>>
  readonly jobs: Readonly<
    Record<
      string,
      { readonly permissions?: object; readonly needs?: string; readonly steps: readonly Step[] }
    >
  >
}
const workflow = (name: string): Workflow =>
  parse(readFileSync(join(ROOT, '.github/workflows', name), 'utf8'))
const stepsOf = ({ jobs }: Workflow) => Object.values(jobs).flatMap(({ steps }) => steps)

describe('the workflows', () => {
  const ci = workflow('ci.yml')
  const release = workflow('release.yml')

  it('have no right but those that a job needs', () => {
    expect(ci.permissions).toEqual({ contents: 'read' })
    expect(release.permissions).toEqual({})
    expect(Object.entries(release.jobs).map(([name, job]) => [name, job.permissions])).toEqual([
      ['test', { contents: 'read' }],
      ['publish', { 'id-token': 'write' }],
      ['release', { contents: 'write' }],
    ])
    // What has a right to write runs nothing of the repository.
    for (const name of ['publish', 'release']) {
      for (const { uses = '', run = '' } of release.jobs[name]?.steps ?? []) {
        expect(uses).not.toContain('checkout')
        expect(run).not.toMatch(/\b(?:node|npx|bash|npm (?:ci|install|run))\b/)
      }
    }
  })

  it('publish only what was tested', () => {
    expect(release.jobs.publish?.needs).toBe('test')
    expect(release.jobs.release?.needs).toBe('publish')
    const runs = (release.jobs.test?.steps ?? []).flatMap(({ run }) => run ?? [])
    expect(runs).toHaveLength(3)
    expect(runs[1]).toBe('bash .ci/run')
  })

  it('use actions of GitHub alone, and put no expression into a script', () => {
    for (const { uses, run = '' } of [...stepsOf(ci), ...stepsOf(release)]) {
      if (uses !== undefined) expect(uses).toMatch(/^actions\/[a-z-]+@v\d+$/)
      expect(run).not.toContain('${{')
    }
  })

  it('have scripts that bash can read', () => {
    for (const { run } of [...stepsOf(ci), ...stepsOf(release)]) {
      if (run !== undefined) execFileSync('bash', ['-n'], { input: run })
    }
  })
})

describe('the scripts of the release, run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'edgewarden-release-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const PACKAGES = join(directory, 'packed')
  const bin = join(directory, 'bin')
  const [check] = (workflow('release.yml').jobs.test?.steps ?? []).flatMap(({ run }) => run ?? [])
  const bash = (script: string, cwd: string, env: Readonly<Record<string, string>>) => {
    const { status, stdout, stderr } = spawnSync('bash', ['-e', '-c', script], {
      cwd,
      env: { ...process.env, PACKAGES, ...env },
      encoding: 'utf8',
    })
    return { status, stdout, stderr }
  }

  it('write the notes, or end the release', () => {
    const repository = join(directory, 'repository')
    for (const path of ['dev/scripts/release.ts', ...MANIFESTS]) {
      cpSync(join(ROOT, path), join(repository, path), { recursive: true })
    }
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    writeFileSync(join(repository, 'CHANGELOG.md'), `## [${version}] - 2026-12-01\n\n- New.\n`)
    const run = (tag: string) =>
      bash(check ?? '', repository, { GITHUB_REF_NAME: tag, GITHUB_REPOSITORY: 'acme/edgewarden' })
    expect(run(`v${version}`).status).toBe(1)
    const url = 'git+https://github.com/acme/edgewarden.git'
    for (const path of MANIFESTS) {
      const manifest = JSON.parse(readFileSync(join(repository, path), 'utf8'))
      writeFileSync(join(repository, path), JSON.stringify({ ...manifest, repository: { url } }))
    }
    const good = { GITHUB_REF_NAME: `v${version}`, GITHUB_REPOSITORY: 'acme/edgewarden' }
    expect(bash(check ?? '', repository, good)).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(readFileSync(join(PACKAGES, 'notes.md'), 'utf8')).toBe('- New.\n')
    const other = bash(check ?? '', repository, { ...good, GITHUB_REF_NAME: 'v9.9.9' })
    expect(other).toMatchObject({ status: 1, stderr: expect.stringContaining('the tag is v9.9.9') })
  })

  it('publish each package that npm does not have, by a stand-in for npm', () => {
    const [publish] = (workflow('release.yml').jobs.publish?.steps ?? []).flatMap(
      ({ run }) => run ?? [],
    )
    const npm = `#!/usr/bin/env bash
if [ "$1" = view ]; then
  case "$2" in "$THERE"@*) echo "\${2##*@}" ;; *) exit 1 ;; esac
else echo "$*"; fi
`
    execFileSync('mkdir', ['-p', bin])
    writeFileSync(join(bin, 'npm'), npm, { mode: 0o755 })
    const run = (there: string) =>
      bash(publish ?? '', directory, {
        PATH: `${bin}:${process.env.PATH}`,
        THERE: there,
        GITHUB_REF_NAME: 'v1.2.0',
      }).stdout.split('\n')
    const line = (name: string) => `publish ./${name}-1.2.0.tgz --provenance --access public`
    const names = ['edgewarden', 'create-edgewarden', 'edgewarden-origin']
    expect(run('none')).toEqual([...names.map(line), ''])
    for (const name of names) {
      expect(run(name)).toEqual([...names.filter((one) => one !== name).map(line), ''])
    }
  })
})
