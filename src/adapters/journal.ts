import type { Journal } from '../model/ports.ts'

/** The Worker's console. */
export const consoleJournal: Journal = { record: (line) => console.log(line) }
