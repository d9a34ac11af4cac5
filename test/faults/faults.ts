import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Lines of one file that a fault replaces. */
export interface Change {
  /** Within the repository. */
  readonly path: string
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/** A deliberate fault in src/, and the tests that find it. */
export interface Fault {
  readonly name: string
  /** The sentence of docs/ that is no longer true. */
  readonly promise: string
  readonly suites: readonly string[]
  /** Whether it changes a decision, by what a case of the second implementation can hold. */
  readonly isDecision: boolean
  /** Whether only `npm run soak` finds it. */
  readonly isSoak: boolean
  readonly changes: readonly Change[]
}

/** The names of all faults. */
export function faultNames(): readonly string[] {
  return readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.patch'))
    .map((name) => name.slice(0, -'.patch'.length))
    .sort()
}

/** Reads a fault by its name. Throws where it is malformed. */
export function readFault(name: string): Fault {
  return parseFault(name, readFileSync(join(import.meta.dirname, `${name}.patch`), 'utf8'))
}

/** The lines of a header, and their values. */
const HEADER: Readonly<Record<string, RegExp>> = {
  Promise: /./,
  Suite: /^test\/\S+\.test\.ts(?:[\s,]+test\/\S+\.test\.ts)*$/,
  Decision: /^(?:yes|no(?:, .+)?)$/,
  Mode: /^soak$/,
}
const NEEDED = ['Promise', 'Suite', 'Decision']

/** Reads the lines of a header, and the unified diff that follows. */
export function parseFault(name: string, text: string): Fault {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => /^(?:diff|---) /.test(line))
  const values = new Map<string, string>()
  // A line that begins with a space goes on with the one before.
  const header = lines
    .slice(0, start)
    .join('\n')
    .replace(/\n[ \t]+/g, ' ')
  for (const line of header.split('\n').filter((one) => one !== '')) {
    const [, key = '', value = ''] = /^(\w+): *(.*)$/.exec(line) ?? []
    if (!HEADER[key]?.test(value)) throw new Error(`not a line of a header: ${line}`)
    values.set(key, value)
  }
  const missing = NEEDED.filter((key) => !values.has(key))
  if (missing.length > 0) throw new Error(`lacks ${missing.join(', ')}`)
  const { Promise: promise = '', Suite = '', Decision, Mode } = Object.fromEntries(values)
  return {
    name,
    promise,
    suites: Suite.split(/[\s,]+/),
    isDecision: Decision === 'yes',
    isSoak: Mode !== undefined,
    changes: changesOf(lines.slice(start)),
  }
}

const HUNK = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/

const changesOf = (diff: readonly string[]): readonly Change[] => {
  const changes: Change[] = []
  let path = ''
  const rest = diff.values()
  for (const line of rest) {
    path = /^\+\+\+ b\/(\S+)/.exec(line)?.[1] ?? path
    const hunk = HUNK.exec(line)
    if (!hunk) continue
    const [least, most] = [Number(hunk[1] ?? 1), Number(hunk[2] ?? 1)]
    const before: string[] = []
    const after: string[] = []
    while (before.length < least || after.length < most) {
      const { value = '?' } = rest.next()
      const [sign = ' ', text] = [value[0], value.slice(1)]
      if (!' +-'.includes(sign)) throw new Error(`a change to ${path} has too few lines`)
      if (sign !== '+') before.push(text)
      if (sign !== '-') after.push(text)
    }
    changes.push({ path, before, after })
  }
  if (changes.length === 0) throw new Error('changes nothing')
  return changes
}

/** Makes a change in the text of its file. Throws where the lines before it are not there exactly once. */
export function changed(text: string, { path, before, after }: Change): string {
  const [wanted, other] = [before, after].map((lines) => `\n${lines.join('\n')}\n`) as [
    string,
    string,
  ]
  const all = `\n${text}`
  const at = all.indexOf(wanted)
  if (at < 0) throw new Error(`no longer applies to ${path}`)
  if (all.indexOf(wanted, at + 1) >= 0) throw new Error(`applies at two places of ${path}`)
  return (all.slice(0, at) + other + all.slice(at + wanted.length)).slice(1)
}
