import { text as textOf } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import { afterAll } from 'vitest'
import { close, listen } from '../recording-gate.ts'

/** Who calls, by a token: what a JWT says, but what differs with each. */
const callerOf = (authorization: string | undefined): string => {
  const [, token = ''] = authorization?.split(' ') ?? []
  if (!token.startsWith('eyJ')) return token || 'nobody'
  const { jti: _, ...claims } = decodeJwt(token)
  return JSON.stringify(claims)
}

/** A stand-in for a gate, which answers as a transcript says and tells what it was asked. */
export const scriptedGate = async () => {
  let left: string[] = []
  const asked: string[] = []
  const { server, origin } = await listen(async (request, response) => {
    const { method, url = '', headers } = request
    const body = await textOf(request)
    const caller = callerOf(headers.authorization)
    asked.push(`${method} ${url} by ${caller}${body && ` ${body}`}`)
    const fits = (line: string) => line.startsWith(`gate ${method} ${url.split('?')[0]} `)
    const at = left.findIndex(fits)
    const line = left[at] ?? 'gate - - 404'
    if (left.slice(at + 1).some(fits)) left.splice(at, 1)
    const [, status, header, answer = ''] =
      /^gate \S+ \S+ (\d+)(?: \[(.*?)\])?(?: (.*))?$/.exec(line) ?? []
    const [name = '', value = ''] = header?.split(': ') ?? []
    const type = answer.includes('"code"') && Number(status) >= 400 ? 'problem+json' : 'json'
    response.writeHead(Number(status), {
      ...(answer && { 'content-type': `application/${type}` }),
      ...(name && { [name]: value }),
    })
    response.end(answer)
  })
  afterAll(() => close(server))
  return {
    origin,
    answers: (text: string) => {
      left = text.split('\n')
    },
    /** What it was asked since this was called last: the acts, or where there is none the questions. */
    asked: () => {
      const all = asked.splice(0)
      const acts = all.filter((line) => !line.startsWith('GET '))
      return acts.length > 0 ? acts : all
    },
  }
}
