import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from './port.ts'
import { request } from './request.ts'
import { PATIENCE } from './wait.ts'

/** Whether nginx is installed here. */
export const HAS_NGINX = spawnSync('nginx', ['-v']).error === undefined

/** nginx on a loopback port. */
export interface Nginx {
  readonly port: number
  stop(): Promise<void>
}

/**
 * Starts nginx with `proxy_cache` in front of a loopback port: it keeps what answers say may be kept, and nothing
 * of which they say nothing (no `proxy_cache_valid`). `X-Cache` says how it came to an answer.
 */
export async function startNginx(upstream: number): Promise<Nginx> {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-nginx-'))
  const port = await freePort()
  const config = join(directory, 'nginx.conf')
  await writeFile(config, configOf(directory, port, upstream))
  const child = spawn('nginx', ['-e', 'stderr', '-p', directory, '-c', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (data) => {
    said += data
  })
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGQUIT')
    await ended
    await rm(directory, { recursive: true, force: true })
  }
  for (const end = Date.now() + PATIENCE; ; await wait(20)) {
    if (child.exitCode !== null || Date.now() > end) {
      await stop()
      throw new Error(`nginx does not start: ${said}`)
    }
    const answer = await request(port, '/started').catch(() => undefined)
    if (answer?.status === 204) return { port, stop }
  }
}

const configOf = (directory: string, port: number, upstream: number): string => `
daemon off;
master_process off;
pid ${directory}/pid;
error_log stderr error;
events {}
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  proxy_cache_path ${directory}/cache keys_zone=answers:1m;
  server {
    listen 127.0.0.1:${port};
    location = /started { return 204; }
    location / {
      proxy_pass http://127.0.0.1:${upstream};
      proxy_set_header Host $http_host;
      proxy_cache answers;
      proxy_cache_use_stale updating error timeout http_500;
      add_header X-Cache $upstream_cache_status always;
    }
  }
}
`
