import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'smol-toml'

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/**
 * How the tests build and configure the Worker. The wrangler.toml of the repository is for whoever
 * deploys from it: it may hold anything valid, so no test reads it.
 */
export const CONFIG = fileURLToPath(new URL('wrangler.toml', import.meta.url))

/** What the tests take from that file, so that it is written in one place only. */
export interface Deployment {
  readonly compatibilityDate: string
  readonly compatibilityFlags: readonly string[]
  /** Binding name → class name of every Durable Object the gate has. */
  readonly durableObjects: Readonly<Record<string, string>>
  /** The binding that says which deployment runs, where there is one. */
  readonly versionMetadata?: string
  readonly main: string
}

interface WranglerFile {
  readonly main?: string
  readonly compatibility_date?: string
  readonly compatibility_flags?: readonly string[]
  readonly durable_objects?: {
    readonly bindings?: readonly { readonly name: string; readonly class_name: string }[]
  }
  readonly version_metadata?: { readonly binding: string }
}

/** Reads a wrangler.toml; checks no more than that the two keys without a default are there. */
export function deployment(config: string = CONFIG): Deployment {
  const file: WranglerFile = parse(readFileSync(config, 'utf8'))
  if (file.main === undefined || file.compatibility_date === undefined) {
    throw new Error(`${config} lacks main or compatibility_date`)
  }
  return {
    compatibilityDate: file.compatibility_date,
    compatibilityFlags: file.compatibility_flags ?? [],
    durableObjects: Object.fromEntries(
      (file.durable_objects?.bindings ?? []).map((entry) => [entry.name, entry.class_name]),
    ),
    ...(file.version_metadata && { versionMetadata: file.version_metadata.binding }),
    main: file.main,
  }
}

/** A folder in which all gates of a run keep their data, with an audit: for a search of what was stored. */
export const KEPT_DATA = process.env.EDGEWARDEN_KEPT_DATA

/** The gate's own objects but the audit: only its tests bind it, since with it the journal has less. */
export function usualObjects(): Readonly<Record<string, string>> {
  const { AUDIT_LOG, ...usual } = deployment().durableObjects
  return KEPT_DATA && AUDIT_LOG ? { ...usual, AUDIT_LOG } : usual
}
