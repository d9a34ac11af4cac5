import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { ROOT } from '../kit/repository.ts'
import {
  compile,
  createProject,
  exampleText,
  type Project,
  packRepository,
  tsconfig,
} from './project.ts'
import { type Packed, type Registry, readManifest, startRegistry } from './registry.ts'

/** The resource of the examples: this machine, at whatever port they are served. */
export const RESOURCE = 'http://127.0.0.1'

const { dependencies = {}, peerDependencies = {} } = readManifest(ROOT)

/** Names of the packages that come with this one. */
export const COMPANIONS = [...Object.keys(dependencies), ...Object.keys(peerDependencies)]

/** The package, packed and installed, with all that the examples need around them. */
export interface World {
  /** Everything is in it, and gone with it. */
  readonly directory: string
  readonly packed: Packed
  /** Path of the package's tarball. */
  readonly tarball: string
  readonly registry: Registry
  /** Holds the examples, compiled into built/, beside the package. */
  readonly project: Project
  readonly issuer: Issuer
  readonly origin: Origin
  close(): Promise<void>
}

/** Packs the package, installs it into an empty project and compiles the examples there. */
export const openWorld = async (): Promise<World> => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-package-'))
  const [issuer, origin, packed, registry] = await Promise.all([
    createIssuer({ defaults: { aud: RESOURCE } }),
    startOrigin(),
    packRepository(directory),
    startRegistry(directory),
  ])
  const tarball = join(directory, packed.filename)
  const project = await createProject(join(directory, 'project'), registry)
  await project.run('npm', 'install', tarball)
  for (const name of ['plain.js', 'hono.ts']) {
    const text = await exampleText(name, {
      "'https://api.example.com'": `'${RESOURCE}'`,
      'https://origin.example.com': origin.url,
      "'https://auth.acme.example'": `'${issuer.issuer}', allow_insecure_http: true`,
    })
    await project.write(name, text)
  }
  await cp(join(ROOT, 'test/package/consumer.ts'), join(project.directory, 'consumer.ts'))
  const options = { module: 'nodenext', outDir: 'built', lib: ['es2022', 'dom'], types: [] }
  await project.write('tsconfig.json', tsconfig(options))
  await compile(project, 'tsconfig.json')
  return {
    directory,
    packed,
    tarball,
    registry,
    project,
    issuer,
    origin,
    async close() {
      await Promise.all([registry.close(), issuer.close(), origin.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
