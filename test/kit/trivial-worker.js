import { DurableObject } from 'cloudflare:workers'

// The least Worker that shows whether every part of the harness works.
export class Counter extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env)
    ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS calls (at INTEGER)')
  }

  count() {
    this.ctx.storage.sql.exec('INSERT INTO calls VALUES (1)')
    return this.ctx.storage.sql.exec('SELECT count(*) AS calls FROM calls').one().calls
  }
}

export class Keeper extends DurableObject {
  ask(...question) {
    if (question.length === 0) throw new Error('nothing asked')
    return { name: this.ctx.id.name, question }
  }
}

const answers = {
  echo: (request) => ({ url: request.url, headers: [...request.headers] }),
  env: (_request, env) => ({ policy: env.POLICY, secret: env.SECRET, kv: 'JWKS_CACHE' in env }),
  count: (_request, env) => env.COUNTER.getByName('one').count(),
  ask: (_request, env) => env.KEY_SERVICE.getByName('one').ask('place', { a: [null] }),
  'ask-nothing': (_request, env) => env.KEY_SERVICE.get(env.KEY_SERVICE.idFromName('one')).ask(),
  async put(_request, env) {
    const options = { expirationTtl: 60, metadata: { from: 'worker' } }
    return (await env.JWKS_CACHE.put('a/b ü', 'value', options)) ?? 'stored'
  },
  get: (_request, env) => env.JWKS_CACHE.getWithMetadata('a/b ü'),
  list: (_request, env) => env.JWKS_CACHE.list({ prefix: 'a/' }),
  delete: async (_request, env) => (await env.JWKS_CACHE.delete('a/b ü')) ?? 'deleted',
  short: (_request, env) => env.JWKS_CACHE.put('k', 'v', { expirationTtl: 59 }),
  outside: () => fetch('http://192.0.2.1/').then(() => 'reached'),
}

export default {
  async fetch(request, env) {
    const path = request.url.replace(/^https?:\/\/[^/]*/, '')
    console.log(JSON.stringify({ path, text: 'one\nline' }))
    console.log('{ not json }')
    if (path.startsWith('/origin/')) {
      const target = env.POLICY.origin + path.slice('/origin'.length)
      return fetch(new Request(target, new Request(request, { redirect: 'manual' })))
    }
    if (path.startsWith('/bound/')) return env.ORIGIN.fetch(request)
    try {
      return Response.json((await answers[path.slice(1)]?.(request, env)) ?? answers.echo(request))
    } catch (error) {
      console.error(error)
      return new Response(String(error), { status: 500 })
    }
  },
}
