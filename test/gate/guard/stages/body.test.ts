import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { heldBody, ownerOf } from '../../../../src/gate/guard/operation/body.ts'
import { anyRoom, codeOf, RESOURCE } from '../../../kit/facts.ts'

const digest = (text: string, algorithm = 'sha256') =>
  createHash(algorithm).update(text).digest('base64')
const SHA256 = `sha-256=:${digest('hello')}:`
const SHA512 = `sha-512=:${digest('hello', 'sha512')}:`

const held = (body: NonNullable<RequestInit['body']>, said?: string) =>
  heldBody(
    new Request(`${RESOURCE}/x`, {
      method: 'POST',
      body,
      duplex: 'half',
      ...(said !== undefined && { headers: { 'content-digest': said } }),
    } as RequestInit),
    256,
    anyRoom,
  )

it('a held body is what was sent, byte for byte, with its digest', async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => 255 - i)
  expect(await held(bytes)).toEqual({
    ok: true,
    value: { bytes, digest: createHash('sha256').update(bytes).digest('base64url') },
  })
})

it('a held body that breaks off is told', async () => {
  const body = new ReadableStream({ start: (controller) => controller.error(new Error('gone')) })
  expect(codeOf(await held(body))).toBe('body_incomplete')
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

/** Parameters (RFC 9651 §3.1.2), which no algorithm has yet; `~` stands between them. */
const PARAMETERS =
  ';a~;a;  b~;a=1;a=-1.250;*.-_=999999999999999~;a=?0;b=?1;c=@-1659578233~;a=tok/en:*;b=*~;a=::;b=:AAA=:'
const BROKEN =
  ';~;;a~ ;a~;\ta~;A~;1a~;a=~;a =1~;a= 1~;a=1.~;a=.5~;a=1.2345~;a=1234567890123456~;a=1a~;a=?2~;a=@1.5~;a="~;a="b"c~;a="\\b"~;a="ü"~;a=%"%C3"~;a=:A-:~;a=:AAAA~;a=(1 2)~;a,'

describe('a Content-Digest', () => {
  it.each([...PARAMETERS.split('~'), ';a="";b="a,b;c=:x: \\"\\\\"', ';a=%"f%c3%bc, \\ "'])(
    'is taken with parameters, which say nothing: %s',
    async (parameters) => {
      expect(codeOf(await held('hello', SHA256 + parameters))).toBe('ok')
      expect(codeOf(await held('hello', `${SHA512}, ${SHA256}${parameters}`))).toBe('ok')
    },
  )

  it.each([
    ...BROKEN.split('~').map((parameters) => SHA256 + parameters),
    // An algorithm that is there twice: which one counts is another matter for every reader.
    `${SHA256}, ${SHA256}`,
    `${SHA256};a, ${SHA512}, ${SHA256}`,
    `md5=:AAAA:, md5=:BBBB:`,
  ])('that is not well-formed is none: %s', async (said) => {
    expect(codeOf(await held('hello', said))).toBe('digest_mismatch')
  })
})
