#!/usr/bin/env node
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** `npm create edgewarden DIR -- …` is `npx edgewarden init DIR …`, of the very version that is pinned here. */

const require = createRequire(import.meta.url)
const manifest = require.resolve('edgewarden/package.json')
const { bin } = require(manifest)

process.argv.splice(2, 0, 'init')
await import(pathToFileURL(join(dirname(manifest), bin.edgewarden)).href)
