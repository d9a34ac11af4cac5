import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { denialGroups } from '../../../src/command/base/denials.ts'
import { runHere } from '../../command/kit.ts'
import { withLimits } from '../../e2e/hurried.ts'
import { askGate } from '../../e2e/setting.ts'
import { eventually } from '../../kit/eventually.ts'
import type { Gate } from '../../kit/gate.ts'
import { connectRaw } from '../../kit/raw.ts'
import { ROOT } from '../../kit/repository.ts'
import type { Members } from '../../kit/signing.ts'
import { WITH_AUDIT } from '../audit/support.ts'
import {
  ACT,
  CONSOLE,
  COOKIE,
  type ConsoleSetting,
  consoleOptions,
  cookieIn,
  OPERATOR,
  PAGE,
  signInHead,
  startConsole,
} from './console-setting.ts'

let setting: ConsoleSetting
beforeAll(async () => {
  setting = await startConsole()
})
afterAll(() => setting.close())

const bodyOf = async (answer: Response) => (await answer.json()) as Members
const outcome = async (answer: Response) => [answer.status, (await bodyOf(answer)).code]
const signedIn = async (claims?: Members) => ({
  cookie: await setting.enter(await setting.code(claims)),
})
const versionOf = async (name: string) => {
  const text = await readFile(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
const MISSING = [403, 'console_session_missing']
const FOREIGN = [403, 'console_request_foreign']

describe('the host of the console', () => {
  it('serves the page at each of its addresses, and the files that it names', async () => {
    const answer = await setting.page('/')
    const html = await answer.text()
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
    for (const path of [
      '/policy',
      '/decisions',
      '/decisions/abc',
      '/agents',
      '/find',
      '/approvals/a',
    ]) {
      expect(await (await setting.page(path)).text()).toBe(html)
    }
    const paths = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(
      ([, path]) => `${path}`,
    )
    expect(paths).toHaveLength(2)
    let size = gzipSync(html).length
    for (const path of paths) {
      const file = await setting.page(path)
      expect(file.status).toBe(200)
      expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      const text = await file.text()
      expect(text.length).toBeGreaterThan(10_000)
      size += gzipSync(text).length
    }
    expect(size).toBeLessThan(87_000)
    // The page loads nothing from elsewhere, and has no script or style in itself.
    expect(html).not.toMatch(/https?:|<style|<script(?! type="module" src)|style=/)
  })

  it('serves what each code means, and what to do about it', async () => {
    const answer = await setting.page('/codes.json')
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    const codes = (await answer.json()) as { [code: string]: readonly string[] }
    for (const group of denialGroups()) {
      for (const [code, row] of group.rows) expect([code, codes[code]]).toEqual([code, [...row]])
    }
  })

  it('answers an address it does not have with a page for people, and a problem for programs', async () => {
    const html = await (await setting.page('/')).text()
    const headers = { 'sec-fetch-mode': 'navigate' }
    const navigated: Record<string, string>[] = [headers, { accept: 'text/html,*/*;q=0.8' }]
    for (const headers of navigated) {
      const answer = await setting.page('/nothing/here', { headers })
      expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
        404,
        'text/html; charset=utf-8',
        html,
      ])
    }
    expect(await outcome(await setting.page('/nothing/here'))).toEqual([404, 'route_unknown'])
    const api = await setting.page('/api/nothing', { headers })
    expect(api.headers.get('content-type')).toMatch(/json/)
    const posted = await setting.page('/nothing', { method: 'POST', headers })
    expect(await outcome(posted)).toEqual([404, 'route_unknown'])
  })

  it('serves the notices of all that its files are bundled from', async () => {
    const html = await (await setting.page('/')).text()
    expect(html).toContain('<link rel="license" href="/licenses.txt">')
    const answer = await setting.page('/licenses.txt')
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/plain; charset=utf-8',
    ])
    const notices = await answer.text()
    for (const [name, file] of [
      ['@picocss/pico', 'LICENSE.md'],
      ['@preact/signals', 'LICENSE'],
      ['@preact/signals-core', 'LICENSE'],
      ['htm', 'LICENSE'],
      ['preact', 'LICENSE'],
      ['uplot', 'LICENSE'],
    ] as const) {
      const notice = await readFile(join(ROOT, 'node_modules', name, file), 'utf8')
      expect(notices).toContain(`${name} ${await versionOf(name)}\n\n${notice.trim()}\n`)
    }
  })

  it('lets no page frame it, and no text become a script', async () => {
    for (const path of ['/', '/api/console', '/nothing', '/session']) {
      const { headers } = await setting.page(path)
      const policy = headers.get('content-security-policy') ?? ''
      for (const part of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
      ]) {
        expect(policy.split('; ')).toContain(part)
      }
      expect(policy).not.toMatch(/unsafe|\*/)
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  it('says so too where it cannot read the address, and asks for https where it is', async () => {
    const targets = ['/%zz', '/api/%00', '//x', '/a/%2e%2e/%2e%2e/b', '/a?b#c', '/\\x']
    const hosts = [CONSOLE, CONSOLE.toUpperCase(), `${CONSOLE}:8443`]
    for (const [target, host] of targets.flatMap((one) => hosts.map((at) => [one, at] as const))) {
      const lines = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
      const { status, headers } = await setting.gate.raw(lines)
      const told = new Headers(headers.map(([name, value]): [string, string] => [name, value]))
      expect([target, host, status >= 400]).toEqual([target, host, true])
      expect([target, host, told.get('content-security-policy')]).toEqual([
        target,
        host,
        expect.stringContaining("default-src 'none'"),
      ])
      expect(told.get('x-frame-options')).toBe('DENY')
      expect(told.get('strict-transport-security')).toBeNull()
    }
    const secure = await setting.another({ ...consoleOptions(), protocolHeader: 'X-Scheme' })
    for (const path of ['/', '/api/policy', '/nothing', '/%zz']) {
      const headers = { ...PAGE, host: CONSOLE, 'x-scheme': 'https' }
      const told = (await askGate(secure, path, { headers })).headers
      expect([path, told.get('strict-transport-security')]).toEqual([path, 'max-age=63072000'])
      expect([path, told.get('x-frame-options')]).toEqual([path, 'DENY'])
    }
    const api = await askGate(secure, '/v1/x', { headers: { 'x-scheme': 'https' } })
    expect(api.headers.get('strict-transport-security')).toBeNull()
    const elsewhere = await setting.ask('/%zz')
    expect(elsewhere.headers.get('content-security-policy')).toBeNull()
  })

  it('serves nothing of the API, with or without a session', async () => {
    const { cookie } = await signedIn()
    const before = setting.origin.requests.length
    for (const path of [
      '/v1/models',
      '/api/../v1/models',
      '/api/%2e%2e/v1/models',
      '/api/..%2fv1/models',
      '/api//v1/models',
      '/.edgewarden/policy',
      '/.well-known/oauth-protected-resource',
      '/api/nothing',
    ]) {
      const token = await setting.token()
      const headers = { cookie, authorization: `Bearer ${token}` }
      const answer = await setting.page(path, { headers })
      expect([path, answer.status >= 400]).toEqual([path, true])
    }
    expect(setting.origin.requests.length).toBe(before)
  })

  it('is not served where its host is not', async () => {
    const answer = await setting.ask('/')
    expect(await outcome(answer)).not.toEqual([200, undefined])
    const other = await setting.ask('/session', { method: 'POST' })
    expect(other.headers.get('set-cookie')).toBeNull()
  })
})

