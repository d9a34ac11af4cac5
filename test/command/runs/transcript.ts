import { readFile } from 'node:fs/promises'

/** What a command is run with, and what it is to print. */
export interface Run {
  readonly command: string
  readonly stdin: string
  /** Where the lines that it is to print begin and end in the file. */
  readonly from: number
  to: number
}

/** Runs in one folder, whose files are those of the transcript with these changes. */
export interface Case {
  readonly title: string
  readonly files: ReadonlyMap<string, string>
  readonly runs: readonly Run[]
}

export interface Transcript {
  readonly lines: readonly string[]
  readonly cases: readonly Case[]
}

/**
 * Reads a transcript. It begins with files, each behind a line `-- NAME`; `-- NAME = OTHER` is a copy. Below a
 * `# heading` an empty line is between cases. A case has changes of files, and runs:
 *
 *     - text          is replaced by the lines with `+` below it; `+` alone adds to the end of the file
 *     = text          stays, so that `+` can follow
 *     ~ text → other  a part of a line, which is there once; `~~` is each of several
 *     @ NAME          the changes below are of this file, and not of wrangler.toml
 *     -- NAME         a whole file, up to the next line with `$`, `@` or `--`
 *     < text          a line of standard input
 *     gate GET /x 200 [name: value] {}   an answer of the gate at {{gate}}, with a header; the last of several stays.
 *                     A file `gate` has answers for all cases. What the gate was asked is printed with `>`
 *     {{x*9}}         in any of these is nine times x; {{token}}, {{token {"scope":"a"}}}, {{forged}}, {{encrypted}} are
 *                     tokens, and {{jwk}} is the key that verifies them
 *     $ COMMAND       a run, and below it what it prints. Without one it is `$ check`, or what a file `default` has, of
 *                     which only mistakes are shown.
 *                     `$ cat NAME` shows a file
 */
export async function readTranscript(path: string): Promise<Transcript> {
  const lines = (await readFile(path, 'utf8')).split('\n')
  const long = (text: string) =>
    text.replace(/\{\{(.)\*(\d+)\}\}/g, (_, one: string, count) => one.repeat(Number(count)))
  const common = new Map<string, string>()
  const cases: Case[] = []
  let heading = ''
  let at = 0

  const readFileText = (isEnd: (line: string) => boolean) => {
    const [, name = '', copied] = /^-- (\S+)(?: = (\S+))?$/.exec(lines[at++] ?? '') ?? []
    const begin = at
    while (!copied && at < lines.length && !isEnd(lines[at] ?? '')) at++
    const text = long(lines.slice(begin, at).join('\n').trim())
    return [name, copied, text === '' ? '' : `${text}\n`] as const
  }

  const readCase = () => {
    const begin = at
    const files = new Map(common)
    const runs: Run[] = []
    const answers: string[] = []
    let name = 'wrangler.toml'
    let stdin = ''
    const starts = (line: string) => /^(\$ |-- |# )/.test(line)
    const edit = (change: (text: string) => string) =>
      files.set(name, change(files.get(name) ?? ''))
    while (at < lines.length && lines[at] !== '' && !/^# /.test(lines[at] ?? '')) {
      const line = lines[at] ?? ''
      const [, sign, rest = ''] = /^(--|~~|[-+=~@<$])(?: (.*))?$/.exec(line) ?? []
      if (sign === '--') {
        const [given, copied, text] = readFileText((line) => /^(\$|@|--) /.test(line))
        files.set(given, copied ? (files.get(copied) ?? '') : text)
      } else if (sign === '@') {
        name = rest
        at++
      } else if (sign === '<') {
        stdin += `${rest}\n`
        at++
      } else if (line.startsWith('gate ')) {
        answers.push(long(line))
        const questions = answers.map((one) => one.split(' ', 3).join(' '))
        const others = (common.get('gate') ?? '')
          .split('\n')
          .filter((one) => !questions.includes(one.split(' ', 3).join(' ')))
        files.set('gate', [...answers, ...others].join('\n'))
        at++
      } else if (sign === '$' || sign === undefined) {
        const from = sign ? ++at : at
        while (at < lines.length && lines[at] !== '' && !starts(lines[at] ?? '')) at++
        runs.push({ command: sign ? rest : '', stdin, from, to: at })
      } else if (sign.startsWith('~')) {
        const [from = '', to = ''] = rest.split(/ → ?/)
        edit((text) => replaced(text, from, long(to), sign === '~', `${path}:${at + 1}`))
        at++
      } else {
        const place = `${path}:${at + 1}`
        const hunk = readHunk()
        edit((text) => changed(text, hunk, place))
      }
    }
    if (runs.length === 0) runs.push({ command: '', stdin, from: at, to: at })
    const first =
      lines.slice(begin, at).find((line) => /^[-+~] |^gate /.test(line)) ?? runs[0]?.command
    cases.push({ title: `${heading}: ${first}`, files, runs })
  }

  const readHunk = () => {
    const [before, after]: [string[], string[]] = [[], []]
    // The lines of one change are in this order.
    const ranks = '=-+'
    for (let rank = 0; ; at++) {
      const [, sign, rest = ''] = /^([-+=])(?: (.*))?$/.exec(lines[at] ?? '') ?? []
      if (sign === undefined || ranks.indexOf(sign) < rank) return [before, after] as const
      if (sign !== '+') before.push(rest)
      if (sign !== '-') after.push(long(rest))
      rank = ranks.indexOf(sign)
    }
  }

  while (at < lines.length) {
    const line = lines[at] ?? ''
    if (line.startsWith('# ')) heading = line.slice(2)
    else if (heading === '' && line.startsWith('-- ')) {
      const [name, copied, text] = readFileText((one) => /^(-- |# )/.test(one))
      common.set(name, copied ? (common.get(copied) ?? '') : text)
      continue
    } else if (line !== '') {
      readCase()
      continue
    }
    at++
  }
  return { lines, cases }
}

/** The text in which lines stand in place of others, which are there once. */
const changed = (
  text: string,
  [before, after]: readonly [readonly string[], readonly string[]],
  place: string,
): string => {
  if (before.length === 0) return `${text}${after.join('\n')}\n`
  if (after.length === 0 && before.length > 1) {
    return before.reduce((left, line) => changed(left, [[line], []], place), text)
  }
  const [all, old] = [`\n${text}`, `\n${before.join('\n')}\n`]
  const at = all.indexOf(old)
  if (at < 0 || all.indexOf(old, at + 1) >= 0) {
    throw new Error(`${place}: the file has not once:${old}`)
  }
  const added = after.map((line) => `\n${line}`).join('')
  return `${all.slice(0, at)}${added}\n${all.slice(at + old.length)}`.slice(1)
}

const replaced = (text: string, from: string, to: string, isOnce: boolean, place: string) => {
  const parts = text.split(from)
  if (parts.length < 2 || (isOnce && parts.length > 2)) {
    throw new Error(`${place}: the file has ${parts.length - 1} times: ${from}`)
  }
  return parts.join(to)
}

/** The words of a command, as a shell reads them. */
export const wordsOf = (command: string): readonly string[] =>
  [...command.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'),
  )
