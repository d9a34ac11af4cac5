import { type ExplainOptions, explain } from '../../../src/command/operate/explain.ts'
import { createKey, type Members, type SigningKey, sign } from '../../kit/signing.ts'
import { folder, PARTS, toml, write } from './kit.ts'

/** When the tokens of these tests are good, in seconds. */
export const NOW = 1_767_225_600
export const ISSUER = 'https://auth.acme.dev'
export const RESOURCE = 'https://api.acme.dev'
export const ISSUER_TABLE = `${PARTS.issuer}\nagent_prefix = "acme/"`

const RULES = [
  '[[vars.ROUTES]]\nmatch = "GET /a/{id}"\nscopes = ["a:read"]',
  '[[vars.ROUTES]]\nmatch = "POST /a"\nscopes = ["a:write", "a:admin"]',
  '[[vars.ROUTES]]\nmatch = "GET /any"\nscopes = { any = ["x:read", "y:read"] }',
  '[[vars.ROUTES]]\nmatch = "GET /shadow"\nscopes = ["x"]\nmode = "shadow"',
  '[[vars.ROUTES]]\nmatch = "GET /open"\naccess = "public"',
  '[[vars.ROUTES]]\nmatch = "GET /maybe"\naccess = "optional"\nscopes = []',
  '[[vars.ROUTES]]\nmatch = "GET /page"\nscopes = []\ncors = { origins = ["https://app.acme.dev"] }',
  '[[vars.ROUTES]]\nmatch = "GET /when"\nscopes = []\nwhen = "has(token.amount) && token.amount < 100 && request.country in [\\"DE\\"]"',
]

/** The process as the command sees it. */
export const around = (stdin = '') => ({ env: {}, now: () => NOW, stdin: async () => stdin })

/** A folder with a policy and the key set of its issuer, and who signs. */
export const explainSetting = async () => {
  const directory = await folder()
  const key = await createKey('ES256', 'k1')
  const rules = { issuer: ISSUER_TABLE, route: RULES.join('\n') }
  const config = await write(directory, 'wrangler.toml', toml(rules))
  const jwks = await write(directory, 'jwks.json', JSON.stringify({ keys: [key.jwk] }))
  return {
    directory,
    key,
    config,
    jwks,
    /** A token that is good at NOW, with these claims laid over it. */
    token: (claims: Members = {}, by: SigningKey = key) =>
      sign(
        { typ: 'at+jwt', kid: by.kid },
        {
          iss: ISSUER,
          aud: RESOURCE,
          sub: 'user-1',
          client_id: 'planner-7',
          jti: 'j1',
          iat: NOW - 10,
          exp: NOW + 290,
          scope: 'a:read b:read',
          ...claims,
        },
        by,
      ),
    /** Explains a request by the policy and the key set. */
    ask: (method: string, path: string, options: ExplainOptions = {}, stdin = '') =>
      explain(method, `${RESOURCE}${path}`, { config, jwks, ...options }, around(stdin)),
  }
}
