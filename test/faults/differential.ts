/** Prints the number of the first decision that the second implementation makes differently, or `no`. */
import { makeCase } from '../differential/cases.ts'
import { compareCase } from '../differential/compare.ts'
import { withKept } from '../differential/kept.ts'

const SEED = 1

const most = Number(process.argv[2])
let decisions = 0
let differs = false
await withKept(async () => {
  for (let number = 0; decisions < most && !differs; number++) {
    const count = () => {
      decisions++
    }
    differs = (await compareCase(makeCase(SEED, number), count)) !== undefined
  }
})
console.log(differs ? decisions : 'no')
