/** First and last code point, both included. */
export type Range = readonly [first: number, last: number]

/** Whether one code point is in a set. */
export type Accepts = (codePoint: number) => boolean

/** The last code point of Unicode. */
export const LAST_CODE_POINT = 0x10ffff

/** The code points outside of `ranges`, which must be sorted and must not touch. */
const outside = (ranges: readonly Range[]): readonly Range[] => {
  const gaps: Range[] = []
  let from = 0
  for (const [first, last] of ranges) {
    gaps.push([from, first - 1])
    from = last + 1
  }
  return [...gaps, [from, LAST_CODE_POINT]]
}

const DIGIT: readonly Range[] = [[0x30, 0x39]]

const WORD: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]

/** ECMA-262 §12.2 WhiteSpace and §12.3 LineTerminator. */
const SPACE: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]

const LINE_END: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]

/** The code points of `.` and of each class escape, by its spelling. */
export const SETS: ReadonlyMap<string, readonly Range[]> = new Map([
  ['.', outside(LINE_END)],
  ['\\d', DIGIT],
  ['\\D', outside(DIGIT)],
  ['\\w', WORD],
  ['\\W', outside(WORD)],
  ['\\s', SPACE],
  ['\\S', outside(SPACE)],
])

/** A test for code points in `ranges`; with `negated`, outside of all of them. */
export function anyOf(ranges: readonly Range[], negated = false): Accepts {
  // A repeat tests one code point once per copy, so the last result is remembered.
  let asked = -1
  let answer = false
  return (codePoint) => {
    if (codePoint !== asked) {
      asked = codePoint
      answer = ranges.some(([first, last]) => first <= codePoint && codePoint <= last) !== negated
    }
    return answer
  }
}
