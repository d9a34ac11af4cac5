import { deployment } from '../../kit/repository.ts'

/** Every object of a gate, the audit's among them. */
export const WITH_AUDIT = deployment().durableObjects
