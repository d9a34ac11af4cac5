/** A part of a text: the indexes of its first character and after its last. */
export type Span = readonly [from: number, to: number]

/** A member of an object: its unescaped name, and the span of its value. */
export interface MemberSpan {
  readonly name: string
  readonly value: Span
}

/** An edit of a text: a span and its replacement. */
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

/**
 * The index after the string that begins at `at`. It ends at the first unescaped quote, or with the text.
 * @example pastString('{"a": 1}', 1) // 4
 */
export function pastString(text: string, at: number): number {
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

/**
 * The span of a text's value, without white space around it.
 * @example valueSpan(' [1] ') // [1, 4]
 */
export function valueSpan(text: string): Span {
  const from = pastSpace(text, 0)
  return [from, pastValue(text, from)]
}

/**
 * The members of the object at `at`, in order and with duplicates; none for other values. A generator, since there can
 * be millions. Ends at the first fault of text that is not JSON. Throws at a name with a malformed escape.
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

/** The elements of the array at `at`; empty for other values. The text must be JSON. */
function* elementsOf(text: string, at: number): Generator<Span, undefined> {
  if (text[at] !== '[') return
  for (let from = pastSpace(text, at + 1); text[from] !== ']'; ) {
    const to = pastValue(text, from)
    yield [from, to]
    const next = pastSpace(text, to)
    from = text[next] === ',' ? pastSpace(text, next + 1) : next
  }
}

/** The spans of the values at a path below a value, in order; `*`: each element of an array. `text` must be JSON. */
export function* spansAt(
  text: string,
  value: Span,
  [name, ...rest]: readonly string[],
): Generator<Span, undefined> {
  if (name === undefined) yield value
  else if (name === '*') {
    for (const element of elementsOf(text, value[0])) yield* spansAt(text, element, rest)
  } else {
    for (const member of membersOf(text, value[0])) {
      if (member.name === name) yield* spansAt(text, member.value, rest)
    }
  }
}

/**
 * The spans of the messages in a text: one, or each of an array. The text must be JSON.
 * @example messageSpans('[{}, {}]') // [[1, 3], [5, 7]]
 */
export function messageSpans(text: string): readonly Span[] {
  const whole = valueSpan(text)
  return text[whole[0]] === '[' ? [...elementsOf(text, whole[0])] : [whole]
}

/** The edits that remove the elements of an array that `stays` refuses, and the edits `inside` of those that stay. */
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

/**
 * Applies edits to a text; they must be in order and must not overlap. All else is unchanged.
 * @example edited('[1, 2]', [[[1, 2], '10']]) // '[10, 2]'
 */
export function edited(text: string, edits: readonly Edit[]): string {
  let result = ''
  let at = 0
  for (const [[from, to], instead] of edits) {
    result += text.slice(at, from) + instead
    at = to
  }
  return result + text.slice(at)
}

/** Replaces the values at these spans of JSON by what `instead` gives; `undefined` keeps the value. */
export async function replaceTexts(
  text: string,
  spans: readonly Span[],
  instead: (value: unknown, span: Span) => Promise<string | undefined>,
): Promise<string> {
  const edits: Edit[] = []
  for (const span of [...spans].sort(([one], [other]) => one - other)) {
    const given = await instead(JSON.parse(text.slice(...span)), span)
    if (given !== undefined) edits.push([span, JSON.stringify(given)])
  }
  return edited(text, edits)
}
