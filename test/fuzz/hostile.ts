import fc from 'fast-check'
import { RESOURCE } from '../kit/facts.ts'
import { anyCharacter } from '../kit/property.ts'

/** Text of any kind. */
export const anyText = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ maxLength: 60 }),
  fc.base64String({ maxLength: 60 }),
)
const partsOf = (token: string) => token.split('.')

/** Any Authorization header: mostly a good token with one thing done to it. */
export const headersAround = (good: string, other: string): fc.Arbitrary<string> => {
  const place = fc.nat({ max: good.length - 1 })

  /** One thing done to a good token. */
  const mutated: fc.Arbitrary<string> = fc.oneof(
    fc.tuple(place, fc.integer({ min: 1, max: 255 })).map(([at, mask]) => {
      const bytes = Buffer.from(good)
      bytes[at] = (bytes[at] ?? 0) ^ mask
      return bytes.toString('latin1')
    }),
    place.map((at) => good.slice(0, at)),
    place.map((at) => good.slice(at + 1)),
    fc.tuple(place, anyText).map(([at, text]) => good.slice(0, at) + text + good.slice(at)),
    fc
      .array(fc.constantFrom(...partsOf(good), ...partsOf(other), '', 'e30'), { maxLength: 6 })
      .map((parts) => parts.join('.')),
    fc
      .tuple(fc.nat({ max: 2 }), fc.uint8Array({ maxLength: 80 }))
      .map(([at, bytes]) =>
        partsOf(good).with(at, Buffer.from(bytes).toString('base64url')).join('.'),
      ),
    fc
      .tuple(fc.nat({ max: 1 }), fc.json())
      .map(([at, json]) =>
        partsOf(good).with(at, Buffer.from(json).toString('base64url')).join('.'),
      ),
  )

  return fc.oneof(
    { weight: 6, arbitrary: mutated.map((token) => `Bearer ${token}`) },
    { weight: 1, arbitrary: fc.constantFrom(`Bearer ${good}`, `bEARER   ${good}`) },
    { weight: 1, arbitrary: anyText },
    { weight: 1, arbitrary: anyText.map((text) => `Bearer ${text}`) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(anyText, fc.constantFrom('', ' ', ',', ', ', '"', '\t', '='), anyText)
        .map(([before, by, after]) => `${before}${by}Bearer ${good}${by}${after}`),
    },
  )
}

const docs = `${RESOURCE}/docs/7`
const urlPiece = fc.oneof(
  fc.constantFrom(
    ...['/', '//', '.', '..', '%2e', '%2F', '%252f', '\\', ';', '?', '#', '@', ':', '%', '%zz'],
    ...['docs', 'DOCS', '7', 'open', 'crawl', 'teams', 'red', '%00', 'é', '%C3%A9', '%ff', ' '],
    ...['https://', 'http://', 'api.example.com', 'access_token=x', '&', '+', '*', '{id}'],
  ),
  anyText,
)
/** An address, mostly of the gate, mostly wrong. */
export const url = fc.oneof(
  fc.array(urlPiece, { maxLength: 8 }).map((pieces) => `${RESOURCE}/${pieces.join('')}`),
  fc.array(urlPiece, { maxLength: 6 }).map((pieces) => `${docs}${pieces.join('')}`),
  fc.array(urlPiece, { maxLength: 8 }).map((pieces) => pieces.join('')),
  fc.constantFrom(
    docs,
    `${docs}?q=1`,
    `${RESOURCE}/teams/red/x`,
    `${RESOURCE}/crawl`,
    `${RESOURCE}/open`,
  ),
)
