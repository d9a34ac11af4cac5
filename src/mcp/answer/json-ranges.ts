/** Where a part of a text begins, and where it is over. */
export type Span = readonly [from: number, to: number]

/** A member of an object: its name as it is meant, and where its value stands. */
export interface MemberSpan {
  readonly name: string
  readonly value: Span
}

/** An edit of a text: what stands instead of a part of it. */
export type Edit = readonly [span: Span, instead: string]

const SPACE = /[ \t\n\r]*/y
const SCALAR = /[^,\]} \t\n\r]*/y

const after = (pattern: RegExp, text: string, at: number): number => {
  pattern.lastIndex = at
  pattern.test(text)
  return Math.max(at, pattern.lastIndex)
}

const pastSpace = (text: string, at: number): number =>
  text.charCodeAt(at) > 32 ? at : after(SPACE, text, at)

/** Where the string is over that begins at `at`: a quote with an even number of backslashes before it, or the end. */
const pastString = (text: string, at: number): number => {
  for (let end = at + 1; ; end++) {
    end = text.indexOf('"', end)
    if (end < 0) return text.length
    let slashes = end
    while (text[slashes - 1] === '\\') slashes--
    if ((end - slashes) % 2 === 0) return end + 1
  }
}

const pastContainer = (text: string, at: number): number => {
  let depth = 0
  for (let next = at; next < text.length; ) {
    const char = text[next]
    if (char === '"') {
      next = pastString(text, next)
      continue
    }
    next++
    if (char === '{' || char === '[') depth++
    else if ((char === '}' || char === ']') && --depth === 0) return next
  }
  return text.length
}

const pastValue = (text: string, at: number): number => {
  const first = text[at]
  if (first === '"') return pastString(text, at)
  return first === '{' || first === '[' ? pastContainer(text, at) : after(SCALAR, text, at)
}

/** Where the value stands that a text is, without the white space around it. */
export function valueSpan(text: string): Span {
  const from = pastSpace(text, 0)
  return [from, pastValue(text, from)]
}

/**
 * The members of the object at `at`, in their order, also several of one name: whatever a reader takes of
 * them, it is here. One at a time, since there can be millions. None for what is no object. Of text that is no
 * JSON, or not whole, those up to where it is none; throws at a name with an escape that is none.
 */
export function* membersOf(text: string, at: number): Generator<MemberSpan, undefined> {
  if (text[at] !== '{') return
  for (let next = pastSpace(text, at + 1); text[next] === '"'; ) {
    const end = pastString(text, next)
    const plain = text.slice(next + 1, end - 1)
    const name = plain.includes('\\') ? (JSON.parse(`"${plain}"`) as string) : plain
    const from = pastSpace(text, pastSpace(text, end) + 1)
    const to = pastValue(text, from)
    yield { name, value: [from, to] }
    const comma = pastSpace(text, to)
    next = text[comma] === ',' ? pastSpace(text, comma + 1) : comma
  }
}

/** The elements of the array at `at`, one at a time. Only for text that is JSON; none for what is no array. */
function* elementsOf(text: string, at: number): Generator<Span, undefined> {
  if (text[at] !== '[') return
  for (let from = pastSpace(text, at + 1); text[from] !== ']'; ) {
    const to = pastValue(text, from)
    yield [from, to]
    const next = pastSpace(text, to)
    from = text[next] === ',' ? pastSpace(text, next + 1) : next
  }
}

/**
 * The edits that leave of an array what `stays`, with the edits `inside` of that, in their order. Between two
 * entries that were neighbours before nothing changes.
 */
export function* cut(
  text: string,
  [from, to]: Span,
  stays: (entry: Span) => boolean,
  inside?: (entry: Span) => Iterable<Edit>,
): Generator<Edit, undefined> {
  let end = from + 1
  let isCut = false
  for (const entry of elementsOf(text, from)) {
    if (!stays(entry)) {
      isCut = true
      continue
    }
    if (isCut) yield [[end, entry[0]], end === from + 1 ? '' : ',']
    isCut = false
    if (inside) yield* inside(entry)
    end = entry[1]
  }
  if (isCut) yield [[end, to - 1], '']
}

/** A text with its edits made, which are in order and do not meet. All else stays as it is. */
export function edited(text: string, edits: readonly Edit[]): string {
  let result = ''
  let at = 0
  for (const [[from, to], instead] of edits) {
    result += text.slice(at, from) + instead
    at = to
  }
  return result + text.slice(at)
}
