import type { RawResponse } from '../kit/raw.ts'
import type { Members } from '../kit/signing.ts'
import type { Name } from './administration.ts'
import { type Ask, EXPLAIN, RESOURCE, type World } from './world.ts'

/** Parts of the answer that tests look into. */
export interface Told {
  readonly allowed: boolean
  readonly denial?: Members & { readonly code: string }
  readonly agent?: Members
  readonly route?: Members
  readonly steps: readonly {
    readonly stage: string
    readonly outcome: string
    readonly detail?: Members
  }[]
}

/** A request to be explained; its path is under the resource unless it has a whole `url`. */
export interface Wanted extends Members {
  readonly token?: string
  readonly method?: string
  readonly path?: string
  readonly url?: string
  readonly headers?: Members
}

export const bodyOf = ({ path = '/v1/any', ...wanted }: Wanted): string =>
  JSON.stringify({ method: 'GET', url: RESOURCE + path, ...wanted })

/** Asks for explanations as an administrator of an issuer. */
export const explaining = (world: () => World) => {
  const ask = async (by: Name, more: Ask, claims: Members = {}): Promise<RawResponse> =>
    world().send({
      method: 'POST',
      target: EXPLAIN,
      token: await world()[by].mint({ scope: 'edgewarden:read', ...claims }),
      ...more,
    })

  const told = async (by: Name, wanted: Wanted): Promise<Told> => {
    const response = await ask(by, { body: bodyOf(wanted) })
    if (response.status !== 200) throw new Error(`${response.status} ${response.body}`)
    return JSON.parse(response.body)
  }
  return { ask, told }
}
