import { readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fail, ok, type Result } from '../../gate/base/result.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not do that',
  EPERM: 'this user may not do that',
  EEXIST: 'it already exists and is not overwritten',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
}

/** Why the file system refused, as the end of a sentence. */
export function fileReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return REASONS[code] ?? (code === '' ? 'it cannot be used' : `the system says ${code}`)
}

/** A file's text, read as UTF-8; the reason of a failure is a sentence for people. */
export async function readText(path: string): Promise<Result<string, string>> {
  try {
    return ok(await readFile(path, 'utf8'))
  } catch (error) {
    return fail(`Cannot read ${path}: ${fileReason(error)}.`)
  }
}

/** Writes a text as UTF-8. With `isDeep` also creates the folder. The reason of a failure is a sentence for people. */
export async function writeText(
  path: string,
  text: string,
  { isDeep, ...options }: { isDeep?: boolean; flag?: 'wx'; mode?: number } = {},
): Promise<Result<undefined, string>> {
  try {
    if (isDeep) await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, options)
    return ok(undefined)
  } catch (error) {
    return fail(`Cannot write ${path}: ${fileReason(error)}.`)
  }
}

/** Writes a private key as a new file that only its owner can read. */
export function writeSecret(path: string, jwk: object): Promise<Result<undefined, string>> {
  return writeText(path, `${JSON.stringify(jwk, null, 2)}\n`, { flag: 'wx', mode: 0o600 })
}

/** The package.json of this package: what it is, and what it was tested with. */
export function ownManifest(): {
  readonly version: string
  readonly devDependencies: Readonly<Record<string, string>>
} {
  return JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
}
