import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  ASKS,
  type Caching,
  expectOwn,
  KEEPABLE,
  own,
  PLACES,
  shared,
  startCaching,
} from './caching.ts'

let caching: Caching
beforeAll(async () => {
  caching = await startCaching()
})
beforeEach(() => caching.clear())
afterAll(() => caching?.close())

const answerWith: Caching['answerWith'] = (...given) => caching.answerWith(...given)
const ask: Caching['ask'] = (...given) => caching.ask(...given)

// Every way to ask with all that caches are told, at every place: caching.soak.test.ts.
describe.each(PLACES)('of %s, asked by %j', (path, names) => {
  // The gate's requests keep the caches behind it from keeping anything, whatever they are told.
  const told = path.startsWith('/cached/') ? KEEPABLE.slice(0, 1) : KEEPABLE
  it.each(told)('everybody gets their own answer: %s', async (_, headers) => {
    answerWith(headers, own)
    await expectOwn(caching, path, names, {})
  })

  it('so it is however they ask', async () => {
    const [[, headers] = []] = KEEPABLE
    answerWith(headers ?? {}, own)
    for (const init of ASKS) await expectOwn(caching, path, names, init)
  })

  it('so it is where their answers have one ETag', async () => {
    answerWith({ 'cache-control': 'public, no-cache, s-maxage=600' }, shared)
    for (const name of [...names, ...names]) {
      expect(await ask(path, name)).toMatchObject({ status: 200, by: name, body: name })
    }
  })
})

it.each(['/v1/x', '/cached/v1/x'])('a denial of %s is kept for nobody', async (path) => {
  answerWith({ 'cache-control': 'public, s-maxage=600' }, own)
  for (const name of ['nobody', 'alice', 'nobody', 'bob']) {
    const { status, by, cache, cacheControl } = await ask(path, name)
    expect({ status, by, cache }).toEqual(
      name === 'nobody'
        ? { status: 401, by: null, cache: 'miss' }
        : { status: 200, by: name, cache: 'miss' },
    )
    expect(cacheControl).toBe(name === 'nobody' ? 'no-store' : 'private')
  }
})

it('nothing can be had from a cache behind the gate alone', async () => {
  answerWith({ 'cache-control': 'public, s-maxage=600' }, own)
  await ask('/cached/v1/x', 'alice')
  const { status, body } = await ask('/cached/v1/x', 'bob', {
    headers: { 'cache-control': 'no-cache, only-if-cached' },
  })
  expect([status, body]).not.toContain('alice')
})

// That each of them is kept where no gate is: caching.soak.test.ts.
describe('the same caches', () => {
  it.each(['/public/x', '/cached/public/x'])('serve %s, which is nobody’s', async (path) => {
    answerWith({ 'cache-control': 'public, s-maxage=600' }, own)
    const found = []
    for (const name of ['alice', 'bob', 'nobody']) found.push(await ask(path, name))
    expect(found).toMatchObject([
      { cache: 'miss', by: 'nobody' },
      { cache: 'hit', by: 'nobody' },
      { cache: 'hit', by: 'nobody' },
    ])
  })
})
