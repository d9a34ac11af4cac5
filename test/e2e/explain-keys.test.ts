import { describe } from 'vitest'
import { explainsUnknownKeys } from './unknown-keys.ts'

describe('explanations of tokens, ten with unknown key ids,', () => explainsUnknownKeys(10))