describe('a code', () => {
  it('makes a session once, in a cookie that scripts and other sites do not get', async () => {
    const code = await setting.code()
    const body = JSON.stringify({ code })
    const answer = await setting.page('/session', { method: 'POST', body })
    expect(answer.status).toBe(204)
    expect(answer.headers.get('set-cookie')).toMatch(
      new RegExp(`^${COOKIE}=[\\w.-]+; Path=/; Max-Age=900; Secure; HttpOnly; SameSite=Strict$`),
    )
    const again = await setting.page('/session', { method: 'POST', body })
    expect(again.headers.get('set-cookie')).toBeNull()
    expect(await outcome(again)).toEqual([403, 'console_code_invalid'])
    const lines = ['console_signed_in', 'console_refused'].map((event) =>
      setting.gate.journalLine((line) => line.event === event),
    )
    expect(await Promise.all(lines)).toMatchObject([
      { issuer: setting.issuer.issuer, agent: expect.any(String) },
      { code: 'console_code_invalid', request_id: again.headers.get('x-request-id') },
    ])
    expect(setting.gate.output()).not.toContain(code)
  })

  it('is of this gate: others, and what only looks like one, are refused', async () => {
    const code = await setting.code()
    const [head, payload, signature = ''] = code.split('.')
    const token = await setting.token({ scope: OPERATOR })
    const cookie = (await setting.enter(await setting.code())).slice(COOKIE.length + 1)
    const turned = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
    const bodies = [
      '',
      'x',
      token,
      cookie,
      `${head}.${payload}.${turned}`,
      `${head}.${payload}.`,
      7,
    ]
    for (const one of bodies) {
      const body = JSON.stringify({ code: one })
      const answer = await setting.page('/session', { method: 'POST', body })
      expect(await outcome(answer)).toEqual([403, 'console_code_invalid'])
    }
    for (const body of ['', 'null', '[]', '{']) {
      const answer = await setting.page('/session', {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      })
      expect(await outcome(answer)).toEqual([403, 'console_code_invalid'])
    }
    expect(await setting.enter(code)).toMatch(/^__Host-/)
  })

  it('needs a token of an operator', async () => {
    const ask = async (claims: Members) =>
      outcome(
        await setting.ask('/.edgewarden/console', {
          method: 'POST',
          token: await setting.token(claims),
        }),
      )
    expect(await ask({ scope: 'chat:write' })).toEqual([403, 'scope_missing'])
    const none = await setting.ask('/.edgewarden/console', { method: 'POST' })
    expect(await outcome(none)).toEqual([401, 'credential_missing'])
  })
})

