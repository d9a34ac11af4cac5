import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { readDocument } from '../../../src/command/openapi/document.ts'
import { folder, write } from '../cli/kit.ts'
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
    [
      'Swagger 2.0',
      '{"swagger":"2.0"}',
      'is not an OpenAPI document of version 3.0 or 3.1; convert other versions',
    ],
    ['OpenAPI 3.2', 'openapi: 3.2.0', 'is not an OpenAPI document of version 3.0 or 3.1; convert'],
    ['an empty file', '', 'is not an OpenAPI document'],
    ['a list', '[]', 'is not an OpenAPI document'],
    ['broken JSON', '{"openapi": }', "Unexpected token '}'"],
    ['a name twice in JSON', '{"openapi":"3.0.0","openapi":"3.1.0"}', 'has a name twice'],
    ['deep JSON', `{"a":${'['.repeat(600)}${']'.repeat(600)}}`, 'it is too deep'],
    ['broken YAML', 'openapi: 3.0.0\n\tpaths: {}', 'at line 2, column 1'],
    ['a name twice in YAML', 'openapi: 3.0.0\npaths: {}\npaths: {}', 'a name twice in a map'],
    ['deep YAML', `a: ${'['.repeat(20_000)}`, ''],
    ['aliases of aliases', `a0: &a0 [x]\n${levels.join('\n')}`, 'has too many aliases'],
    ['many aliases', `a: &a 1\nb: [${'*a,'.repeat(1_001)}]`, 'has too many aliases'],
    ['an unknown alias', 'a: *b', 'has too many aliases'],
    ['several documents', 'openapi: 3.0.0\n---\nopenapi: 3.0.0', 'multiple documents'],
    ['what is not UTF-8', '\ud800', 'is not an OpenAPI document'],
    [
      'too much YAML',
      `a: ${'x'.repeat(10 * 1024 * 1024)}`,
      'larger than 10 MB; convert it to JSON',
    ],
  ])('is refused: %s', async (_, text, message) => {
    const told = await reason(text)
    expect(told).not.toBe('read')
    expect(told).toContain(message)
  })

  it('is refused where there is no such file, or it is a folder', async () => {
    const missing = await readDocument(`${directory}/none`)
    expect(missing).toMatchObject({ reason: expect.stringContaining('there is no such file') })
    expect(await readDocument(directory)).toMatchObject({
      reason: expect.stringContaining('folder'),
    })
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

  it.each([
    'http://api.acme.dev/openapi.json',
    'ftp://api.acme.dev/openapi.json',
    'https://name:word@api.acme.dev/openapi.json',
  ])('is not asked for at %s', async (url) => {
    expect(await readDocument(url)).toMatchObject({
      reason: expect.stringContaining('is no https URL'),
    })
  })
})
