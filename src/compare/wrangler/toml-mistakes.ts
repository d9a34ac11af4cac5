/** Says mistakes of TOML in words that contain the cure. */

/** Counted from 1, as editors do. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A text that is not TOML: its lines, the place that the library names, and what begins there. */
interface Broken extends Place {
  readonly lines: readonly string[]
  /** The line, up to the place and from it. */
  readonly before: string
  readonly after: string
}

const CONTROL = 'control characters are not allowed in strings'

/** What the library says, and how to say it. `undefined`: the library's words stay. */
const SENTENCES: Readonly<Record<string, (broken: Broken) => string | undefined>> = {
  'trying to redefine an already defined table or value': (broken) =>
    /^\s*\[+\s*$/.test(broken.before) ? headerTwice(broken) : keyTwice(broken),
  [CONTROL]: ({ after }) => (/^\r?$/.test(after) ? NO_QUOTE : undefined),
  'unfinished string': () => NO_QUOTE,
  'illegal character in key': ({ before, after }) => {
    if (/^\s*\[/.test(before) && !before.includes(']') && /^\s*(#.*)?$/.test(after))
      return `the header ${before.trim()} has no ${before.trim().startsWith('[[') ? ']]' : ']'} at its end`
    if (/^\s*\/\//.test(before + after)) return 'a comment begins with #, and not with //'
    if (/^\s*:/.test(after)) return 'between a key and its value is =, and not :'
    return after.trim() === '' ? `${before.trim()} has no = and no value` : undefined
  },
  'expected comma or end of structure': () =>
    'the list or table that is open here needs a comma, or its ] or } at the end',
  'each key-value declaration must be followed by an end-of-line': () => MORE,
  'invalid value': ({ after }) => {
    const [word = ''] = /^[^\s,\]}#]*/.exec(after) ?? []
    if (word === '') return 'there is no value after ='
    if (/^[“”„‘’]/.test(word)) return 'a text is in straight quotes: "…"'
    if (/^(?:true|false)$/i.test(word)) return `write ${word.toLowerCase()}, in lower case`
    return 'this is not a value; a text is in quotes: "…"'
  },
}

const MORE =
  "there is more text after the value; a text that has \" inside is in single quotes: '…'"

const NO_QUOTE = 'the text has no closing quote on its line'

/** What the library says of a text that is not TOML, as a sentence with the cure where that is known. */
export function tomlMistake(text: string, place: Place, message: string): string {
  const lines = text.split('\n')
  const line = lines[place.line - 1] ?? ''
  const [before, after] = [line.slice(0, place.column - 1), line.slice(place.column - 1)]
  const say = Object.hasOwn(SENTENCES, message) ? SENTENCES[message] : undefined
  return say?.({ ...place, lines, before, after }) ?? message
}

/** A header's line: how it opens, and its name. */
const HEADER = /^\s*(\[\[?)\s*([^\]#]*?)\s*\]/

/** The lines of the headers with a name, counted from 1, before a line. */
const headersOf = (lines: readonly string[], name: string, before: number) =>
  lines.slice(0, before - 1).flatMap((text, i) => {
    const [, open, found] = HEADER.exec(text) ?? []
    return found === name ? [{ open, line: i + 1 }] : []
  })

/** Variables that are lists of tables. */
const LISTS = /(?:^|\.)vars\.(?:ROUTES|GRANTS)(?:_\w+)?$/

const headerTwice = ({ lines, line }: Broken): string | undefined => {
  const [, open = '', name = ''] = HEADER.exec(lines[line - 1] ?? '') ?? []
  const [first] = headersOf(lines, name, line)
  if (name === '') return undefined
  if (LISTS.test(name) && (open === '[' || first?.open === '[')) {
    const at = open === '[' ? '' : ` on line ${first?.line}`
    return `[${name}] is one table and not a list; write [[${name}]]${at}`
  }
  if (first === undefined) return `\`${name}\` is set already, and not as a table`
  return first.open === open
    ? `[${name}] is there already, on line ${first.line}; write its keys there`
    : `line ${first.line} has ${first.open}${name}${first.open === '[' ? ']' : ']]'}; write both in the same way`
}

const keyTwice = ({ lines, line, after }: Broken): string | undefined => {
  const [name = ''] = /^[\w-]+|^"[^"]*"|^'[^']*'/.exec(after) ?? []
  if (name === '') return undefined
  const isKey = (text: string) => /^\s*=/.test(text.trimStart().slice(name.length))
  for (let i = line - 2; i >= 0; i--) {
    const text = lines[i] ?? ''
    if (text.trimStart().startsWith(name) && isKey(text))
      return `\`${name}\` is set twice in this table, first on line ${i + 1}; remove one of them`
    if (HEADER.test(text)) break
  }
  return `\`${name}\` is set twice; remove one of them`
}
