import { existsSync } from 'node:fs'
import { chmod, mkdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Waiting } from '../base/command.ts'
import { fileReason } from '../base/files.ts'

/** The data folder of one gate. */
export interface DataFolder {
  /** Where Durable Objects are stored. */
  readonly objects: string
  /** Written anew at each start. */
  readonly run: string
  /** A Unix socket that workerd listens on as long as it runs. */
  readonly lock: string
}

/** Bytes of a Unix socket's path, on every system. */
const MOST_BYTES = 100
/** How long a killed gate may take to end. */
const PATIENCE_MS = 5_000
const AGAIN_MS = 50
/** Bytes that must have room at the start: for the bundle, its configuration, and some data. */
const ROOM = 1024 * 1024

/**
 * Makes sure that no other gate of this machine uses a folder, which then has no lock. Two workerd on one
 * disk would not see each other: each would have its own revocations, and overwrite the other's. It does not
 * see a gate on another machine that has the same disk. Makes sure that the folder can be written. Closes the folder for
 * all other users but root, and refuses one that belongs to another user.
 */
export async function claimFolder(
  path: string,
  { elapsed, sleep }: Waiting,
): Promise<Result<DataFolder, string>> {
  try {
    await makeFolder(resolve(path))
    const folder = await realpath(path)
    const { uid } = await stat(folder)
    const user = process.getuid?.() ?? uid
    // Root may own it, as it owns volumes of containers, and can read everything anyway.
    if (uid !== user && uid !== 0) {
      return fail(
        `${folder} belongs to another user, who could read the keys in it. Give --data a folder of your own.`,
      )
    }
    if (uid === user) await chmod(folder, 0o700)
    const [objects, run, lock] = [
      join(folder, 'objects'),
      join(folder, 'run'),
      join(folder, 'lock'),
    ]
    if (Buffer.byteLength(lock) > MOST_BYTES) {
      return fail(`The path of --data is too long: ${folder}; at most ${MOST_BYTES - 5} bytes.`)
    }
    const from = elapsed()
    while (!(await isFree(lock))) {
      if (elapsed() - from > PATIENCE_MS) {
        return fail(
          `Another gate runs on ${folder}. Stop it, or give this one a --data of its own.`,
        )
      }
      await sleep(AGAIN_MS)
    }
    await rm(run, { recursive: true, force: true })
    for (const one of [objects, run]) {
      await makeFolder(one)
      await chmod(one, 0o700)
    }
    // Private keys are in it. Git ignores the whole folder, this file too.
    await writeFile(join(folder, '.gitignore'), '*\n')
    const probe = join(run, 'probe')
    await writeFile(probe, Buffer.alloc(ROOM))
    await rm(probe)
    return ok({ objects, run, lock })
  } catch (error) {
    return fail(
      `Cannot use ${path}: ${fileReason(error)}. serve must be able to write ${ROOM / 1024 ** 2} MiB there, and more while it runs; make that possible, or name another folder by --data.`,
    )
  }
}

/** Creates a folder and those above it. `mkdir` with `recursive` would say ENOENT of a read-only disk. */
const makeFolder = async (path: string): Promise<void> => {
  if (existsSync(path)) return
  await makeFolder(dirname(path))
  await mkdir(path, { mode: 0o700 })
}

/**
 * Removes a lock on which nobody listens. The lock is moved before it is removed, so that a new lock of another gate is
 * noticed.
 */
const isFree = async (lock: string): Promise<boolean> => {
  if (await isAnswered(lock)) return false
  const moved = `${lock}.${process.pid}`
  try {
    await rename(lock, moved)
  } catch {
    return true
  }
  const isTaken = await isAnswered(moved)
  await (isTaken ? rename(moved, lock) : rm(moved))
  return !isTaken
}

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      done(code !== 'ECONNREFUSED' && code !== 'ENOENT')
    })
  })
