import type { JWK } from 'jose'
import { afterAll } from 'vitest'
import { type DoctorOptions, doctor } from '../../../src/command/doctor/doctor.ts'
import { createIssuer, type Issuer, type IssuerOptions } from '../../kit/issuer.ts'

/** What `--json` says, as far as tests look at it. */
export interface Report {
  readonly healthy: boolean
  readonly error?: string
  readonly discovery: {
    readonly documents: readonly { readonly status: number | null; readonly fault: string | null }[]
    readonly jwks_uri: string | null
  }
  readonly keys: {
    readonly usable: number
    readonly beyond: number
    readonly entries: readonly Readonly<Record<string, unknown>>[]
  }
  readonly caching: Readonly<Record<string, unknown>> | null
  readonly clock: { readonly ahead_seconds: number } | null
  readonly profile: { readonly name: string; readonly guess: string | null } | null
  readonly toml: string | null
  readonly token: Readonly<Record<string, unknown>> | null
  readonly problems: readonly {
    readonly code: string
    readonly message: string
    readonly fix: string
  }[]
  readonly warnings: Report['problems']
}

/** An issuer that is gone after the tests of the file. */
export const startIssuer = async (options: IssuerOptions = {}): Promise<Issuer> => {
  const issuer = await createIssuer(options)
  afterAll(() => issuer.close())
  return issuer
}

/** Examines an issuer in this process: exit status, all text, and the document. */
export const examine = async (asked: string, options: DoctorOptions = {}, stdin = '') => {
  const { exitCode, json, out, err } = await doctor(asked, options, async () => stdin)
  const report = json as Report
  return {
    exitCode,
    report,
    out: out.join('\n'),
    err: err.join('\n'),
    problems: report.problems?.map(({ code }) => code),
    warnings: report.warnings?.map(({ code }) => code),
  }
}

/** A public RSA key of 1024 bits, which jose would not make. */
export const weakRsaKey = async (kid: string): Promise<JWK> => {
  const size = { modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) }
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', ...size }
  const { publicKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const { alg: _, key_ops, ext, ...jwk } = await crypto.subtle.exportKey('jwk', publicKey)
  return { ...jwk, kid, use: 'sig' } as JWK
}
