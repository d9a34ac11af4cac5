import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ROOT } from '../kit/repository.ts'
import { run } from './host.ts'
import { type Packed, pack, type Registry } from './registry.ts'

/** What the package is made from; the rest of the repository is not there when it is packed. */
const SOURCES = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'tsconfig.base.json',
  'dev/scripts',
  'src',
  'packages/cel',
  'packages/origin',
  'test/package',
  'biome.json',
] as const

/** Copies the tarball that .ci/run has packed of a package; `undefined` elsewhere. */
const packedBefore = async (directory: string, name: string): Promise<Packed | undefined> => {
  const { PACKAGES } = process.env
  if (PACKAGES === undefined) return undefined
  const all: readonly Packed[] = JSON.parse(await readFile(join(PACKAGES, 'packed.json'), 'utf8'))
  const packed = all.find((one) => one.name === name)
  if (!packed) throw new Error(`${PACKAGES} has no ${name}`)
  await cp(join(PACKAGES, packed.filename), join(directory, packed.filename))
  return packed
}

/** Packs a folder now. */
const packNow = async (directory: string, folder: string): Promise<Packed> => {
  const [packed] = await pack(directory, [folder])
  if (!packed) throw new Error('npm packed nothing')
  return packed
}

/** The folder of `create-edgewarden`. */
export const CREATE = join(ROOT, 'packages/create-edgewarden')

/** The folder of `edgewarden-origin`. */
export const ORIGIN = join(ROOT, 'packages/origin')

/** The tarball of `create-edgewarden`. */
export const packCreate = async (directory: string): Promise<Packed> =>
  (await packedBefore(directory, 'create-edgewarden')) ?? packNow(directory, CREATE)

/** Packs a folder of this repository from a copy without lib/, as `npm pack` in a fresh clone does. */
const packCopy = async (directory: string, folder: string): Promise<Packed> => {
  const copy = join(directory, 'repository')
  for (const name of SOURCES) {
    await cp(join(ROOT, name), join(copy, name), { recursive: true, filter: isNotBuilt })
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  return packNow(directory, join(copy, folder))
}

const isNotBuilt = (path: string): boolean => basename(path) !== 'lib'

/** The tarball of this repository's package. */
export const packRepository = async (directory: string): Promise<Packed> =>
  (await packedBefore(directory, 'edgewarden')) ?? packCopy(directory, '.')

/** The tarball of `edgewarden-origin`. */
export const packOrigin = async (directory: string): Promise<Packed> =>
  (await packedBefore(directory, 'edgewarden-origin')) ?? packCopy(directory, 'packages/origin')

/** A project of a user. */
export interface Project {
  readonly directory: string
  /** Runs a command in its folder, with the machine's Node; see `run`. */
  run(...command: readonly [string, ...string[]]): ReturnType<typeof run>
  write(name: string, text: string): Promise<void>
}

/** Makes an empty project; projects beside it share a cache. */
export const createProject = async (directory: string, { url }: Registry): Promise<Project> => {
  await mkdir(directory, { recursive: true })
  const env = {
    npm_config_registry: url,
    npm_config_cache: join(dirname(directory), 'npm-cache'),
    npm_config_prefer_offline: 'true',
    npm_config_userconfig: join(directory, '.npmrc'),
    npm_config_update_notifier: 'false',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
  }
  const project: Project = {
    directory,
    run: (...command) => run(directory, command, env),
    write: async (name, text) => {
      await writeFile(join(directory, name), text)
    },
  }
  await project.write('package.json', JSON.stringify({ private: true, type: 'module' }))
  return project
}

/** One of examples/library, each of the placeholders in it replaced as its reader would. */
export const exampleText = async (
  name: string,
  replacements: Readonly<Record<string, string>>,
): Promise<string> => {
  let text = await readFile(join(ROOT, 'examples/library', name), 'utf8')
  for (const [placeholder, value] of Object.entries(replacements)) {
    if (!text.includes(placeholder)) throw new Error(`${name} does not hold ${placeholder}`)
    text = text.replaceAll(placeholder, value)
  }
  return text
}

/** Compiles a project by one of its tsconfig files, with this repository's TypeScript. */
export const compile = async ({ directory }: Project, path: string): Promise<void> => {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  await run(directory, [process.execPath, tsc, '-p', path])
}

/** What a user's tsconfig.json says: strict, and the declarations of packages checked too. */
export const tsconfig = (
  options: Readonly<Record<string, unknown>>,
  files: readonly string[] = ['plain.js', 'hono.ts', 'consumer.ts'],
): string =>
  JSON.stringify({
    files,
    compilerOptions: {
      target: 'es2022',
      strict: true,
      skipLibCheck: false,
      exactOptionalPropertyTypes: true,
      allowJs: true,
      checkJs: true,
      ...options,
    },
  })