describe('bodies of sign-ins that never end', () => {
  it('leave room for others: those of one address have a share, and end soon', async () => {
    const few = await withLimits(inject('consoleBundle'), {
      ofOne: 8 * 1024,
      bodyReadMs: 3_600_000,
      signInMs: 300,
      signInMoreMs: 100,
    })
    const gate = await setting.another({
      ...consoleOptions(),
      bundle: few.path,
      gate: { assertion: 'identity', console: { host: CONSOLE }, client_ip: 'x-caller' },
    })
    const token = await setting.token({ scope: OPERATOR })
    const made = await askGate(gate, '/.edgewarden/console', { method: 'POST', token })
    const { url } = (await made.json()) as { url: string }
    const code = new URL(url).hash.slice('#code='.length)
    const connections = await Promise.all(Array.from({ length: 8 }, () => connectRaw(gate.port)))
    for (const one of connections) one.send(signInHead('198.51.100.7', 8_191))
    const enter = (address: string, body: string) =>
      askGate(gate, '/session', {
        method: 'POST',
        headers: {
          ...ACT,
          host: CONSOLE,
          'x-caller': address,
          'content-type': 'application/json',
        },
        body,
      })
    await eventually(async () => {
      expect(await outcome(await enter('198.51.100.7', '{}'))).toEqual([503, 'bodies_full'])
    })
    expect((await enter('198.51.100.8', JSON.stringify({ code }))).status).toBe(204)
    // Their time is not that of other bodies, which is an hour here.
    const ended = await Promise.all(connections.map((one) => one.response()))
    expect(ended.map(({ status }) => status)).toEqual(connections.map(() => 408))
    for (const one of connections) one.close()
    await few.remove()
  })

  it('are of a few kilobytes', async () => {
    const answer = await setting.page('/session', {
      method: 'POST',
      body: JSON.stringify({ code: 'x'.repeat(8_192) }),
    })
    expect(await outcome(answer)).toEqual([413, 'body_too_large'])
  })
})

