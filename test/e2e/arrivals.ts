import { expect } from 'vitest'
import type { RecordedRequest } from '../kit/origin.ts'
import type { Members } from '../kit/signing.ts'
import type { Ask, World } from './world.ts'

/** Ways to ask for what must pass, each giving the one request the origin got. */
export const arrivals = (world: () => World) => {
  const passed = async (ask: Ask): Promise<RecordedRequest> => {
    const response = await world().send(ask)
    expect(response.status).toBe(200)
    expect(world().origin.requests).toHaveLength(1)
    const [request] = world().origin.requests
    if (request === undefined) throw new Error('nothing arrived')
    return request
  }
  return {
    /** Sends exactly this. */
    passed,
    /** Sends a good token of `acme` with it, these claims laid over. */
    arrived: async (ask: Ask, claims: Members = {}): Promise<RecordedRequest> =>
      passed({ token: await world().token(claims), ...ask }),
  }
}
