import { type Command, Option } from 'commander'
import { KINDS, REACHES } from '../../core/model/revocation.ts'

/** Which entries; what is left out limits nothing. */
export interface Filters {
  readonly kind?: string
  readonly issuer?: string
  readonly value?: string
  /** The administrator who made them, as `list --json` has it. */
  readonly createdBy?: string
  /** `own`: made by administrators of one issuer; `all`: by those of every issuer. */
  readonly reach?: string
}

/** Makes a command as `make` does, with options for which revocations it is about. */
export function filtered<Given extends readonly unknown[]>(make: (...given: Given) => Command) {
  return (...given: Given): Command =>
    make(...given)
      .addOption(new Option('--kind <kind>', 'only of this kind').choices(KINDS))
      .option('--issuer <iss>', 'only of this issuer')
      .option('--value <value>', 'only of this value')
      .option('--created-by <who>', 'only those that this administrator made, and made again last')
      .addOption(
        new Option(
          '--reach <reach>',
          'only those of administrators of one issuer, or of every',
        ).choices(REACHES),
      )
}

/** The filters as the gate takes them. */
export function filtersOf({
  kind,
  issuer,
  value,
  createdBy,
  reach,
}: Filters): Record<string, string> {
  const given = { kind, issuer, value, created_by: createdBy, reach }
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
  )
}
