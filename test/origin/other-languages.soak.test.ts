import { type ChildProcessWithoutNullStreams, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../kit/repository.ts'
import { createKey, type Members } from '../kit/signing.ts'
import { AGENT_ISSUER, AUDIENCE, digestOf, openGate, type TestGate, URL_ } from './support.ts'

const SOURCES = join(ROOT, 'examples/origin')

/** An example, and how a program of it is started that answers each line with who calls, or why nobody is let in. */
interface Language {
  readonly name: string
  readonly needs: string
  readonly isThere: boolean
  /** Whether it tells reasons; else `refused` and `unavailable` is all. */
  readonly tells: boolean
  /** Once for all programs. */
  build(): Promise<string>
  command(built: string): readonly [program: string, ...args: string[]]
  options(given: Options): Members
}

/** What a check is given, as the example in Python has it. */
interface Options {
  readonly gate: string
  readonly audience: string
  readonly jwks_uri: string
  readonly require?: string
  readonly host?: string | null
}

const PYTHON = ['python3', '/usr/bin/python3'].find(
  (one) => spawnSync(one, ['-c', 'import cryptography, jwt.api_jwk']).status === 0,
)

const IN_PYTHON = `
import json, sys
from verify_agent import AgentVerifier, Refused
used = set()
def replays(jti, expires):
    first = jti not in used
    used.add(jti)
    return first
verifier = AgentVerifier(**json.loads(sys.argv[1]), replays=replays)
for line in sys.stdin:
    method, path, headers, body, query = json.loads(line)
    try:
        claims = verifier.verify(method, path, headers, body.encode(), query)
        print(json.dumps([claims["sub"], claims["agent_iss"]]), flush=True)
    except Refused as refused:
        print(json.dumps(str(refused)), flush=True)
`

/** Has its requests read as a server of Go would. */
const IN_GO = String.raw`
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"example/origin"
)

func main() {
	used := map[string]bool{}
	verifier := origin.Verifier{Replays: func(jti string, _ time.Time) bool {
		isUsed := used[jti]
		used[jti] = true
		return !isUsed
	}}
	if err := json.Unmarshal([]byte(os.Args[1]), &verifier); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var method, path, body, query string
		headers := map[string]string{}
		if err := json.Unmarshal(lines.Bytes(), &[]any{&method, &path, &headers, &body, &query}); err != nil {
			panic(err)
		}
		if query != "" {
			path += "?" + query
		}
		text := fmt.Sprintf("%s %s HTTP/1.1\r\nContent-Length: %d\r\n", method, path, len(body))
		for name, value := range headers {
			text += name + ": " + value + "\r\n"
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text + "\r\n" + body)))
		if err != nil {
			panic(err)
		}
		var answer any = "refused"
		claims, err := verifier.Verify(r)
		if err == nil {
			answer = []string{claims.Sub, claims.AgentIss}
		} else if errors.Is(err, origin.ErrUnavailable) {
			answer = "unavailable"
		}
		told, _ := json.Marshal(answer)
		fmt.Println(string(told))
	}
}
`

const LANGUAGES: readonly Language[] = [
  {
    name: 'Python',
    needs: 'python3 with PyJWT and cryptography',
    isThere: PYTHON !== undefined,
    tells: true,
    build: async () => SOURCES,
    command: () => [PYTHON ?? '', '-B', '-c', IN_PYTHON],
    options: (given) => ({ ...given }),
  },
  {
    name: 'Go',
    needs: 'go',
    isThere: spawnSync('go', ['version']).status === 0,
    tells: false,
    async build() {
      const directory = await realpath(await mkdtemp(join(tmpdir(), 'edgewarden-go-')))
      await cp(join(SOURCES, 'verify_agent.go'), join(directory, 'origin/verify_agent.go'))
      await writeFile(join(directory, 'go.mod'), 'module example\n\ngo 1.21\n')
      await writeFile(join(directory, 'main.go'), IN_GO)
      await promisify(execFile)('go', ['build', '-o', 'check', '.'], { cwd: directory })
      return directory
    },
    command: (built) => [join(built, 'check')],
    options: ({ gate, audience, jwks_uri, require = '', host = '' }) => ({
      Gate: gate,
      Audience: audience,
      JWKS: jwks_uri,
      Binding: require,
      HostHeader: host ?? '-',
    }),
  },
]

const PATH = '/v1/documents/7'
const { host: HOST } = new URL(AUDIENCE)

for (const language of LANGUAGES) {
  const why = language.isThere ? '' : ` (skipped: no ${language.needs})`
  describe.skipIf(!language.isThere)(`the check in ${language.name}${why}`, () => check(language))
}

function check(language: Language) {
  let gate: TestGate
  const running: ChildProcessWithoutNullStreams[] = []
  let built: string
  let ask: Asking
  // A compiler that has compiled nothing yet takes its time.
  beforeAll(async () => {
    gate = await openGate()
    built = await language.build()
    ask = start()
  }, 300_000)
  afterAll(async () => {
    await Promise.all(running.map((child) => once(child.stdin.end() && child, 'close')))
    await gate.close()
    if (built !== SOURCES) await rm(built, { recursive: true })
  })

  type Asking = (
    assertion: string | undefined,
    request?: Partial<Record<'method' | 'path' | 'body' | 'query' | 'host', string>>,
  ) => Promise<unknown>

  const start = (options: Partial<Options> = {}): Asking => {
    const given = { gate: gate.issuer.issuer, audience: AUDIENCE, jwks_uri: gate.issuer.jwksUri }
    const [program, ...args] = language.command(built)
    const told = JSON.stringify(language.options({ ...given, ...options }))
    const child = spawn(program, [...args, told], { cwd: built })
    running.push(child)
    child.stderr.pipe(process.stderr)
    const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
    return async (
      assertion,
      { method = 'GET', path = PATH, body = '', query = '', host = HOST } = {},
    ) => {
      const headers = { host, ...(assertion !== undefined && { 'x-agent-assertion': assertion }) }
      child.stdin.write(`${JSON.stringify([method, path, headers, body, query])}\n`)
      return JSON.parse((await answers.next()).value ?? 'null')
    }
  }

  /** What is answered for a reason, which not every example tells. */
  const because = (reason: string): unknown => {
    if (language.tells) return expect.stringMatching(new RegExp(`^(?:${reason})$`))
    return reason === 'the keys cannot be had' ? 'unavailable' : 'refused'
  }

  it('knows who calls, whatever the name', async () => {
    expect(await ask(await gate.assertion({ sub: 'acme/Zoë' }))).toEqual(['acme/Zoë', AGENT_ISSUER])
    expect(gate.issuer.requests).toHaveLength(1)
  })

  it.runIf(language.name === 'Python')('takes EdDSA', async () => {
    const ed25519 = await createKey('Ed25519')
    gate.issuer.setKeys([gate.issuer.jwk, { ...ed25519.jwk, alg: 'EdDSA' }])
    const header = { typ: 'agent-assertion+jwt', alg: 'EdDSA', kid: ed25519.kid }
    const assertion = await gate.issuer.mintRaw(header, gate.claims(), ed25519)
    expect(await start()(assertion)).toEqual(['agent-1', AGENT_ISSUER])
  })

  const now = () => Math.floor(Date.now() / 1000)
  it.each<[string, () => Promise<string | undefined>, string]>([
    ['nothing', async () => undefined, 'there must be one assertion'],
    ['two', async () => `${await gate.assertion()}, a.b.c`, 'there must be one assertion'],
    ['a word', async () => 'word', 'DecodeError'],
    ['an access token', () => gate.assertion({}, { typ: 'at+jwt' }), 'the JWT is no assertion'],
    // Newer versions of PyJWT refuse it themselves.
    ['crit', () => forged({ crit: ['exp'] }), 'the JWT is no assertion|InvalidTokenError'],
    ['a key of its own', () => forged({ jwk: gate.issuer.jwk }), 'the JWT is no assertion'],
    ['alg none', () => forged({ alg: 'none' }), 'InvalidAlgorithmError'],
    ['an HMAC', () => forged({ alg: 'HS256' }), 'InvalidAlgorithmError'],
    ['an unknown key', () => forged({ kid: 'nobody' }), 'the gate has no such key'],
    ['another key', () => foreign(), 'InvalidSignatureError'],
    ['another gate', () => gate.assertion({ iss: 'x' }), 'InvalidIssuerError'],
    ['another origin', () => gate.assertion({ aud: 'x' }), 'InvalidAudienceError'],
    ['a list of origins', () => gate.assertion({ aud: [AUDIENCE] }), 'InvalidAudienceError'],
    ['no jti', () => gate.assertion({ jti: undefined }), 'MissingRequiredClaimError'],
    [
      'the past',
      () => gate.assertion({ iat: now() - 99, exp: now() - 40 }),
      'ExpiredSignatureError',
    ],
    ['the future', () => gate.assertion({ iat: now() + 30 }), 'ImmatureSignatureError'],
    ['an hour', () => gate.assertion({ exp: now() + 3_600 }), 'the assertion lives too long'],
  ])('refuses %s', async (_, make, reason) => {
    expect(await ask(await make())).toEqual(because(reason))
  })
  const forged = (header: Members) =>
    gate.issuer.mintRaw(
      { typ: 'agent-assertion+jwt', alg: 'ES256', kid: gate.issuer.kid, ...header },
      gate.claims(),
    )
  const foreign = async () =>
    gate.assertion({}, {}, { key: await createKey('ES256', gate.issuer.kid) })

  const ROUTES = [
    'GET /v1/{id}',
    'GET /v1/{+id}',
    'POST /v1/{m}:run',
    'GET /v1/*',
    'GET /',
    'GET /v1/a.b',
    'GET /v1/%2A',
  ]
  const TARGETS = `GET / | HEAD /v1/7 | POST /v1/7 | GET /v1/ | GET /v1 | GET /v1/a/b | GET /v1//b
    GET /v1/a%2Fb | GET /v1/a%2fb | GET /v1/%61 | GET /v1/.. | GET /v1/a/../b | GET /v1/a%2F.. | POST /v1/m:run
    POST /v1/:run | POST /v1/m%3Arun | GET /v1/Zo%C3%AB | GET /v1/%FF | GET /v1/a;b | GET /v1/a%5Cb | GET /v1/a%00
    GET /v1/axb | GET /v1/a.b | GET /v1/a%252Fb | GET /v1/a%25 | GET /v1/[a|b] | GET /v1/{id} | GET /v1/%C2%80 | GET /v1/*`
    .split(/\n|\|(?= )/)
    .map((text) => text.trim().split(' '))

  it.each(ROUTES)('finds the same requests under %s as the library', async (route) => {
    const { isUnderRoute } = await import('../../packages/origin/src/route.ts')
    const assertion = await gate.assertion({ route })
    for (const [method = '', path = ''] of TARGETS) {
      const answer = await ask(assertion, { method, path })
      const refused = because('the assertion is for another method or path')
      const expected = isUnderRoute(route, method, path) ? ['agent-1', AGENT_ISSUER] : refused
      expect(answer, `${method} ${path}`).toEqual(expected)
    }
  })

  it('holds a request and its body against what they are bound to, once', async () => {
    const post = { method: 'POST', body: 'Zoë' }
    const bound = (changes: Members = {}) =>
      gate.assertion({ htm: 'POST', htu: URL_, bdh: digestOf('Zoë'), ...changes })
    const assertion = await bound()
    expect(await ask(assertion, { ...post, body: 'Zoe' })).toEqual(
      because('the assertion is bound to another body'),
    )
    expect(await ask(assertion, post)).toEqual(['agent-1', AGENT_ISSUER])
    expect(await ask(assertion, post)).toEqual(because('the assertion was used before'))
    const another = because('the assertion is bound to another request')
    const others = [
      { htm: 'GET' },
      { htu: `${URL_}?a` },
      { htu: `${URL_}8` },
      { htu: URL_.replace('https', 'http') },
    ]
    for (const other of others) expect(await ask(await bound(other), post)).toEqual(another)
    const elsewhere = await bound({ htu: URL_.replace('origin', 'other') })
    expect(await ask(elsewhere, post)).toEqual(because('the assertion is for another host'))
    const port = URL_.replace('.com', '.com:443')
    expect(await ask(await bound({ htu: port }), post)).toEqual(['agent-1', AGENT_ISSUER])
    const demanding = start({ require: 'body' })
    expect(await demanding(await bound({ bdh: undefined }), post)).toEqual(
      because('the assertion is not bound to the request'),
    )
    expect(await demanding(await bound(), post)).toEqual(['agent-1', AGENT_ISSUER])
  })

  it('holds a query against its digest', async () => {
    const query = 'a=%27b%27&c'
    const another = because('the assertion is bound to another query')
    const digested = () => gate.assertion({ htm: 'GET', htu: URL_, htq: digestOf(query) })
    expect(await ask(await digested(), { query })).toEqual(['agent-1', AGENT_ISSUER])
    for (const other of ['', 'a', "a='b'&c", `${query}&d`]) {
      expect(await ask(await digested(), { query: other })).toEqual(another)
    }
    expect(await ask(await gate.assertion({ htm: 'GET', htu: URL_ }), { query })).toEqual(another)
    expect(await ask(await gate.assertion({ htq: digestOf(query) }), { query })).toEqual(
      because('the assertion is not bound to the request'),
    )
    expect(await ask(await gate.assertion(), { query })).toEqual(['agent-1', AGENT_ISSUER])
  })

  it('holds the host against the one that is named', async () => {
    const another = because('the assertion is for another host')
    const at = async (host: string, how = ask) => how(await gate.assertion(), { host })
    expect(await at(`${HOST.toUpperCase()}:443`)).toEqual(['agent-1', AGENT_ISSUER])
    const others = ['other.example', '', `${HOST}:80`, `${HOST}:99999`, `a@${HOST}`, '[::::]']
    for (const host of others) expect(await at(host)).toEqual(another)
    expect(await at('10.0.0.7', start({ host: null }))).toEqual(['agent-1', AGENT_ISSUER])
    expect(await at(HOST, start({ host: 'x-asked-host' }))).toEqual(another)
  })

  it('asks once for a flood of unknown keys, and goes on through an outage', async () => {
    const verify = start()
    expect(await verify(await gate.assertion())).toEqual(['agent-1', AGENT_ISSUER])
    const before = gate.issuer.requests.length
    await gate.issuer.fail(503)
    for (let n = 0; n < 5; n++) await verify(await forged({ kid: `nobody-${n}` }))
    expect(gate.issuer.requests.length).toBe(before)
    expect(await verify(await gate.assertion())).toEqual(['agent-1', AGENT_ISSUER])
    expect(await start()(await gate.assertion())).toEqual(because('the keys cannot be had'))
    await gate.issuer.fail()
  })
}
