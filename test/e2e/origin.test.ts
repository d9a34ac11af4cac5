import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rawReply, redirect, reply } from '../kit/answers.ts'
import type { Origin } from '../kit/origin.ts'
import { type Answers, answersOf } from './answers-setting.ts'
import { outcome } from './setting.ts'

let setting: Answers
let token: string
/** Another origin, whose API begins at `/base`. */
let based: Origin

beforeAll(async () => {
  setting = await answersOf('origin')
  based = setting.second
  token = await setting.token()
})
beforeEach(() => {
  setting.origin.clear()
  based.clear()
})

const ask = (path: string, init: RequestInit = {}) => setting.ask(path, { token, ...init })

describe('an answer that is no HTTP answer', () => {
  it.each([101, 600])('%i is 502', async (status) => {
    setting.origin.on(
      '*',
      rawReply(`HTTP/1.1 ${status} Odd\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`),
    )
    expect(await outcome(await ask('/v1/a'))).toEqual({ status: 502, code: 'origin_unreachable' })
  })
})

describe('redirects are handed back', () => {
  const location = async (path: string, to: string) => {
    setting.origin.on('*', redirect(to))
    const response = await ask(path)
    expect(response.status).toBe(302)
    expect(setting.origin.requests).toHaveLength(1)
    return response.headers.get('location')
  }

  it.each([
    ['on the origin', '/v1/a', 'ORIGIN/v1/b?x=1#f', 'GATE/v1/b?x=1#f'],
    ['on the origin, below a prefix', '/tools/a', 'ORIGIN/b', 'GATE/tools/b'],
    ['a path below a prefix', '/tools/a', '/b?x=1', '/tools/b?x=1'],
    ['elsewhere', '/tools/a', 'https://elsewhere.example/b', 'https://elsewhere.example/b'],
    ['elsewhere without scheme', '/tools/a', '//elsewhere.example/b', '//elsewhere.example/b'],
  ])('%s', async (_name, path, to, expected) => {
    const { origin } = setting
    const told = expected.replace('GATE', `http://${setting.host}`)
    expect(await location(path, to.replace('ORIGIN', origin.url))).toBe(told)
  })

  it('rewrites Content-Location, too', async () => {
    setting.origin.on('*', reply(201, { 'content-location': '/made/1' }))
    const response = await ask('/tools/make', { method: 'POST', body: 'x' })
    expect(response.headers.get('content-location')).toBe('/tools/made/1')
  })
})

describe('what the origin is asked', () => {
  it('says who forwarded it', async () => {
    await ask('/v1/x')
    const [seen] = setting.origin.requests
    expect(seen?.header('host')).toBe(setting.origin.host)
    expect(seen?.header('x-forwarded-for')).toBe('127.0.0.1')
    expect(seen?.header('x-forwarded-proto')).toBe('http')
    expect(seen?.header('x-forwarded-host')).toBe(setting.host)
    expect(seen?.header('via')).toBe('1.1 edgewarden')
  })
})

describe('an origin with a path of its own', () => {
  it('has it in front of what is asked', async () => {
    for (const path of ['/based/x?y=/z', '/moved/x', '/moved/']) await ask(path)
    expect(based.requests.map(({ url }) => url)).toEqual([
      '/base/based/x?y=/z',
      '/base/x',
      '/base/',
    ])
  })

  it.each([
    ['/based/a', '/base/based/b', '/based/b'],
    ['/moved/a', '/base/b?x=1', '/moved/b?x=1'],
    ['/moved/a', 'ORIGIN/base/b', 'GATE/moved/b'],
    ['/moved/a', '/base', '/moved'],
    // Nothing of the gate leads there.
    ['/moved/a', '/basement/b', '/basement/b'],
  ])('is taken out of a Location again: %s to %s', async (path, to, expected) => {
    based.on('*', redirect(to.replace('ORIGIN', based.url)))
    const response = await ask(path)
    const told = expected.replace('GATE', `http://${setting.host}`)
    expect(response.headers.get('location')).toBe(told)
  })
})
