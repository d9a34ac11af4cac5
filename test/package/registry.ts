import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
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

/** Serves these installed packages at the versions they have; any other is not there. */
export const startRegistry = async (
  names: readonly string[],
  directory: string,
): Promise<Registry> => {
  const folders = names.map((name) => join(ROOT, 'node_modules', name))
  const packed = await pack(directory, folders, '--ignore-scripts')
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '/').slice(1)
    const file = packed.find(({ filename }) => path === `-/${filename}`)
    if (file) return response.end(readFileSync(join(directory, file.filename)))
    const one = packed.find(({ name }) => name === path)
    if (!one) return response.writeHead(404).end('{}')
    const dist = { tarball: `${url}/-/${one.filename}`, integrity: one.integrity }
    const manifest = readManifest(join(ROOT, 'node_modules', one.name))
    response.setHeader('content-type', 'application/json')
    return response.end(
      JSON.stringify({
        name: one.name,
        'dist-tags': { latest: one.version },
        versions: { [one.version]: { ...manifest, dist } },
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
