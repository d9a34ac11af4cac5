import type { Journal } from '../model/ports.ts'

/** One JSON line per decision on the Worker's console; members that are not known are left out. */
export const consoleJournal: Journal = {
  record: (entry) => console.log(JSON.stringify(entry)),
}
