/**
 * What a release needs beside npm, without any dependency. `check TAG` compares the tag with all packages and the
 * changelog, and prints the notes of the version. `sbom TARBALL FILE` writes the software bill of materials of a
 * packed package.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

interface Manifest {
  readonly version: string
  readonly repository?: string | { readonly url?: string }
  readonly dependencies?: Readonly<Record<string, string>>
}

/** What is to be released. */
export interface Release {
  readonly tag: string
  /** package.json of `edgewarden`, of `create-edgewarden` and of `edgewarden-origin`. */
  readonly manifest: Manifest
  readonly create: Manifest
  readonly origin: Manifest
  readonly changelog: string
  /** `OWNER/NAME` on GitHub, where the release runs there. */
  readonly repository?: string | undefined
}

/** The heading of a version in the changelog and the text below it. */
const sectionOf = (
  changelog: string,
  version: string,
): readonly [heading: string, text: string] => {
  const section = changelog.split(/^## /m).find((one) => one.startsWith(`[${version}]`)) ?? ''
  const [heading = '', ...lines] = section.split('\n')
  return [heading, lines.join('\n').trim()]
}

/** The notes of a version: its section of the changelog. */
export function notesOf(changelog: string, version: string): string {
  return sectionOf(changelog, version)[1]
}

/** Why this must not be released; none if it may. */
export function faultsOf({
  tag,
  manifest,
  create,
  origin,
  changelog,
  repository,
}: Release): readonly string[] {
  const { version } = manifest
  const [heading, text] = sectionOf(changelog, version)
  const packages = [
    ['package.json', manifest],
    ['packages/create-edgewarden/package.json', create],
    ['packages/origin/package.json', origin],
  ] as const
  const urlOf = ({ repository }: Manifest) =>
    (typeof repository === 'object' ? repository.url : repository) ?? 'none'
  return [
    ...(tag === `v${version}`
      ? []
      : [`the tag is ${tag}, package.json has ${version}: the tag must be v${version}`]),
    // npm would make a prerelease the newest version, but for a --tag.
    ...(/^\d+\.\d+\.\d+$/.test(version)
      ? []
      : [`${version} is a prerelease, which the workflow does not publish`]),
    ...packages.flatMap(([path, one]) =>
      one.version === version
        ? []
        : [`${path} has version ${one.version}, package.json ${version}`],
    ),
    ...(create.dependencies?.edgewarden === version
      ? []
      : [
          `create-edgewarden depends on edgewarden ${create.dependencies?.edgewarden}, not on ${version}`,
        ]),
    ...(/^\[[^\]]+\] - \d{4}-\d\d-\d\d$/.test(heading)
      ? []
      : [
          `CHANGELOG.md has no heading "## [${version}] - YYYY-MM-DD", but ${heading === '' ? 'none' : `"## ${heading}"`}`,
        ]),
    ...(text === '' ? [`CHANGELOG.md says nothing of ${version}`] : []),
    // npm refuses provenance otherwise.
    ...packages.flatMap(([path, one]) =>
      repository === undefined ||
      urlOf(one)
        .replace(/\.git$/, '')
        .endsWith(`github.com/${repository}`)
        ? []
        : [`${path}: repository is ${urlOf(one)}, not https://github.com/${repository}`],
    ),
  ]
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const check = (tag: string): void => {
  const manifest = JSON.parse(read('package.json')) as Manifest
  const create = JSON.parse(read('packages/create-edgewarden/package.json')) as Manifest
  const origin = JSON.parse(read('packages/origin/package.json')) as Manifest
  const changelog = read('CHANGELOG.md')
  const repository = process.env.GITHUB_REPOSITORY
  const faults = faultsOf({ tag, manifest, create, origin, changelog, repository })
  for (const fault of faults) console.error(fault)
  if (faults.length === 0) console.log(notesOf(changelog, manifest.version))
  process.exitCode = faults.length > 0 ? 1 : 0
}

/** What the package holds of another package, so that its bill of materials names it too. */
const FORK = {
  'bom-ref': '@marcbachmann/cel-js@8.0.0',
  type: 'library',
  name: '@marcbachmann/cel-js',
  version: '8.0.0',
  purl: 'pkg:npm/%40marcbachmann/cel-js@8.0.0',
  licenses: [{ license: { id: 'MIT' } }],
  pedigree: { notes: 'A fork of it is in packages/cel; README.md there lists what differs' },
}

/**
 * The CycloneDX document of a package and all that is installed with it, without development. It is not made in the
 * repository, since `npm sbom --omit dev` leaves out what development needs as well (npm/cli#7909).
 */
const sbom = (tarball: string, file: string): void => {
  const directory = mkdtempSync(join(tmpdir(), 'edgewarden-sbom-'))
  // npm calls the package by the name of its folder.
  const cwd = join(directory, 'edgewarden')
  const npm = (...given: readonly string[]) => execFileSync('npm', given, { cwd, encoding: 'utf8' })
  try {
    execFileSync('tar', ['-xzf', resolve(tarball), '-C', directory])
    execFileSync('mv', [join(directory, 'package'), cwd])
    npm('pkg', 'delete', 'devDependencies', 'overrides', 'scripts')
    npm('install', '--ignore-scripts', '--no-audit', '--no-fund')
    const made = JSON.parse(npm('sbom', '--sbom-format', 'cyclonedx')) as {
      readonly components: readonly { readonly purl: string }[]
    }
    const components = [FORK, ...made.components]
    writeFileSync(file, JSON.stringify({ ...made, components }, null, 2))
    console.log(components.map(({ purl }) => purl).join('\n'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [command, one, two] = process.argv.slice(2)
  if (command === 'check' && one !== undefined) check(one)
  else if (command === 'sbom' && one !== undefined && two !== undefined) sbom(one, two)
  else {
    console.error('usage: node dev/scripts/release.ts check TAG | sbom TARBALL FILE')
    process.exitCode = 2
  }
}
