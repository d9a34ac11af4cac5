import { runInDurableObject } from 'cloudflare:test'

/** The rows of a query in an object's storage. */
export const sqlOf = (stub: DurableObjectStub, query: string) =>
  runInDurableObject(stub, (_, { storage }) =>
    storage.sql.exec<Record<string, SqlStorageValue>>(query).toArray(),
  )
