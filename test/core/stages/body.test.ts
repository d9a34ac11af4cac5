import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { heldBody, ownerOf } from '../../../src/gate/guard/operation/body.ts'
import { anyRoom, codeOf, RESOURCE } from '../../kit/facts.ts'

const digest = (text: string | Uint8Array, algorithm = 'sha256') =>
  createHash(algorithm).update(text).digest('base64')
const SHA256 = `sha-256=:${digest('hello')}:`
const SHA512 = `sha-512=:${digest('hello', 'sha512')}:`
const OTHER = `sha-256=:${digest('other')}:`

const held = (body: NonNullable<RequestInit['body']> | null, said?: string, most = 64) =>
  heldBody(
    new Request(`${RESOURCE}/x`, {
      method: 'POST',
      body,
      duplex: 'half',
      ...(said !== undefined && { headers: { 'content-digest': said } }),
    } as RequestInit),
    most,
    anyRoom,
  )

describe('a held body', () => {
  it('is what was sent, byte for byte, with its digest', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => 255 - i)
    const outcome = await held(bytes, undefined, 256)
    expect(outcome).toEqual({
      ok: true,
      value: { bytes, digest: createHash('sha256').update(bytes).digest('base64url') },
    })
  })

  it.each<[string, string | null]>([
    ['no body', null],
    ['an empty one', ''],
  ])('has the digest of nothing where there is %s', async (_, body) => {
    expect(await held(body)).toMatchObject({
      ok: true,
      value: { bytes: new Uint8Array(), digest: '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU' },
    })
    expect(codeOf(await held(body, `sha-256=:${digest('')}:`))).toBe('ok')
    expect(codeOf(await held(body, SHA256))).toBe('digest_mismatch')
  })

  it('breaks off', async () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array([1]))
        controller.error(new Error('gone'))
      },
    })
    expect(codeOf(await held(body))).toBe('body_incomplete')
  })
})

it('room for bodies is of one agent of one issuer', () => {
  const [a, b] = ['https://a.example', 'https://b.example']
  const owners = [
    ownerOf({ issuer: a, id: 'planner' }),
    ownerOf({ issuer: b, id: 'planner' }),
    ownerOf({ issuer: a, id: 'helper' }),
  ]
  expect(new Set(owners).size).toBe(owners.length)
})

describe('a Content-Digest', () => {
  it.each([
    SHA256,
    SHA512,
    `${SHA256},${SHA512}`,
    `${SHA512}, ${SHA256}`,
    ` ${SHA256}\t, \t${SHA512} `,
    // Algorithms that are not safe (RFC 9530 §5), or not known, say nothing.
    'md5=:AAAA:',
    'unixsum=::',
    `crc32c=:AAAA:, ${SHA256}`,
    `*x.y-z_1=:AAAA:`,
    // Parameters (RFC 9651 §3.1.2), which no algorithm has yet, say nothing.
    ...[
      ';a',
      ';a;  b ',
      ';a=1;a=-1.250;*.-_=999999999999999',
      ';a=?0;b=?1;c=@-1659578233',
      ';a=tok/en:*;b=*',
      ';a="";b="a,b;c=:x: \\"\\\\"',
      ';a=%"f%c3%bc, \\ "',
      ';a=::;b=:AAA=:',
    ].flatMap((parameters) => [
      SHA256 + parameters,
      `${SHA256}${parameters},${SHA512}`,
      `${SHA512}, ${SHA256}${parameters}`,
    ]),
  ])('is taken: %s', async (said) => {
    expect(codeOf(await held('hello', said))).toBe('ok')
  })

  it.each([
    OTHER,
    `${SHA256}, ${OTHER}`,
    `${SHA256}, sha-512=:${digest('hello')}:`,
    `${SHA512.replace('512', '256')}`,
    // Not well-formed (RFC 8941 §3.2, §3.3.5).
    '',
    ',',
    `${SHA256},`,
    'sha-256',
    'sha-256=',
    `sha-256=${digest('hello')}`,
    `sha-256=:${digest('hello')}`,
    `sha-256=:${digest('hello')}:x`,
    `SHA-256=:${digest('hello')}:`,
    `sha-256 =:${digest('hello')}:`,
    `sha-256=:${createHash('sha256').update('hello').digest('base64url')}:`,
    `sha-256=:${createHash('sha256').update('hello').digest('hex')}:`,
    `sha-256="${digest('hello')}"`,
    `md5=:AAAA:, rubbish`,
    `constructor=:AAAA:, toString`,
    `,${SHA256}`,
    `${SHA256},,${SHA512}`,
    `${SHA256} ${SHA512}`,
    // Parameters hide nothing.
    `${OTHER};a=1`,
    `md5=:AAAA:;a="${SHA256}", ${OTHER}`,
    `${OTHER};a=", ${SHA256}"`,
    ...[
      ';',
      ';;a',
      ' ;a',
      ';\ta',
      ';A',
      ';1a',
      ';a=',
      ';a =1',
      ';a= 1',
      ';a=1.',
      ';a=.5',
      ';a=1.2345',
      ';a=1234567890123.1',
      ';a=1234567890123456',
      ';a=1a',
      ';a=?2',
      ';a=@1.5',
      ';a="',
      ';a="b"c',
      ';a="\\b"',
      ';a="ü"',
      ';a=%"%C3"',
      ';a=%"%"',
      ';a=:A-:',
      ';a=:AAAA',
      ';a=(1 2)',
      ';a=(',
      ';a,',
    ].map((parameters) => SHA256 + parameters),
    // An algorithm that is there twice: which one counts is another matter for every reader.
    `${SHA256}, ${SHA256}`,
    `${OTHER}, ${SHA256}`,
    `${SHA256};a, ${SHA512}, ${SHA256}`,
    `md5=:AAAA:, md5=:BBBB:`,
  ])('is not taken: %s', async (said) => {
    expect(codeOf(await held('hello', said))).toBe('digest_mismatch')
  })
})