describe('a session', () => {
  it('reaches the registry of agents: its Worker has each class that the other has', async () => {
    const headers = await signedIn({ scope: 'edgewarden:read edgewarden:agents' })
    const answer = await setting.page('/api/agents', { headers })
    expect(await bodyOf(answer)).toMatchObject({ agents: expect.any(Array) })
  })

  it('finds agents by the beginning of the id, and of the name that has the prefix', async () => {
    const headers = await signedIn({
      scope: 'edgewarden:read edgewarden:agents',
      client_id: 'seeker',
    })
    for (const value of ['sought-1', 'sought-2']) {
      const body = JSON.stringify({ issuer: setting.issuer.issuer, agent: value })
      const init = { method: 'POST', headers, body }
      expect((await setting.page('/api/agents/suspend', init)).status).toBe(200)
    }
    const found = async (find: string) => {
      const answer = await setting.page(`/api/agents?find=${find}`, { headers })
      return ((await bodyOf(answer)).agents as Members[]).map(({ agent }) => agent)
    }
    const both = ['sought-1', 'sought-2']
    expect(await found('sought')).toEqual(both)
    expect(await found('acme/sought')).toEqual(both)
    expect(await found('ac')).toEqual(expect.arrayContaining(both))
    expect(await found('acme/sought-2')).toEqual(['sought-2'])
    expect(await found('other/sought')).toEqual([])
  })

  it('stops the agent that it shows, and not the one whose name is its id', async () => {
    const issuer = setting.issuer.issuer
    const headers = await signedIn({ client_id: 'careful' })
    const statusOf = async (client_id: string) =>
      (await setting.ask('/v1/x', { token: await setting.token({ client_id }) })).status
    const statuses = () => Promise.all(['alike', 'acme/alike'].map(statusOf))
    expect(await statuses()).toEqual([200, 200])
    const act = (path: string, sent: Members, method = 'POST') =>
      setting.page(`/api/${path}`, { method, headers, body: JSON.stringify(sent) })
    // So that the registry knows both at once.
    for (const one of ['alike', 'acme/alike']) {
      for (const path of ['suspend', 'resume']) await act(`agents/${path}`, { issuer, agent: one })
    }
    // As the page does: from the list to the entry, and from the entry to the act.
    const listed = await setting.page('/api/agents?find=acme/acme/alike', { headers })
    const { agents } = (await bodyOf(listed)) as { agents: Members[] }
    expect(agents).toHaveLength(1)
    const query = new URLSearchParams({ issuer, agent: `${agents[0]?.agent}` })
    const found = await setting.page(`/api/agents/entry?${query}`, { headers })
    const { agent, agent_name } = (await bodyOf(found)).agent as Members
    expect([agent, agent_name]).toEqual(['acme/alike', 'acme/acme/alike'])
    for (const path of ['agents/suspend', 'agents/resume']) {
      expect((await act(path, { issuer, agent })).status).toBe(200)
      expect(await statuses()).toEqual([200, path === 'agents/suspend' ? 403 : 200])
    }
    const revoked = await act('revocations', { kind: 'agent', issuer, value: agent })
    expect(await statuses()).toEqual([200, 401])
    const { revocations } = (await bodyOf(revoked)) as { revocations: Members[] }
    await act(`revocations/${revocations[0]?.id}`, {}, 'DELETE')
    expect(await statuses()).toEqual([200, 200])
  })

  it('reads and acts as the operator, within the scopes of the token', async () => {
    const headers = await signedIn({ scope: 'edgewarden:read chat:write', client_id: 'viewer-1' })
    const who = await bodyOf(await setting.page('/api/console', { headers }))
    expect(who).toMatchObject({ agent: 'acme/viewer-1', scopes: ['edgewarden:read'] })
    expect((await setting.page('/api/policy', { headers })).status).toBe(200)
    const read = await setting.page('/api/decisions', { headers })
    expect(await outcome(read)).toEqual([403, 'scope_missing'])
    const body = JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: 'x' })
    const act = await setting.page('/api/revocations', { method: 'POST', headers, body })
    expect(await outcome(act)).toEqual([403, 'scope_missing'])
  })

  it('holds no token, and its cookie is for no endpoint of the API', async () => {
    const { cookie } = await signedIn({ client_id: 'holder' })
    const [, payload = ''] = cookie.split('.')
    const claims = Buffer.from(payload, 'base64url').toString()
    expect(claims).not.toMatch(/eyJ/)
    const text = cookie.slice(COOKIE.length + 1)
    for (const headers of [{ cookie }, { authorization: `Bearer ${text}` }]) {
      const answer = await setting.ask('/.edgewarden/policy', { headers })
      expect(answer.status).toBe(401)
    }
  })

  it('revokes an agent, and the audit has who it was', async () => {
    const headers = await signedIn({ client_id: 'chief' })
    const token = await setting.token({ client_id: 'rogue' })
    expect((await setting.ask('/v1/x', { token })).status).toBe(200)
    const body = JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: 'rogue' })
    const made = await setting.page('/api/revocations', { method: 'POST', headers, body })
    expect(made.status).toBe(200)
    const [entry] = (await bodyOf(made)).revocations as [Members]
    expect(await outcome(await setting.ask('/v1/x', { token }))).toEqual([401, 'token_revoked'])
    await eventually(async () => {
      const acts = await bodyOf(await setting.page('/api/decisions?kind=act', { headers }))
      const found = (acts.decisions as Members[]).find(({ act }) => act === 'revoke')
      expect(found).toMatchObject({ agent: 'chief', entries: [{ id: entry.id }] })
    })
    const path = `/api/revocations/${entry.id}`
    expect((await setting.page(path, { method: 'DELETE', headers })).status).toBe(204)
  })

  it('ends when its operator is revoked, and when its token is', async () => {
    for (const kind of ['agent', 'token'] as const) {
      const jti = crypto.randomUUID()
      const headers = await signedIn({ client_id: `gone-${kind}`, jti })
      expect((await setting.page('/api/console', { headers })).status).toBe(200)
      const value = kind === 'agent' ? `gone-${kind}` : jti
      const made = await setting.ask('/.edgewarden/revocations', {
        method: 'POST',
        token: await setting.token({ scope: OPERATOR }),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ kind, issuer: setting.issuer.issuer, value }),
      })
      expect(made.status).toBe(200)
      expect(await outcome(await setting.page('/api/console', { headers }))).toEqual([
        401,
        'token_revoked',
      ])
    }
  })

  it('ends when the registry of agents stops its operator, and goes on after that', async () => {
    const headers = await signedIn({ client_id: 'suspect' })
    const token = await setting.token({ scope: 'edgewarden:agents' })
    const body = JSON.stringify({ issuer: setting.issuer.issuer, agent: 'suspect' })
    for (const [act, said] of [
      ['suspend', [403, 'agent_suspended']],
      ['resume', [200, undefined]],
      ['retire', [403, 'agent_retired']],
    ] as const) {
      const done = await setting.ask(`/.edgewarden/agents/${act}`, {
        method: 'POST',
        token,
        headers: { 'content-type': 'application/json' },
        body,
      })
      expect([act, done.status]).toEqual([act, 200])
      expect(await outcome(await setting.page('/api/console', { headers }))).toEqual(said)
    }
  })

  it('makes no code, which would outlive it', async () => {
    const headers = await signedIn()
    const answer = await setting.page('/api/console', { method: 'POST', headers })
    expect(await outcome(answer)).toEqual([404, 'route_unknown'])
  })

  it('is renewed by no answer in its first half, nor by a refusal', async () => {
    const headers = await signedIn()
    for (const path of ['/api/console', '/api/health', '/api/nothing']) {
      expect(cookieIn(await setting.page(path, { headers }))).toBeUndefined()
    }
  })

  it('ends by signing out', async () => {
    const answer = await setting.page('/session', { method: 'DELETE', headers: await signedIn() })
    expect(answer.status).toBe(204)
    expect(answer.headers.get('set-cookie')).toContain(`${COOKIE}=; Path=/; Max-Age=0;`)
  })

  it('is none without its cookie, with another, and with two', async () => {
    const { cookie } = await signedIn()
    const [head, , signature] = cookie.split('.')
    const claims = { host: CONSOLE, exp: 9_999_999_999, agent: { name: 'acme/root' } }
    const forged = `${head}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`
    const code = await setting.code()
    for (const one of [
      '',
      `${COOKIE}=`,
      `${COOKIE}=${code}`,
      `${COOKIE}=${await setting.token({ scope: OPERATOR })}`,
      forged,
      `${cookie}; ${cookie}`,
      `${cookie}; ${COOKIE}=x`,
      cookie.toLowerCase(),
    ]) {
      const answer = await setting.page('/api/policy', { headers: { cookie: one } })
      expect(await outcome(answer)).toEqual(MISSING)
    }
  })

  it('is not one that another host can set, nor is it hidden by that', async () => {
    const { cookie } = await signedIn({ client_id: 'mallory' })
    const mine = await signedIn({ client_id: 'olga' })
    // A value may have commas and quotes, and a name that begins with a space of Unicode is not `__Host-`.
    for (const before of ['x=1,', 'x=1, ', 'x=",', '\u00a0', 'x=1; \u2000', 'x=1; \ufeff']) {
      const tossed = Buffer.from(`${before}${cookie}`).toString('latin1')
      const alone = await setting.page('/api/console', { headers: { cookie: tossed } })
      expect([before, ...(await outcome(alone))]).toEqual([before, ...MISSING])
      const headers = { cookie: `${tossed}; ${mine.cookie}; y=2` }
      const both = await bodyOf(await setting.page('/api/console', { headers }))
      expect([before, both.agent]).toEqual([before, 'acme/olga'])
    }
  })

  it('is not taken from Authorization', async () => {
    const headers = { authorization: `Bearer ${await setting.token({ scope: OPERATOR })}` }
    expect(await outcome(await setting.page('/api/policy', { headers }))).toEqual(MISSING)
  })
})

