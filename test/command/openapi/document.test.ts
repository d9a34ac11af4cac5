import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { readDocument } from '../../../src/command/openapi/document.ts'
import { folder, write } from '../kit.ts'
import { asking, document } from './documents.ts'

const directory = await folder()
const ROOT = document({ '/a': { get: asking('a') } })
let count = 0
const read = async (text: string) =>
  readDocument(await write(directory, `document-${++count}`, text))
const reason = async (text: string) => {
  const result = await read(text)
  return result.ok ? 'read' : result.reason.replace(/^.*?document-\d+:? /, '')
}

describe('a document', () => {
  it.each([
    ['JSON', JSON.stringify(ROOT)],
    ['JSON with a byte order mark', `\ufeff${JSON.stringify(ROOT)}`],
    ['YAML', stringify(ROOT)],
  ])('is read as %s', async (_, text) => {
    expect(await read(text)).toEqual({ ok: true, value: { root: ROOT } })
  })

  it('is read with the aliases and merge keys of YAML', async () => {
    const text = 'openapi: 3.1\nx: &x { get: {} }\npaths:\n  /a: *x\n  /b: { <<: *x, put: {} }\n'
    const paths = { '/a': { get: {} }, '/b': { get: {}, put: {} } }
    expect(await read(text)).toMatchObject({ ok: true, value: { root: { paths } } })
  })

  const levels = Array.from(
    { length: 12 },
    (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`,
  )
  it.each([
    ['deep YAML', `a: ${'['.repeat(20_000)}`, ''],
    ['aliases of aliases', `a0: &a0 [x]\n${levels.join('\n')}`, 'has too many aliases'],
    ['many aliases', `a: &a 1\nb: [${'*a,'.repeat(1_001)}]`, 'has too many aliases'],
    ['what is not UTF-8', '\ud800', 'is not an OpenAPI document'],
  ])('is refused: %s', async (_, text, message) => {
    const told = await reason(text)
    expect(told).not.toBe('read')
    expect(told).toContain(message)
  })
})

describe('a document from the network', () => {
  const answers: Record<string, RequestListener> = {
    '/api/openapi.json': (_, response) => response.end(JSON.stringify(ROOT)),
    '/moved': (_, response) => response.writeHead(302, { location: '/api/openapi.json' }).end(),
    '/cut': (_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{', () => response.destroy())
    },
    '/endless': (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    },
  }
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? '']
    if (answer) answer(request, response)
    else response.writeHead(404).end()
  })
  const started = new Promise<string>((done) => {
    server.listen(0, '127.0.0.1', () =>
      done(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    )
  })
  afterAll(() => server.close())

  it('is read, and knows where it is', async () => {
    const gate = await started
    const value = { root: ROOT, url: `${gate}/api/openapi.json` }
    expect(await readDocument(`${gate}/api/openapi.json`)).toEqual({ ok: true, value })
  })

  it.each([
    ['/moved', 'the server redirects to `/api/openapi.json`'],
    ['/none', 'the server answered 404'],
    ['/cut', 'the connection was cut'],
    ['/endless', 'its answer is too long'],
  ])('is refused at %s', async (path, message) => {
    const result = await readDocument((await started) + path)
    expect(result).toMatchObject({ ok: false, reason: expect.stringContaining(message) })
  })
})
