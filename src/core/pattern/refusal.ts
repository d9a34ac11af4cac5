/** What cannot stand where a character, class or group should; the first row that fits tells why. */
const MISFITS: readonly (readonly [token: RegExp, why: string])[] = [
  [/\{(?!\d+(?:,\d*)?\})/uy, String.raw`opens no repeat count; write {n}, {n,} or {n,m}, or \{`],
  [/(?<=[*+?}])\?/uy, 'makes a repeat lazy, which changes nothing in a whole match; leave it out'],
  [/(?<=[*+?}])[*+{]/uy, 'repeats what is already repeated; keep one of the two'],
  [
    /[*+?{]/uy,
    String.raw`repeats nothing; put it after a character, class or group, or a \ before it`,
  ],
  [
    /\^/uy,
    String.raw`can only come first, and the whole value is matched without it; drop it or write \^`,
  ],
  [
    /\$/uy,
    String.raw`can only come last, and the whole value is matched without it; drop it or write \$`,
  ],
  [/[)\]}]/uy, String.raw`closes nothing; write what it should close, or a \ before it`],
  [/\(\?<?[=!]/uy, 'is look-around; write out the values themselves, with | between them'],
  [/\(\?P?</uy, 'names a group, and nothing reads that name; write ( alone'],
  [/\(\?[a-z]*(?:-[a-z]*)?[:)]/uy, 'sets flags; write both cases in a class, such as [Aa]'],
  [/\(\?/uy, String.raw`opens no group; write ( or (?: for a group, or \(\? for the characters`],
  [
    /\\(?:[1-9]|k<?)/uy,
    'is a back-reference; write out the values themselves, with | between them',
  ],
  [/\\$/uy, String.raw`is not followed by what it escapes; write \\ for a backslash`],
  [
    /\\u/uy,
    String.raw`is not followed by a code point; write \u0041 or \u{41}, no half of a surrogate pair`,
  ],
  [/\\[A-Za-z0-9]/uy, String.raw`is not among \d \w \s \D \W \S \t \n; write a character as \u{…}`],
  [/\\/uy, 'comes before a character that needs none here; leave the backslash out'],
]

/** The operator reads this in a terminal: what does not show is written as its code point. */
const shown = (text: string): string =>
  text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )

/** The error for `source` from index `from` up to `to`; the sentence counts characters from 1. */
export function refusal(source: string, from: number, to: number, why: string): SyntaxError {
  const position = [...source.slice(0, from)].length + 1
  return new SyntaxError(`"${shown(source.slice(from, to))}" at character ${position} ${why}`)
}

/** The error for whatever at index `at` is no character, class or group of the subset. */
export function misfit(source: string, at: number): SyntaxError {
  for (const [token, why] of MISFITS) {
    token.lastIndex = at
    if (token.test(source)) return refusal(source, at, token.lastIndex, why)
  }
  return refusal(source, at, source.length, 'cannot be read; write it without special characters')
}
