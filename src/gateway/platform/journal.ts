import type { Journal } from '../../core/model/ports.ts'

/** The Worker's console. */
export const consoleJournal: Journal = { record: (line) => console.log(line) }