describe('another page', () => {
  it('can do nothing with the session, nor begin one', async () => {
    const { cookie } = await signedIn()
    const body = JSON.stringify({ kind: 'issuer', issuer: setting.issuer.issuer })
    const code = JSON.stringify({ code: await setting.code() })
    const cases: readonly Readonly<Record<string, string>>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
      { origin: `http://api.example.com` },
      { origin: 'null' },
      { origin: `http://${CONSOLE}.evil.example` },
    ]
    for (const headers of cases) {
      const given = { ...ACT, ...headers, cookie }
      for (const [path, sent] of [
        ['/api/revocations', body],
        ['/session', code],
      ] as const) {
        const answer = await setting.page(path, { method: 'POST', headers: given, body: sent })
        expect([headers, await outcome(answer)]).toEqual([headers, FOREIGN])
      }
    }
    for (const site of ['cross-site', 'same-site']) {
      const headers = { 'sec-fetch-site': site, cookie }
      expect(await outcome(await setting.page('/api/policy', { headers }))).toEqual(FOREIGN)
    }
    expect(await setting.enter(JSON.parse(code).code)).toMatch(/^__Host-/)
  })

  it('cannot send the header of an act, nor JSON, without a preflight, which is refused', async () => {
    const { cookie } = await signedIn()
    const { 'x-edgewarden-console': _, ...form } = ACT
    const plain = await setting.gate.fetch('/api/revocations', {
      method: 'POST',
      headers: { ...form, host: CONSOLE, cookie, 'content-type': 'text/plain' },
      body: '{}',
    })
    expect(await outcome(plain)).toEqual(FOREIGN)
    const preflight = await setting.page('/api/revocations', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).toBe(403)
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull()
  })
})

