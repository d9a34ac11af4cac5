import { hostName, literalPath, nameText } from '../reading/fields.ts'
import { type KeyDocs, list, required } from '../reading/table.ts'

/** Every key of a team in TEAMS. The gate reads none of them: its commands judge the files of teams by them. */
export const TEAM_KEYS = {
  owner: required(nameText),
  paths: required(list(literalPath)),
  hosts: list(hostName),
}

/** What the documentation says of the keys of a team. */
export const TEAM_DOCS: KeyDocs<typeof TEAM_KEYS> = {
  owner: {
    description: 'Who is responsible for the file. Every message about its rules names the owner.',
    example: 'payments@example.com',
  },
  paths: {
    description: 'The literal paths that its rules must be at or below.',
    example: ['/payments'],
  },
  hosts: {
    description: 'The hosts that its rules may be for. Each rule then needs one of them as `host`.',
    unset: 'any host',
    example: ['payments.example.com'],
  },
}
