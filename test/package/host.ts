import { execFile } from 'node:child_process'
import { delimiter, dirname } from 'node:path'
import { promisify } from 'node:util'

/** npm scripts put this repository's own Node first; a user of the package has the machine's. */
const PATH = [
  ...(process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !/[\\/]node_modules[\\/]\.bin$/.test(folder)),
  dirname(process.execPath),
].join(delimiter)

/** The environment of a shell outside npm: nothing an npm script around the tests has set. */
const ENV: Readonly<Record<string, string | undefined>> = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
  PATH,
  NO_COLOR: '1',
}

/** What a command printed. */
export interface Printed {
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command of the machine in a folder; rejects, with what it printed, unless it exits 0. */
export const run = async (
  directory: string,
  [command, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<Printed> => {
  const options = { cwd: directory, env: { ...ENV, ...env }, maxBuffer: 1 << 26 }
  try {
    return await promisify(execFile)(command, args, options)
  } catch (error) {
    const { stdout, stderr } = error as Printed
    throw new Error(`${command} ${args.join(' ')}\n${stderr}\n${stdout}`, { cause: error })
  }
}

/** The environment for a long-lived command; see {@link run}. */
export const hostEnv = (): NodeJS.ProcessEnv => ({ ...ENV })
