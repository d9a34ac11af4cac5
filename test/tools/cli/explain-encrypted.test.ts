import { expect, it } from 'vitest'
import { explain } from '../../../src/command/operate/explain.ts'
import { createEncryptionKey, encrypt } from '../../kit/encryption.ts'
import { around, explainSetting, ISSUER_TABLE, RESOURCE } from './explain-kit.ts'
import { PARTS, toml, write } from './kit.ts'

const { directory, token, ask } = await explainSetting()
const KEY = await createEncryptionKey()
const sealed = await encrypt(await token(), KEY)

const DECRYPT = 'decrypt = { secret = "ACME_KEYS", key_management = ["RSA-OAEP-256"] }'
const config = await write(
  directory,
  'sealed.toml',
  toml({ issuer: `${ISSUER_TABLE}\n${DECRYPT}`, route: PARTS.route }),
)
const askSealed = (path: string, given: string) =>
  explain('GET', `${RESOURCE}${path}`, { config, token: given }, around())

it('what only a secret opens cannot be told here, and the way out is', async () => {
  const { exitCode, json, out, err } = await askSealed('/a', sealed)
  expect(exitCode).toBe(2)
  expect(err).toEqual([])
  const text = out.join('\n')
  expect(text).toContain('Cannot tell: The key that decrypts the token cannot be used')
  expect(text).toContain('ask the running gate with --gate URL')
  expect(text).toContain('ACME_KEYS')
  expect(json).toMatchObject({
    allowed: false,
    error: expect.any(String),
    denial: { code: 'decryption_unavailable', hint: expect.stringContaining('--gate') },
  })
})

it.each([
  ['no rule', 'route_unknown', '/none', async () => sealed],
  [
    'another algorithm',
    'encryption_not_accepted',
    '/a',
    async () => encrypt(await token(), await createEncryptionKey({ alg: 'ECDH-ES' })),
  ],
  ['a header that is refused', 'token_malformed', '/a', async () => `${sealed}=`],
] as const)('what needs no key is told: %s', async (_what, code, path, make) => {
  const { exitCode, json } = await askSealed(path, await make())
  expect(exitCode).toBe(1)
  expect(json).toMatchObject({ denial: { code } })
})

it('a policy that takes none says so', async () => {
  const { exitCode, json } = await ask('GET', '/a/1', { token: sealed })
  expect(exitCode).toBe(1)
  expect(json).toMatchObject({ denial: { code: 'token_encrypted' } })
})
