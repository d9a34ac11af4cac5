import { LIMITS } from './limits.ts'

const CONTROL = /\p{Cc}/u

/**
 * Whether a value can name someone: non-empty text without control characters and without lone
 * surrogates, so that it has exactly one UTF-8 form and cannot break a header; of at most
 * {@link LIMITS.revocationValue} characters, so that whoever has it can be revoked.
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

/** Every byte but visible ASCII without `%`, `,`, `"` and `\`. */
const UNSAFE = /[^\x21-\x7e]|[%,"\\]/gu

/**
 * Text as a header value: what is not visible ASCII, and `%`, `,`, `"`, `\`, percent-encoded as
 * UTF-8 (RFC 3986 §2.1). Decoding once gives the text back; no two texts give one value.
 */
export function headerText(text: string): string {
  return text.replace(UNSAFE, (char) =>
    char.length === 1 && char < '\x80'
      ? `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
      : encodeURIComponent(char),
  )
}

/** Whether text can name a header (RFC 9110 §5.1), and is of 256 characters at most. */
export function isFieldName(text: string): boolean {
  return /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/.test(text)
}

const PLAIN_NAME = /^[a-z0-9-]*$/

/**
 * A header name as the laxest server reads it: lower-case, every character that is not a letter
 * or digit as `-`. `X_Agent_Id` and `X.Agent.Id` are `x-agent-id` to some of them.
 */
export function foldedName(name: string): string {
  return PLAIN_NAME.test(name) ? name : name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

/**
 * Names that end at one hop because `Connection` says so (RFC 9110 §7.6.1), folded. None where it is not
 * there; does not check that they are names. A set: who sends many of them sends many headers, too.
 */
export function connectionOptions(value: string | null): ReadonlySet<string> {
  return value === null || value === 'keep-alive'
    ? NO_OPTIONS
    : new Set(value.split(',').map((name) => foldedName(name.trim())))
}

const NO_OPTIONS: ReadonlySet<string> = new Set()

/** The first so many characters, with a sign that there are more; a text that is no longer as it is. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text
  // A character has two units at most, and a text can be very long.
  const characters = [...text.slice(0, 2 * length + 2)]
  return characters.length > length ? `${characters.slice(0, length).join('')}…` : text
}

/** A name as the laxest reader takes it: full-width and ligatures as plain letters, without case. */
export function caseless(name: string): string {
  return name.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase()
}

/** What a stranger says of itself, cut short for the journal. */
export function claimed(text: string | undefined): string | undefined {
  return text?.slice(0, LIMITS.claimedLength)
}
