import { createPrivateKey, KeyObject, randomInt, randomUUID, sign } from 'node:crypto'
import { athOf, createProofKey } from '../../test/kit/dpop.ts'
import { createKey } from '../../test/kit/signing.ts'
import { ISSUER, RESOURCE } from './policy.ts'
import { ALGORITHMS, type Algorithm, type PublicKey } from './public-key.ts'

/** Agents of the issuer. Each has many tokens. */
const AGENTS = 64

/** What says who asks: a token, and where it is bound to a key a proof of that. */
export interface Credential {
  readonly token: string
  readonly proof?: string
}

/** The headers of a credential. */
export const authorized = ({ token = '', proof }: Partial<Credential> = {}) => ({
  authorization: `${proof === undefined ? 'Bearer' : 'DPoP'} ${token}`,
  ...(proof !== undefined && { dpop: proof }),
})

/** An authorization server's keys, and tokens as RFC 9068 describes them. */
export interface Mint {
  readonly keys: readonly PublicKey[]
  /** So many tokens, no two alike unless `jti` is given; good for an hour. */
  mint(alg: Algorithm, count: number, jti?: string): Promise<readonly Credential[]>
  /** So many tokens, each with members laid over those that every token has. */
  mintEach(count: number, claimsAt: (i: number) => object): Promise<readonly Credential[]>
  /** For each of so many agents its one token, with so many proofs for GET of a URL. */
  prove(agents: number, count: number, url: string): Promise<readonly (readonly Credential[])[]>
}

/** Makes a key pair for each algorithm; RSA with 2048 bits. */
export const createMint = async (issuer: string = ISSUER): Promise<Mint> => {
  const claims = (jti?: string) => claimsOf(issuer, jti)
  const pairs = await Promise.all(ALGORITHMS.map((alg) => createKey(alg, `${alg}-2026-11`)))
  const privateKeys = new Map<string, KeyObject>(
    pairs.map(({ alg, privateJwk }) => [alg, createPrivateKey({ key: privateJwk, format: 'jwk' })]),
  )
  const signAll = async (alg: Algorithm, count: number, payload: () => object) => {
    const key = privateKeys.get(alg)
    if (!key) throw new Error(`no key for ${alg}`)
    return repeated(count, { typ: 'at+jwt', alg, kid: `${alg}-2026-11` }, payload, key)
  }
  const agents: Promise<Agent>[] = []
  const agentAt = async (): Promise<Agent> => {
    const { privateKey, publicJwk, jkt } = await createProofKey()
    const [token = ''] = await signAll('ES256', 1, () => ({ ...claims(), cnf: { jkt } }))
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: publicJwk }
    return { token, header, key: KeyObject.from(privateKey) }
  }
  return {
    keys: pairs.map(({ jwk }) => jwk as unknown as PublicKey),
    async mint(alg, count, jti) {
      const tokens = await signAll(alg, count, () => claims(jti))
      return tokens.map((token) => ({ token }))
    },
    async mintEach(count, claimsAt) {
      let i = 0
      const payload = () => ({ ...claims(), ...claimsAt(i++) })
      return (await signAll('ES256', count, payload)).map((token) => ({ token }))
    },
    async prove(wanted, count, htu) {
      while (agents.length < wanted) agents.push(agentAt())
      const proofs = agents.slice(0, wanted).map(async (agent) => {
        const { token, header, key } = await agent
        const ath = athOf(token)
        const iat = Math.floor(Date.now() / 1000)
        const payload = () => ({ jti: randomUUID(), htm: 'GET', htu, iat, ath })
        const all = await repeated(count, header, payload, key)
        return all.map((proof) => ({ token, proof }))
      })
      return Promise.all(proofs)
    },
  }
}

/** An agent whose token is bound to its key. */
interface Agent {
  readonly token: string
  readonly header: object
  readonly key: KeyObject
}

/** So many signed texts, each with a payload of its own. */
const repeated = async (
  count: number,
  header: object,
  payload: () => object,
  key: KeyObject,
): Promise<readonly string[]> => {
  const first = encode(header)
  const texts: string[] = []
  // A thread pool signs; more at a time than it has threads gains nothing but memory.
  while (texts.length < count) {
    const batch = Math.min(256, count - texts.length)
    const inputs = Array.from({ length: batch }, () => `${first}.${encode(payload())}`)
    texts.push(...(await Promise.all(inputs.map((input) => signed(input, key)))))
  }
  return texts
}

const claimsOf = (iss: string, jti: string = randomUUID()) => {
  const now = Math.floor(Date.now() / 1000)
  const agent = `agent-${randomInt(AGENTS)}`
  return {
    iss,
    sub: `${agent}@clients.acme.example`,
    aud: RESOURCE,
    client_id: agent,
    iat: now,
    exp: now + 3600,
    jti,
    scope: 'documents:read documents:write chat:write models:read',
    agent_type: 'assistant',
    workflow_id: `wf-${agent.slice(6)}-quarterly-report`,
  }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const signed = (input: string, key: KeyObject): Promise<string> =>
  new Promise((done, fail) => {
    sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }, (error, signature) => {
      if (error) fail(error)
      else done(`${input}.${signature.toString('base64url')}`)
    })
  })
