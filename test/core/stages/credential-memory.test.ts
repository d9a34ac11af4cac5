import { describe, expect, it } from 'vitest'
import { credential } from '../../../src/gate/guard/stages/credential.ts'
import type { TokenMemory } from '../../../src/gate/model/ports.ts'
import type { VerifiedToken } from '../../../src/gate/model/token.ts'
import {
  addressOf,
  codeOf,
  ISSUER,
  noTokens,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../kit/facts.ts'

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** A token nobody signed: here nothing is verified yet. */
const TOKEN = `${part({ alg: 'ES256', typ: 'at+jwt', kid: 'key-1' })}.${part({ iss: ISSUER })}.AA`

interface Given {
  readonly tokens?: TokenMemory
  readonly query?: string
  readonly access?: 'required' | 'public' | 'optional'
}

const run = async (
  authorization: string | Headers | undefined,
  { tokens = noTokens, query = '', access = 'required' }: Given = {},
) => {
  const headers =
    authorization instanceof Headers
      ? authorization
      : new Headers(authorization === undefined ? {} : { authorization })
  const url = `${RESOURCE}/x${query}`
  const request = requestTo(url, { headers })
  const route = routeOf('GET /x', { access })
  const policy = policyOf()
  return credential.run({ request, policy, route, address: addressOf(url) }, { tokens })
}

describe('the memory of verified tokens', () => {
  /** Holds this header as if its token were verified, and tells what is asked of it. */
  const memoryOf = async (text = `Bearer ${TOKEN}`) => {
    const outcome = await run(text)
    if (!outcome.ok || !outcome.value.credential) throw new Error('not read')
    const { credential } = outcome.value
    const held = { credential, token: {} as VerifiedToken, admissions: new Map() }
    const asked: string[] = []
    const tokens: TokenMemory = {
      find(authorization) {
        asked.push(authorization)
        return authorization === text ? held : undefined
      },
      keep() {
        throw new Error('nothing is verified yet')
      },
    }
    return { asked, tokens, held }
  }
  const read = async (authorization: string | Headers, tokens: TokenMemory) => {
    const outcome = await run(authorization, { tokens })
    return outcome.ok ? outcome.value : outcome.reason.code
  }

  it('gives back what was read from this very header, and says what was remembered', async () => {
    const { asked, tokens, held } = await memoryOf()
    // Headers come without the spaces around them.
    for (const sent of [`Bearer ${TOKEN}`, ` Bearer ${TOKEN}\t`]) {
      const found = await read(sent, tokens)
      if (typeof found === 'string') throw new Error(found)
      expect(found.credential).toBe(held.credential)
      expect(found.remembered).toBe(held)
    }
    expect(asked).toEqual([`Bearer ${TOKEN}`, `Bearer ${TOKEN}`])
  })

  it.each([`bearer ${TOKEN}`, `BEARER ${TOKEN}`, `Bearer  ${TOKEN}`, `bEARER   ${TOKEN}`])(
    'knows another spelling for another, which is read anew: %.14j',
    async (authorization) => {
      const { tokens, held } = await memoryOf()
      const found = await read(authorization, tokens)
      expect(found).toEqual({
        credential: { ...held.credential, authorization },
        remembered: undefined,
      })
    },
  )

  it.each<[string, string]>([
    ['token_malformed', `Bearer ${TOKEN.slice(0, -1)}`],
    ['token_malformed', `Bearer ${TOKEN.replace(/AA$/, 'AB')}`],
    ['token_malformed', `Bearer ${TOKEN}=`],
    ['token_malformed', `Bearer ${TOKEN.toLowerCase()}`],
    ['credential_malformed', `Bearer ${TOKEN},`],
    ['credential_malformed', `Bearer ${TOKEN}, Bearer ${TOKEN}`],
    ['credential_malformed', `Bearer ${TOKEN} ${TOKEN}`],
    ['credential_malformed', `Bearer\t${TOKEN}`],
    ['scheme_unsupported', `Token ${TOKEN}`],
    ['scheme_unsupported', TOKEN],
  ])('never makes %s good for %.60j', async (code, authorization) => {
    const { tokens } = await memoryOf()
    expect(await read(authorization, tokens)).toBe(code)
  })

  it('never makes two headers one', async () => {
    const { asked, tokens } = await memoryOf()
    const headers = new Headers({ authorization: `Bearer ${TOKEN}` })
    headers.append('authorization', `Bearer ${TOKEN}`)
    expect(await read(headers, tokens)).toBe('credential_malformed')
    expect(asked).toEqual([`Bearer ${TOKEN}, Bearer ${TOKEN}`])
  })

  it.each([
    ['end', { access: 'public' }],
    ['credential_in_query', { query: '?access_token=x' }],
    ['credential_in_query', { query: '?access_token=x', access: 'optional' }],
  ] as const)('is not asked where no token is read (%s)', async (code, given) => {
    const { asked, tokens } = await memoryOf()
    expect(codeOf(await run(`Bearer ${TOKEN}`, { tokens, ...given }))).toBe(code)
    expect(asked).toEqual([])
  })

  it('is not asked by a request without the header', async () => {
    const { asked, tokens } = await memoryOf()
    expect(codeOf(await run(undefined, { tokens, access: 'optional' }))).toBe('end')
    expect(codeOf(await run(undefined, { tokens }))).toBe('credential_missing')
    expect(asked).toEqual([])
  })
})
