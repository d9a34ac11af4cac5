import { globSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createEncryptionKey, encrypt } from '../../kit/encryption.ts'
import { createKey, sign } from '../../kit/signing.ts'
import { folder, runHere } from '../kit.ts'
import { scriptedGate } from './gate.ts'
import { type Case, type Run, readTranscript, wordsOf } from './transcript.ts'

/** 2026-11-01T00:00:00Z: the time of all runs. */
const NOW = 1_793_491_200

/** With UPDATE_RUNS the transcripts are written anew, to be read before they are committed. */
const isWritten = process.env.UPDATE_RUNS !== undefined

/** Who signs the tokens, a stranger with the same kid, and whom a token may be encrypted for. */
const [KEY, STRANGER, OPENER] = await Promise.all([
  createKey('ES256', 'k1'),
  createKey('ES256', 'k1'),
  createEncryptionKey(),
])
const CLAIMS = {
  iss: 'https://auth.acme.dev',
  aud: 'https://api.acme.dev',
  sub: 'user-1',
  client_id: 'planner-7',
  jti: 'j1',
  iat: NOW - 10,
  exp: NOW + 290,
  scope: 'a:read b:read',
}

/** What stands for a `{{word}}` of a transcript. */
const made = async (word: string, claims: string): Promise<string> => {
  if (word === 'gate') return gate.origin
  if (word === 'jwk') return JSON.stringify(KEY.jwk)
  if (word === 'private') return JSON.stringify(KEY.privateJwk)
  const given = { ...CLAIMS, ...JSON.parse(claims || '{}') }
  const token = await sign({ typ: 'at+jwt', kid: 'k1' }, given, word === 'forged' ? STRANGER : KEY)
  return word === 'encrypted' ? encrypt(token, OPENER) : token
}

const filled = async (text: string): Promise<string> => {
  let filledText = text
  for (const [all, word = '', claims = ''] of text.matchAll(/\{\{([a-z]+)(?: (\{.*?\}))?\}\}/g)) {
    filledText = filledText.replace(all, await made(word, claims))
  }
  return filledText
}

const home = process.cwd()
const gate = await scriptedGate()
const directory = await folder()
afterAll(() => process.chdir(home))

/** What stands at the place that a line names, in place of the numbers. */
const placed = (line: string, { files }: Case): string =>
  line.replace(/^(\S+?):(\d+):(\d+): /, (all, name, row, column) => {
    const text = files
      .get(name)
      ?.split('\n')
      [row - 1]?.slice(column - 1)
    const of = name === 'wrangler.toml' ? '' : `${name} `
    return text ? `${of}«${text.slice(0, 30)}» ` : all
  })

/** A member of a document, or those of each item: `routes[].uses[].name`. */
const picked = (value: unknown, path: string): unknown => {
  const [, name = '', every, rest] = /^(\w+)(\[\])?(?:\.(.*))?$/.exec(path) ?? []
  const member = (value as Record<string, unknown>)[name]
  if (rest === undefined) return member
  return every ? (member as unknown[]).flatMap((one) => picked(one, rest)) : picked(member, rest)
}

const linesOf = (text: string) => text.split('\n').slice(0, -1)

/** Runs a command, and has the lines of a transcript. */
const printed = async ({ command, stdin }: Run, one: Case): Promise<readonly string[]> => {
  const [words = '', path] = (command || one.files.get('default')?.trim() || 'check').split(' | ')
  if (words.startsWith('cat ')) {
    return linesOf(await readFile(words.slice(4), 'utf8')).map((line) => `| ${line}`.trimEnd())
  }
  const given = await Promise.all(wordsOf(words).map(filled))
  const args = given.slice(given.findIndex((word) => !/^[A-Z_]+=/.test(word)))
  const env = given.slice(0, given.length - args.length).map((word) => word.split('='))
  const { code, stdout, stderr } = await runHere(args, Object.fromEntries(env), {
    now: () => NOW,
    stdin: await filled(stdin),
  })
  const told = linesOf(stderr).map((line) => placed(line, one))
  if (!command) {
    // The last line counts mistakes, and that is the exit status.
    const mistakes = told.filter((line) => !line.includes(' warning: '))
    const count = mistakes.length - 1
    expect(code).toBe(mistakes.length === 0 ? 0 : 1)
    if (code === 0) return told
    expect(mistakes.at(-1)).toMatch(new RegExp(`^wrangler\\.toml: ${count} mistakes?\\b`))
    return told.slice(0, -1)
  }
  const out = path ? [JSON.stringify(picked(JSON.parse(stdout), path))] : linesOf(stdout)
  return [
    ...out.map((line) => line || '~'),
    ...told.map((line) => `! ${line}`),
    ...(code === 0 ? [] : [`exit ${code}`]),
    ...gate.asked().map((line) => `> ${line}`),
  ]
}

/** Whether lines are as they are to be: `...` is any lines, and `…` any text. */
const fits = (lines: readonly string[], wanted: readonly string[]): boolean => {
  const parts = wanted.map((line) =>
    line === '...'
      ? '(?:.*\n)*'
      : `${line
          .split('…')
          .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('.*')}\n`,
  )
  return new RegExp(`^${parts.join('')}$`).test(lines.map((line) => `${line}\n`).join(''))
}

for (const path of globSync('*.run', { cwd: import.meta.dirname })) {
  const { lines, cases } = await readTranscript(join(import.meta.dirname, path))
  const written = [...lines]
  describe(basename(path, '.run'), () => {
    it.each(cases.map((one, i) => ({ ...one, i })))('$title', async (one) => {
      const at = join(directory, `${basename(path)}-${one.i}`)
      for (const [name, text] of one.files) {
        await mkdir(dirname(join(at, name)), { recursive: true })
        await writeFile(join(at, name), await filled(text))
      }
      process.chdir(at)
      gate.answers(one.files.get('gate') ?? '')
      for (const run of one.runs) {
        const shown = (await printed(run, one)).map((line) =>
          line.replaceAll(`${at}/`, '').replaceAll(gate.origin, '{{gate}}'),
        )
        const wanted = lines.slice(run.from, run.to)
        if (fits(shown, wanted)) continue
        if (!isWritten) expect(shown).toEqual(wanted)
        written.splice(
          run.from,
          run.to - run.from,
          ...Array(Math.max(run.to - run.from, 0)).fill(null),
        )
        written[run.from - 1] = [written[run.from - 1], ...shown].join('\n')
      }
    })
    afterAll(async () => {
      if (!isWritten) return
      const text = written.filter((line) => line !== null).join('\n')
      await writeFile(join(import.meta.dirname, path), text)
    })
  })
}
