// gRPC-web, Connect and GraphQL: a service of each without generated code, its clients, and servers for them.

import { create, createFileRegistry } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { createClient } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web'
import { createSchema, createYoga } from 'graphql-yoga'

/** A service with calls and a stream. */
const agents = () => {
  const type = '.kit.Word'
  const method = (name, serverStreaming = false) => ({
    ...{ name, inputType: type, outputType: type, serverStreaming },
  })
  const file = create(FileDescriptorProtoSchema, {
    ...{ name: 'kit.proto', package: 'kit', syntax: 'proto3' },
    messageType: [{ name: 'Word', field: [{ name: 'text', number: 1, type: 9, label: 1 }] }],
    service: [{ name: 'Agents', method: [method('Get'), method('Watch', true), method('Forbid')] }],
  })
  return createFileRegistry(file, () => undefined).getService('kit.Agents')
}

/** Makes a client for an address. `tokenOf` gives the token of each call. */
const rpc = (createTransport) => (baseUrl, tokenOf) => {
  const authorize = (next) => async (request) => {
    request.header.set('authorization', `Bearer ${await tokenOf()}`)
    return next(request)
  }
  return createClient(agents(), createTransport({ baseUrl, interceptors: [authorize] }))
}

/** Clients of the service. */
export const grpcWeb = rpc(createGrpcWebTransport)
export const connect = rpc(createConnectTransport)

/** Serves gRPC-web and Connect below a path. */
export const serveRpc = (prefix, step) =>
  connectNodeAdapter({
    requestPathPrefix: prefix,
    routes: (router) =>
      router.service(agents(), {
        get: ({ text }) => ({ text: `sunny in ${JSON.parse(text).city}` }),
        async *watch({ text }) {
          const { to } = JSON.parse(text)
          for (let count = 0; count < to; count++) {
            await step()
            yield { text: '' }
          }
          yield { text: `counted to ${to}` }
        },
        forbid: () => ({ text: 'forbidden' }),
      }),
  })

/** Serves GraphQL at a path. */
export const serveGraphql = (graphqlEndpoint, step) =>
  createYoga({
    ...{ graphqlEndpoint, landingPage: false, graphiql: false, logging: false },
    schema: createSchema({
      typeDefs: `
        type Query { weather(city: String!): String! }
        type Subscription { count(to: Int!): String! }
      `,
      resolvers: {
        Query: { weather: (_, { city }) => `sunny in ${city}` },
        Subscription: {
          count: {
            async *subscribe(_, { to }) {
              for (let count = 0; count < to; count++) {
                await step()
                yield { count: '' }
              }
              yield { count: `counted to ${to}` }
            },
          },
        },
      },
    }),
  })
