import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { ROOT } from '../kit/repository.ts'
import { run } from './host.ts'

/** A registry on this machine: a package is installed as a user would, and without a network. */
export interface Registry {
  readonly url: string
  close(): Promise<void>
}

/** The parts of a package.json that matter here. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** One package as `npm pack --json` tells it. */
export interface Packed {
  readonly name: string
  readonly version: string
  readonly filename: string
  readonly integrity: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string; readonly mode: number }[]
}

export const readManifest = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))

/** Packs packages from their folders into `directory`. */
export const pack = async (
  directory: string,
  folders: readonly string[],
  ...options: readonly string[]
): Promise<readonly Packed[]> => {
  const { stdout } = await run(directory, ['npm', 'pack', '--json', ...options, ...folders])
  // What a package's own scripts print comes before it.
  return JSON.parse(stdout.slice(stdout.search(/^\[/m)))
}

/** A package that is served: what it is made from, and its tarball where one was packed. */
interface Served {
  readonly manifest: Manifest
  readonly folder: string
  readonly tarball?: string
}

/** What is installed beside the tests, as it is after its install scripts. */
const installed = (): readonly Served[] => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  return Object.keys(lock.packages)
    .map((path) => join(ROOT, path))
    .filter((folder) => folder.includes('node_modules') && existsSync(join(folder, 'package.json')))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
}

/** A package's own part of its folder; weakly packed, as it does not travel far. */
const sendFolder = (folder: string, response: ServerResponse): void => {
  const options = ['--exclude=./node_modules', '--transform=s,^[.],package,', '-C', folder]
  spawn('tar', [...options, '-I', 'gzip -1', '-c', '.']).stdout.pipe(response)
}

/**
 * Serves every package that is installed beside the tests, at the versions it has there, and those that
 * were packed from these folders; any other is not there.
 */
export const startRegistry = async (
  directory: string,
  own: Readonly<Record<string, Packed>> = {},
): Promise<Registry> => {
  const packed = Object.entries(own).map(([folder, { filename }]) => ({
    folder,
    manifest: readManifest(folder),
    tarball: join(directory, filename),
  }))
  const all: readonly Served[] = [...packed, ...installed()]
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '/').slice(1)
    if (path.startsWith('-/')) {
      const { folder = '', tarball } = all[Number(path.slice(2))] ?? {}
      return tarball === undefined
        ? sendFolder(folder, response)
        : response.end(readFileSync(tarball))
    }
    const versions = all.flatMap(({ manifest: { scripts: _, ...manifest } }, index) =>
      manifest.name === path ? [{ ...manifest, dist: { tarball: `${url}/-/${index}` } }] : [],
    )
    const [first] = versions
    if (!first) return response.writeHead(404).end('{}')
    response.setHeader('content-type', 'application/json')
    return response.end(
      JSON.stringify({
        name: path,
        'dist-tags': { latest: first.version },
        versions: Object.fromEntries(versions.map((one) => [one.version, one])),
      }),
    )
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
