import { describe } from 'vitest'
import { explainsUnknownKeys } from './unknown-keys.ts'

describe('explanations of tokens, thousands with unknown key ids,', () =>
  explainsUnknownKeys(1_000))
