import { Hono } from 'hono'
import { jwk } from 'hono/jwk'
import { type BenchEnv, forward } from './env.ts'

let guard: ReturnType<typeof jwk> | undefined

const app = new Hono<{ Bindings: BenchEnv }>()

app.use((c, next) => {
  guard ??= jwk({
    keys: [...c.env.KEYS],
    alg: ['ES256', 'RS256'],
    verification: { iss: c.env.ISSUER, aud: c.env.AUDIENCE, exp: true, typ: 'at+jwt' },
  })
  return guard(c, next)
})

app.all('*', (c) => forward(c.req.raw, c.env))

/** Verifies each request with the middleware `hono/jwk`, its keys inline. */
export default app
