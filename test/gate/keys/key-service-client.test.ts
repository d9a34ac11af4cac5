import { describe, expect, it } from 'vitest'
import type { Question } from '../../../src/gate/keys/key-service.ts'
import { createKeyServiceClient } from '../../../src/gate/keys/key-service-client.ts'
import { DEFAULT_KEY_TIMES } from '../../../src/gate/policy/keys/keys.ts'

const place = {
  name: 'acme',
  issuer: 'https://auth.acme.example',
  keys: { kind: 'uri', uri: 'https://auth.acme.example/jwks' },
  allowInsecureHttp: false,
} as const
const question: Question = { place, times: DEFAULT_KEY_TIMES, why: 'newer' }

/** A namespace whose stubs fail as they are told, one after the other. */
const namespaceOf = (...errors: (object | undefined)[]) => {
  const names: string[] = []
  const getByName = (name: string) => {
    names.push(name)
    const error = errors.shift()
    return { ask: async () => (error ? Promise.reject(error) : {}) }
  }
  return { names, namespace: { getByName } as never }
}

describe('a service behind a namespace', () => {
  it('is asked again, by another stub, where the first has failed', async () => {
    const { names, namespace } = namespaceOf(new Error('broken'))
    expect(await createKeyServiceClient(namespace).ask(question)).toEqual({})
    expect(names).toHaveLength(2)
    expect(new Set(names).size).toBe(1)
  })

  it('is not asked again where it has too much to do', async () => {
    const { names, namespace } = namespaceOf(Object.assign(new Error('busy'), { overloaded: true }))
    await expect(createKeyServiceClient(namespace).ask(question)).rejects.toThrow('busy')
    expect(names).toHaveLength(1)
  })

  it('is another for each place keys come from', async () => {
    const { names, namespace } = namespaceOf()
    const keepers = createKeyServiceClient(namespace)
    for (const over of [{}, { issuer: 'https://other.example' }, { allowInsecureHttp: true }]) {
      await keepers.ask({ ...question, place: { ...place, ...over } })
    }
    expect(new Set(names).size).toBe(3)
  })
})
