/** Topics about conditions. */
import type { JsonObject } from '../reference/types.ts'
import type { Topic } from './topics.ts'

const rule = (when: string, more: JsonObject = {}): JsonObject => ({
  match: 'GET /v1/docs/{id}',
  scopes: [],
  when,
  ...more,
})

/** Addresses, of which some are one, and texts that are none. */
const ADDRESSES = [
  ...['192.0.2.7', '::ffff:192.0.2.7', '::ffff:c000:207', '::FFFF:C000:0207', '2001:db8::1', '::1'],
  ...['0:0:0:0:0:ffff:c000:207', '192.0.3.7', '::ffff:c000:307', '::c000:207'],
]
const NO_ADDRESSES = ['', 'x', '192.0.2', '192.0.2.7/24', '192.0.2.07', ' 192.0.2.7']

const NETWORKS: Topic = {
  policy: (dice) => ({
    rules: [
      rule(
        dice.pick([
          'inNetwork(token.from, ["192.0.2.0/24"])',
          '!inNetwork(token.from, ["192.0.2.0/24"])',
          'inNetwork(token.from, ["::ffff:192.0.2.0/120"])',
          'inNetwork("192.0.2.7", [token.network, "10.0.0.0/8"])',
          '!inNetwork("192.0.2.7", [token.network])',
        ]),
      ),
    ],
  }),
  token(dice, { claims }) {
    const network = () => `${dice.pick(ADDRESSES)}/${dice.pick([0, 24, 32, 33, 120, 128])}`
    claims.from = dice.pick(dice.chance(0.7) ? ADDRESSES : NO_ADDRESSES)
    claims.network = dice.chance(0.7) ? network() : dice.pick([...NO_ADDRESSES, '192.0.2.0/24'])
  },
}

/** Most characters of a text that a pattern is compared with. */
const LONGEST = 256

const PATTERNS: Topic = {
  policy: (dice) => ({
    rules: [
      rule(
        dice.pick([
          'token.text.matches("^x+$")',
          '!token.text.matches("y")',
          'token.text.matches("x")',
        ]),
      ),
    ],
  }),
  token: (dice, { claims }) => (claims.text = 'x'.repeat(LONGEST + dice.pick([-1, 0, 1, 200]))),
}

const PARAMETERS: Topic = {
  ids: ['a%20b', '%C3%A9', '7', 'a%2Cb'],
  policy: (dice) => ({
    rules: [rule(`request.params.id == "${dice.pick(['a b', 'é', 'a%20b', '7', 'a,b'])}"`)],
  }),
}

export const CONDITION_TOPICS: Topic[] = [NETWORKS, PATTERNS, PARAMETERS]
