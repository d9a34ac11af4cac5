/** One binding of the Worker, by the kind of value it has. */
export type Binding =
  | { readonly name: string; readonly json: unknown }
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly fromEnvironment: string }
  | { readonly name: string; readonly service: string }
  | { readonly name: string; readonly kvNamespace: string }
  | { readonly name: string; readonly durableObjectNamespace: string | ClassOf }
  | { readonly name: string; readonly wrapped: Wrapped }

/** A class of another Worker of the configuration. */
export interface ClassOf {
  readonly className: string
  readonly serviceName: string
}

/** What a module makes of a service: the value its default export returns for `{ service }`. */
export interface Wrapped {
  /** One of `modules`. */
  readonly moduleName: string
  /** Handed to the module, under the name `service`. */
  readonly service: string
}

/** The text of something, or the path of a file with it, relative to the configuration file. */
export type Source = { readonly path: string } | { readonly text: string }

/** Where the process listens, and what answers there. */
export interface Socket {
  /** `host:port`, `*:port` or `unix:path`; port 0 is a free one. */
  readonly address: string
  readonly service: string
  /** A named export of the Worker that answers instead of the default export. */
  readonly entrypoint?: string
  /** Paths of a private key and a certificate chain in PEM; without them it speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** The header by which a proxy tells whether its caller used http or https. */
  readonly protocolHeader?: string
}

/** What Workers can reach by `fetch`. */
export interface Internet {
  /** `local`, `private`, `public`, or a network in CIDR notation. */
  readonly allow: readonly string[]
  /** Paths of certificates in PEM that are trusted beside those of the machine; by default no https. */
  readonly trust?: readonly string[]
}

/** A Worker of the configuration. */
export interface WorkerService {
  readonly name: string
  /** Its modules by name, the main one first. */
  readonly modules: Readonly<Record<string, Source>>
  readonly compatibilityDate: string
  readonly compatibilityFlags?: readonly string[]
  readonly bindings: readonly Binding[]
  /** Class name → the key that names its folder of storage. */
  readonly classes: Readonly<Record<string, string>>
}

/** The whole configuration. */
export interface WorkerdConfig {
  readonly workers: readonly WorkerService[]
  /** Modules that bindings are made by: name → path, relative to the configuration file. */
  readonly modules?: Readonly<Record<string, string>>
  /** Service name → `host:port` of a plain http server. One that is named `internet` gets every request of Workers. */
  readonly externals: Readonly<Record<string, string>>
  /** By name. */
  readonly sockets: Readonly<Record<string, Socket>>
  /** By default this machine's loopback addresses and nothing else. */
  readonly internet?: Internet
  /** Where Durable Objects are stored. */
  readonly disk: string
}

/** Writes workerd's configuration in Cap'n Proto text. Reads none of the files that it names. */
export function capnp(config: WorkerdConfig): string {
  const services = [
    ...config.workers.map(worker),
    ...Object.entries(config.externals).map(
      ([name, address]) =>
        `(name = ${text(name)}, external = (address = ${text(address)}, http = ()))`,
    ),
    `(name = "disk", disk = (path = ${text(config.disk)}, writable = true))`,
    ...('internet' in config.externals ? [] : [internet(config.internet ?? { allow: ['local'] })]),
  ]
  const sockets = Object.entries(config.sockets).map(([name, one]) => socket(name, one))
  const modules = Object.entries(config.modules ?? {}).map(
    ([name, path]) => `(name = ${text(name)}, esModule = embed ${text(path)}, internal = true)`,
  )
  return [
    'using Workerd = import "/workerd/workerd.capnp";',
    'const config :Workerd.Config = (',
    `services = ${list(services)},`,
    `sockets = ${list(sockets)},`,
    `extensions = [(modules = ${list(modules)})],`,
    ');',
  ].join('\n')
}

function socket(name: string, one: Socket): string {
  const { address, service, entrypoint, tls, protocolHeader } = one
  const options =
    protocolHeader === undefined ? '()' : `(forwardedProtoHeader = ${text(protocolHeader)})`
  const keypair =
    tls && `privateKey = embed ${text(tls.key)}, certificateChain = embed ${text(tls.cert)}`
  const spoken = keypair
    ? `https = (options = ${options}, tlsOptions = (keypair = (${keypair})))`
    : `http = ${options}`
  const answers =
    entrypoint === undefined
      ? text(service)
      : `(name = ${text(service)}, entrypoint = ${text(entrypoint)})`
  return `(name = ${text(name)}, address = ${text(address)}, ${spoken}, service = ${answers})`
}

function internet({ allow, trust }: Internet): string {
  const trusted = trust && list(trust.map((path) => `embed ${text(path)}`))
  const tls = trusted
    ? `, tlsOptions = (trustBrowserCas = true, trustedCertificates = ${trusted})`
    : ''
  return `(name = "internet", network = (allow = ${list(allow.map(text))}${tls}))`
}

function worker(service: WorkerService): string {
  const namespaces = Object.entries(service.classes).map(
    ([className, key]) =>
      `(className = ${text(className)}, uniqueKey = ${text(key)}, enableSql = true)`,
  )
  const modules = Object.entries(service.modules).map(
    ([name, source]) =>
      `(name = ${text(name)}, esModule = ${'text' in source ? text(source.text) : `embed ${text(source.path)}`})`,
  )
  const fields = [
    `modules = ${list(modules)}`,
    `compatibilityDate = ${text(service.compatibilityDate)}`,
    `compatibilityFlags = ${list((service.compatibilityFlags ?? []).map(text))}`,
    `bindings = ${list(service.bindings.map(binding))}`,
    `durableObjectNamespaces = ${list(namespaces)}`,
    'durableObjectStorage = (localDisk = "disk")',
  ]
  return `(name = ${text(service.name)}, worker = (\n${fields.join(',\n')}))`
}

function binding(entry: Binding): string {
  const { name, ...kind } = entry
  if ('json' in kind) return `(name = ${text(name)}, json = ${text(JSON.stringify(kind.json))})`
  const [[key, value]] = Object.entries(kind) as [[string, string | ClassOf | Wrapped]]
  return `(name = ${text(name)}, ${key} = ${written(value)})`
}

function written(value: string | ClassOf | Wrapped): string {
  if (typeof value === 'string') return text(value)
  if ('className' in value) {
    return `(className = ${text(value.className)}, serviceName = ${text(value.serviceName)})`
  }
  const inner = `(name = "service", service = ${text(value.service)})`
  return `(moduleName = ${text(value.moduleName)}, innerBindings = [${inner}])`
}

function list(items: readonly string[]): string {
  return items.length === 0 ? '[]' : `[\n${items.join(',\n')}]`
}

/** A text literal in ASCII: every other byte is escaped, so no value can end the literal. */
function text(value: string): string {
  const bytes = [...Buffer.from(value, 'utf8')].map((byte) => {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
    return plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  })
  return `"${bytes.join('')}"`
}
