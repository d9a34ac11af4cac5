// Stands in for a rate limiting binding, and gives one malformed answer after the other.
import { WorkerEntrypoint } from 'cloudflare:workers'

const ANSWERS = [undefined, null, 0, true, 'true', [], {}, { success: 'true' }, { success: 1 }]
let calls = 0

export default class extends WorkerEntrypoint {
  limit() {
    return ANSWERS[calls++ % ANSWERS.length]
  }
}
