import { describe, expect, it } from 'vitest'
import { isOfAnotherTenant } from '../../../src/gate/model/jwk.ts'

const OURS = '11111111-2222-3333-4444-55555555aaaa'
const THEIRS = '9188040d-6c67-4c5b-b112-36a304b66dad'
const at = (tenant: string) => `https://login.microsoftonline.com/${tenant}/v2.0`

describe('isOfAnotherTenant', () => {
  it.each<[marked: unknown, issuer: string, another: boolean]>([
    [at(OURS), at(OURS), false],
    [at(OURS.toUpperCase()), at(OURS), false],
    [at(OURS), `https://sts.windows.net/${OURS}/`, false],
    [at('{tenantid}'), at(OURS), false],
    [undefined, at(OURS), false],
    [7, at(OURS), false],
    [at(THEIRS), 'https://auth.acme.example', false],
    [at(THEIRS), at(OURS), true],
    [at(THEIRS), `https://sts.windows.net/${OURS}/`, true],
  ])('says of a key marked %s under %s: %s', (issuer, ours, another) => {
    expect(isOfAnotherTenant({ kty: 'RSA', issuer }, ours)).toBe(another)
  })
})
