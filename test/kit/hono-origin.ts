import { Hono } from 'hono'
import { honoAgent, type VerifiedVariables } from '../../packages/origin/src/hono.ts'
import { createProcessReplays } from '../../packages/origin/src/index.ts'

/** What the Worker is configured by. */
interface Env {
  readonly OPTIONS: { readonly gate: string; readonly audience: string; readonly jwksUri: string }
}

const appOf = ({ OPTIONS }: Env) =>
  new Hono<{ Variables: VerifiedVariables }>()
    .use(honoAgent({ ...OPTIONS, replays: createProcessReplays() }))
    .all('*', async (c) =>
      c.json({
        agent: c.get('agent'),
        assertion: c.req.header('x-agent-assertion'),
        body: await c.req.text(),
      }),
    )

let app: ReturnType<typeof appOf> | undefined

/** An origin on Workers that tells whom it takes its caller for. */
export default {
  fetch(request: Request, env: Env, context: Parameters<ReturnType<typeof appOf>['fetch']>[2]) {
    app ??= appOf(env)
    return app.fetch(request, env, context)
  },
}
