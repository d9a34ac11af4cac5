/** One binding of the Worker, by the kind of value it has. */
export type Binding =
  | { readonly name: string; readonly json: unknown }
  | { readonly name: string; readonly text: string }
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

/** A Worker of the configuration. */
export interface WorkerService {
  readonly name: string
  /** Path of its one module, relative to the configuration file. */
  readonly module: string
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
  /** Service name → `host:port` of a plain http server. */
  readonly externals: Readonly<Record<string, string>>
  /** Socket name → port (0 for a free one) and the service behind it. */
  readonly sockets: Readonly<Record<string, { readonly port: number; readonly service: string }>>
  /** Where Durable Objects are stored. */
  readonly disk: string
}

/**
 * Writes workerd's configuration in Cap'n Proto text. Workers can reach this machine's loopback
 * addresses and nothing else, so a test that wants the internet fails.
 */
export function capnp(config: WorkerdConfig): string {
  const services = [
    ...config.workers.map(worker),
    ...Object.entries(config.externals).map(
      ([name, address]) =>
        `(name = ${text(name)}, external = (address = ${text(address)}, http = ()))`,
    ),
    `(name = "disk", disk = (path = ${text(config.disk)}, writable = true))`,
    '(name = "internet", network = (allow = ["local"]))',
  ]
  const sockets = Object.entries(config.sockets).map(
    ([name, { port, service }]) =>
      `(name = ${text(name)}, address = "127.0.0.1:${port}", http = (), service = ${text(service)})`,
  )
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

function worker(service: WorkerService): string {
  const namespaces = Object.entries(service.classes).map(
    ([className, key]) =>
      `(className = ${text(className)}, uniqueKey = ${text(key)}, enableSql = true)`,
  )
  const fields = [
    `modules = [(name = "worker.js", esModule = embed ${text(service.module)})]`,
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