it('a code is not taken where nobody remembers that it was used', async () => {
  const other = await startConsole({
    durableObjects: { ...WITH_AUDIT, REPLAYS: 'RateLimiter' },
  })
  try {
    const body = JSON.stringify({ code: await other.code() })
    const answer = await other.page('/session', { method: 'POST', body })
    expect(answer.headers.get('set-cookie')).toBeNull()
    expect(await outcome(answer)).toEqual([503, 'console_unavailable'])
  } finally {
    await other.close()
  }
})

it('Cloudflare Access signs in by its assertion, which is verified as any token', async () => {
  const sent = async (assertion: string, more: Record<string, string> = {}) =>
    setting.page('/api/console', { headers: { 'cf-access-jwt-assertion': assertion, ...more } })
  const good = await sent(await setting.token({ scope: OPERATOR, client_id: 'alice' }))
  expect(await bodyOf(good)).toMatchObject({ agent: 'acme/alice' })
  expect(good.headers.get('set-cookie')).toBeNull()
  const stranger = await sent(await setting.token({ scope: OPERATOR, iss: 'https://evil.example' }))
  expect(await outcome(stranger)).toEqual([401, 'issuer_unknown'])
  const weak = await sent(await setting.token({ scope: 'chat:write' }))
  expect(await outcome(weak)).toEqual([403, 'scope_missing'])
  // A session of the gate counts before it.
  const both = await sent(await setting.token({ scope: 'chat:write' }), await signedIn())
  expect(both.status).toBe(200)
  const foreign = await sent(await setting.token({ scope: OPERATOR }), {
    'sec-fetch-site': 'cross-site',
  })
  expect(await outcome(foreign)).toEqual(FOREIGN)
})

