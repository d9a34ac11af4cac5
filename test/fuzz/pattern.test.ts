import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Pattern, parsePattern } from '../../src/gate/base/pattern.ts'
import { tries } from '../kit/property.ts'

const raw = String.raw

const accepted = (source: string): Pattern => {
  const result = parsePattern(source)
  if (!result.ok) throw new Error(`${source} was refused: ${result.reason}`)
  return result.value
}

const reference = (source: string): RegExp => new RegExp(`^(?:${source})$`, 'u')

/** A piece of a pattern with a text it must match. */
interface Specimen {
  readonly source: string
  readonly text: string
}

const specimen = (source: string, ...texts: readonly string[]): fc.Arbitrary<Specimen> =>
  fc.constantFrom(...texts).map((text) => ({ source, text }))

const ATOMS = fc.oneof(
  ...['a', 'b', '-', '1', '😀', 'é', ' '].map((literal) => specimen(literal, literal)),
  specimen('.', 'a', '1', '😀', '\uD83D'),
  specimen(raw`\d`, '1'),
  specimen(raw`\D`, 'a', '\n', '😀'),
  specimen(raw`\w`, 'a', '1'),
  specimen(raw`\W`, '-', '😀'),
  specimen(raw`\s`, ' ', '\n', '\ufeff'),
  specimen(raw`\S`, 'b', '-', '\uD83D'),
  specimen(raw`\u0061`, 'a'),
  specimen(raw`\u{1F600}`, '😀'),
  specimen(raw`\n`, '\n'),
  specimen(raw`\.`, '.'),
  specimen(raw`\$`, '$'),
  specimen('[ab]', 'a', 'b'),
  specimen('[^a]', 'b', '\n', '😀', '\uD83D'),
  specimen('[a-b1-]', 'a', 'b', '1', '-'),
  specimen(raw`[\d\-😀]`, '1', '-', '😀'),
  specimen(raw`[^\w\s]`, '-', '😀'),
)

const joined = (parts: readonly Specimen[]): Specimen => ({
  source: parts.map(({ source }) => source).join(''),
  text: parts.map(({ text }) => text).join(''),
})

const alternatives = (term: fc.Arbitrary<Specimen>): fc.Arbitrary<Specimen> =>
  fc
    .array(fc.array(term, { maxLength: 3 }).map(joined), { minLength: 1, maxLength: 3 })
    .chain((branches) =>
      specimen(branches.map(({ source }) => source).join('|'), ...branches.map(({ text }) => text)),
    )

const grouped = (term: fc.Arbitrary<Specimen>): fc.Arbitrary<Specimen> =>
  fc
    .tuple(fc.constantFrom('(', '(?:'), alternatives(term))
    .map(([open, { source, text }]) => ({ source: `${open}${source})`, text }))

/** Quantifiers, each with a number of times that it allows. */
const QUANTIFIERS: readonly (readonly [quantifier: string, times: readonly number[]])[] = [
  ['?', [0, 1]],
  ['*', [0, 1, 3]],
  ['+', [1, 3]],
  ['{2}', [2]],
  ['{0}', [0]],
  ['{1,}', [1, 3]],
  ['{0,2}', [0, 1, 2]],
  ['{1,3}', [1, 3]],
]

const repeated = (item: fc.Arbitrary<Specimen>): fc.Arbitrary<Specimen> =>
  fc
    .tuple(item, fc.constantFrom(...QUANTIFIERS))
    .chain(([{ source, text }, [quantifier, times]]) =>
      specimen(`${source}${quantifier}`, ...times.map((count) => text.repeat(count))),
    )

const PLAIN = fc.oneof({ weight: 3, arbitrary: ATOMS }, grouped(ATOMS), grouped(grouped(ATOMS)))
const TERM = fc.oneof(PLAIN, repeated(PLAIN))
const PATTERN = fc
  .tuple(
    fc.constantFrom('', '^'),
    alternatives(fc.oneof({ weight: 3, arbitrary: TERM }, grouped(TERM))),
    fc.constantFrom('', '$'),
  )
  .map(([first, { source, text }, last]) => ({ source: `${first}${source}${last}`, text }))
  .filter(({ source }) => source.length <= 200)

const VALUE = fc
  .array(fc.constantFrom('a', 'b', '1', '-', ' ', '\n', '😀', '\uD83D', '\uDE00', '.'), {
    maxLength: 6,
  })
  .map((characters) => characters.join(''))

describe('against RegExp', () => {
  it('accepts every pattern of the grammar, and answers as RegExp does', () => {
    const answers = { true: 0, false: 0 }
    fc.assert(
      fc.property(PATTERN, fc.array(VALUE, { minLength: 8, maxLength: 8 }), (drawn, values) => {
        const pattern = accepted(drawn.source)
        const expected = reference(drawn.source)
        expect([drawn.text, pattern.matches(drawn.text)]).toEqual([drawn.text, true])
        for (const value of [drawn.text, `${drawn.text}a`, drawn.text.slice(1), ...values]) {
          const answer = pattern.matches(value)
          expect([value, answer]).toEqual([value, expected.test(value)])
          answers[`${answer}`] += 1
        }
      }),
      tries(150),
    )
    expect(answers.true).toBeGreaterThan(150)
    expect(answers.false).toBeGreaterThan(350)
  })

  it('accepts of any text only what RegExp accepts, and answers as it does', () => {
    const characters = [...raw`ab1-,:=!<>^$\\\.*+?((()))[[]]{}|dDwsntuk0AF`, '😀', '\uD83D', '\n']
    const text = fc
      .array(fc.constantFrom(...characters), { maxLength: 9 })
      .map((drawn) => drawn.join(''))
    const outcomes = { accepted: 0, refused: 0 }
    fc.assert(
      fc.property(text, fc.array(VALUE, { minLength: 4, maxLength: 4 }), (source, values) => {
        const result = parsePattern(source)
        if (!result.ok) {
          outcomes.refused += 1
          expect(result.reason).toMatch(/^".+" at character \d+ [a-z].*; [a-z]/s)
          return
        }
        outcomes.accepted += 1
        for (const value of [source, ...values])
          expect([value, result.value.matches(value)]).toEqual([
            value,
            reference(source).test(value),
          ])
      }),
      tries(800),
    )
    expect(outcomes.accepted).toBeGreaterThan(80)
    expect(outcomes.refused).toBeGreaterThan(160)
  })
})
