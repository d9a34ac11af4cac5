import { reset } from 'cloudflare:test'
import { beforeAll } from 'vitest'

// Files share a process, and so its objects: each begins with none.
beforeAll(reset)