it('the assertion may be as Access makes it, with scopes in a claim of the identity provider', async () => {
  const aud = '4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2'
  const gate = await setting.another({
    ...consoleOptions(),
    issuer: {
      profile: 'generic',
      audiences: [aud],
      agent_id: 'email',
      agent_prefix: 'people/',
      required_claims: [],
      max_lifetime: '24h',
      scope: '/custom/edgewarden',
      admin: 'all',
    },
  })
  const claims = { email: 'alice@example.com', type: 'app', sub: '7335d417', identity_nonce: 'x' }
  const assertion = await setting.issuer.mint(
    {
      ...claims,
      aud: [aud],
      custom: { edgewarden: 'edgewarden:read' },
      exp: Math.floor(Date.now() / 1000) + 86_000,
      jti: undefined,
      client_id: undefined,
      scope: undefined,
    },
    { typ: 'JWT' },
  )
  const headers = { ...PAGE, host: CONSOLE, 'cf-access-jwt-assertion': assertion }
  const who = await askGate(gate, '/api/console', { headers })
  expect(await bodyOf(who)).toMatchObject({
    agent: 'people/alice@example.com',
    scopes: ['edgewarden:read'],
  })
  const policy = await askGate(gate, '/api/policy', { headers })
  expect(policy.status).toBe(200)
  expect(await outcome(await askGate(gate, '/api/decisions', { headers }))).toEqual([
    403,
    'scope_missing',
  ])
})

it('the cookie of the console never reaches an origin, and others do', async () => {
  const { cookie } = await signedIn()
  const token = await setting.token()
  for (const [sent, forwarded] of [
    [cookie, undefined],
    [`a=1; ${cookie}; b=2`, 'a=1; b=2'],
    [`${cookie}; b=2`, 'b=2'],
    [`a=1, ${cookie}`, 'a=1'],
    [`${cookie}; ${cookie}; ${COOKIE}=x`, undefined],
    [`not${cookie}`, `not${cookie}`],
    ['a=1', 'a=1'],
  ] as const) {
    expect((await setting.ask('/v1/x', { token, headers: { cookie: sent } })).status).toBe(200)
    expect(setting.origin.requests.at(-1)?.header('cookie')).toBe(forwarded)
  }
})

it('no cached copy of an answer is left', async () => {
  const headers = await signedIn()
  for (const path of ['/', '/api/console', '/api/policy', '/api/decisions', '/nothing']) {
    const answer = await setting.page(path, { headers })
    expect([path, answer.headers.get('cache-control')]).toEqual([path, 'no-store'])
  }
  expect(cookieIn(await setting.page('/api/policy', { headers }))).toBeUndefined()
})

describe('edgewarden console', () => {
  const call = async (gate: Gate, claims: Members) =>
    runHere(['console', '--gate', gate.url], { EDGEWARDEN_TOKEN: await setting.token(claims) })

  it('prints the address with a code, which signs in', async () => {
    const gate = await setting.another({
      ...consoleOptions(),
      gate: { assertion: 'identity', console: { host: 'localhost' } },
    })
    const { code, stdout, stderr } = await call(gate, { scope: OPERATOR })
    expect([code, stderr]).toEqual([0, ''])
    const url = new URL(stdout.trim())
    expect(url.origin).toBe(`http://localhost:${gate.port}`)
    const answer = await askGate(gate, '/session', {
      method: 'POST',
      headers: { ...ACT, host: url.host, origin: url.origin, 'content-type': 'application/json' },
      body: JSON.stringify({ code: url.hash.slice('#code='.length) }),
    })
    expect(answer.status).toBe(204)
    const weak = await call(gate, { scope: 'chat:write' })
    expect([weak.code, weak.stdout]).toEqual([1, ''])
    expect(weak.stderr).toContain('scope_missing')
  })

  it('says what is missing where there is no console', async () => {
    const plain = await setting.another({ issuer: { admin: 'all' } })
    const { code, stderr } = await call(plain, { scope: OPERATOR })
    expect(code).toBe(1)
    expect(stderr).toContain('Is GATE.console set')
  })

  it('of the plain Worker is none, whatever its policy says', async () => {
    const { bundle: _, ...options } = consoleOptions()
    const plain = await setting.another(options)
    for (const path of ['/console', '/console/diff', '/nothing']) {
      const answer = await askGate(plain, `/.edgewarden${path}`, {
        method: 'POST',
        token: await setting.token({ scope: OPERATOR }),
      })
      expect([path, ...(await outcome(answer))]).toEqual([path, 404, 'route_unknown'])
    }
    const page = await askGate(plain, '/', { headers: { host: CONSOLE } })
    expect(page.status).toBeGreaterThanOrEqual(400)
  })

  it('does not open an address that is not https', async () => {
    const { code, stdout, stderr } = await call(setting.gate, { scope: OPERATOR })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('The answer of the gate has no address of a console')
  })
})
