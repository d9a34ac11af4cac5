import { LIMITS } from './limits.ts'

const CONTROL = /\p{Cc}/u

/**
 * Whether a value can identify someone: non-empty text without control characters or lone surrogates, of at most
 * {@link LIMITS.revocationValue} characters. So it has one UTF-8 form, fits into a header and can be revoked.
 */
export function isIdentityText(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= LIMITS.revocationValue &&
    value.isWellFormed() &&
    !CONTROL.test(value)
  )
}

/** Characters to encode: all but visible ASCII, and `%`, `,`, `"` and `\`. */
const UNSAFE = /[^\x21-\x7e]|[%,"\\]/gu

/**
 * Encodes text as a header value: {@link UNSAFE} as percent escapes of UTF-8. Decoding once restores the text.
 * @example headerText('Zoë') // 'Zo%C3%AB'
 */
export function headerText(text: string): string {
  return text.replace(UNSAFE, (char) =>
    char.length === 1 && char < '\x80'
      ? `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
      : encodeURIComponent(char),
  )
}

/** Whether text can be a header's name (RFC 9110 §5.1), with at most 256 characters. */
export function isFieldName(text: string): boolean {
  return /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/.test(text)
}

const PLAIN_NAME = /^[a-z0-9-]*$/

/**
 * A header name as the laxest servers read it: lower case, `-` for all but letters and digits.
 * @example foldedName('X_Agent_Id') // 'x-agent-id'
 */
export function foldedName(name: string): string {
  return PLAIN_NAME.test(name) ? name : name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

/**
 * The names that `Connection` lists (RFC 9110 §7.6.1), folded. A set, since a sender can list many names.
 * @example connectionOptions('close, X_Run') // new Set(['close', 'x-run'])
 */
export function connectionOptions(value: string | null): ReadonlySet<string> {
  return value === null || value === 'keep-alive'
    ? NO_OPTIONS
    : new Set(value.split(',').map((name) => foldedName(name.trim())))
}

const NO_OPTIONS: ReadonlySet<string> = new Set()

/**
 * The first `length` characters and `…`; a text that is not longer is unchanged.
 * @example cut('planner', 4) // 'plan…'
 */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text
  // A character has at most two UTF-16 units. The slice bounds the work for long text.
  const characters = [...text.slice(0, 2 * length + 2)]
  return characters.length > length ? `${characters.slice(0, length).join('')}…` : text
}

/**
 * A name as the laxest readers compare it: without case, full-width letters and ligatures as plain letters.
 * @example caseless('\uff21cme') // 'acme'
 */
export function caseless(name: string): string {
  return name.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase()
}

/** An unverified value, truncated for the journal. */
export function claimed(text: string | undefined): string | undefined {
  return text?.slice(0, LIMITS.claimedLength)
}

/** Invisible or reordering: control, format, private, unassigned, ignorable and blank characters; spaces but one. */
const UNPRINTABLE = /[\p{C}\p{DI}\u2800\u{1d159}]|(?! )\p{Z}/gu

const escaped = (char: string): string =>
  [...Array(char.length).keys()]
    .map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`)
    .join('')

/**
 * Text in which nothing is invisible, moves the cursor, starts a line or reorders what is shown.
 * @example printable('a\nb') // 'a\\u000ab'
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped)
}
