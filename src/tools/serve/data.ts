import { mkdir, realpath, rename, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Waiting } from '../cli/command.ts'
import { fileReason } from '../cli/files.ts'

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

/**
 * Makes sure that no other gate of this machine uses a folder, which then has no lock. Two workerd on one
 * disk would not see each other: each would have its own revocations, and overwrite the other's. It does not
 * see a gate on another machine that has the same disk.
 */
export async function claimFolder(
  path: string,
  { elapsed, sleep }: Waiting,
): Promise<Result<DataFolder, string>> {
  try {
    await mkdir(resolve(path), { recursive: true, mode: 0o700 })
    const folder = await realpath(path)
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
    for (const one of [objects, run]) await mkdir(one, { recursive: true, mode: 0o700 })
    return ok({ objects, run, lock })
  } catch (error) {
    return fail(`Cannot use ${path}: ${fileReason(error)}.`)
  }
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
