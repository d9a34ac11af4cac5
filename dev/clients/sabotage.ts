import { Transform } from 'node:stream'

/** A gate that does something wrong, and where that must show. */
export interface Sabotage {
  /** Whether its policy allows everything. */
  readonly isOpen?: true
  /** What a proxy before the gate does with the answer to a body. */
  readonly change?: (body: string) => Transform
  /** Cases that must find it. */
  readonly cases: readonly string[]
}

/** Hands on each piece, or the whole at once. */
const changing = (isWhole: boolean, map: (text: string) => string) => {
  let kept = ''
  return new Transform({
    transform(bytes, _, done) {
      kept += bytes.toString('latin1')
      const end = isWhole ? -1 : kept.lastIndexOf('\n\n')
      const ready = end < 0 ? '' : kept.slice(0, end + 2)
      kept = kept.slice(ready.length)
      done(null, Buffer.from(map(ready), 'latin1'))
    },
    flush(done) {
      done(null, Buffer.from(map(kept), 'latin1'))
    },
  })
}

const same = (text: string) => text

/** A tool that the policy does not name. */
const MORE = '{"name":"forbidden_tool","inputSchema":{"type":"object"}},'
const MORE_MODELS = '{"id":"forbidden_model","type":"model"},'
const MORE_NAMES = '{"name":"forbidden_model","model":"forbidden_model"},'
const unfiltered = (text: string) =>
  text
    .replace('"tools":[', `$&${MORE}`)
    .replace(/"data":\[|^\[/, `$&${MORE_MODELS}`)
    .replace('"models":[', `$&${MORE_NAMES}`)

const isError = (event: string) => event.includes('revoked')
const withoutErrors = (text: string) =>
  text
    .split(/(?<=\n\n)/)
    .filter((event) => !isError(event))
    .join('')

/** Wrong gates by what is wrong. */
export const SABOTAGES: Readonly<Record<string, Sabotage>> = {
  'no enforcement': { isOpen: true, cases: ['denied', 'refused upload', '429'] },
  'unfiltered list': {
    cases: ['list'],
    change: (body) => changing(true, body === '' || body.includes('/list"') ? unfiltered : same),
  },
  'buffered streams': { cases: ['stream'], change: () => changing(true, same) },
  'endings without errors': {
    cases: ['revoked in a call'],
    change: () => changing(false, withoutErrors),
  },
}
