import {
  type ChannelCredentials,
  Client,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js'
import { PATIENCE } from './wait.ts'

const same = (bytes: Buffer) => bytes

/** How a method of a gRPC server is called. */
export interface Call {
  readonly token?: string | undefined
  /** Whether the answer is a stream. */
  readonly isStream?: boolean
  /** Of the connection; without encryption unless given. */
  readonly by?: ChannelCredentials
  /** The name in the certificate. */
  readonly name?: string
}

/** Calls a method with the native gRPC client of Node. Returns the error with which the call ends; an answer is one too. */
export async function grpcError(
  port: number,
  method: string,
  { token, isStream = false, by = credentials.createInsecure(), name }: Call = {},
): Promise<ServiceError> {
  const client = new Client(`127.0.0.1:${port}`, by, {
    ...(name !== undefined && { 'grpc.ssl_target_name_override': name }),
  })
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  const options = { deadline: Date.now() + PATIENCE }
  const sent = Buffer.from('hello')
  try {
    return await new Promise((done, fail) => {
      if (isStream) {
        client
          .makeServerStreamRequest(method, same, same, sent, metadata, options)
          .on('error', done)
          .on('data', () => fail(new Error('the call got data')))
          .on('end', () => fail(new Error('the call looks complete')))
      } else {
        client.makeUnaryRequest(method, same, same, sent, metadata, options, (error) =>
          error ? done(error) : fail(new Error('the call got an answer')),
        )
      }
    })
  } finally {
    client.close()
  }
}
