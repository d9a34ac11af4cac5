import { spawnSync } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createBrotliDecompress } from 'node:zlib'
import { type Browser, chromium } from 'playwright-core'

/** Where the package has Chromium, the shared libraries it needs beside those of glibc, and a font. */
const PACKED = join(dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))), '../../bin')

const unpack = async (name: string, to: string, mode = 0o644): Promise<void> => {
  await pipeline(
    createReadStream(join(PACKED, `${name}.br`)),
    createBrotliDecompress(),
    createWriteStream(to, { mode }),
  )
  if (!name.endsWith('.tar')) return
  const { status, stderr } = spawnSync('tar', ['-xf', to, '-C', dirname(to)])
  if (status !== 0) throw new Error(`tar: ${stderr}`)
}

/** A Chromium that is running. */
export interface RunningBrowser {
  readonly browser: Browser
  /** Ends it and removes its folder. */
  close(): Promise<void>
}

/**
 * Starts headless Chromium from the npm package alone, in a folder of its own. A fresh machine has neither NSS and expat
 * nor a font; the package ships both. The package's own options are not used: they turn web security off.
 */
export async function startBrowser(): Promise<RunningBrowser> {
  const folder = await mkdtemp(join(tmpdir(), 'edgewarden-browser-'))
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  try {
    const program = join(folder, 'chromium')
    await mkdir(join(folder, 'cache'))
    await Promise.all([
      unpack('chromium', program, 0o755),
      unpack('al2023.tar', join(folder, 'al2023.tar')),
      unpack('fonts.tar', join(folder, 'fonts.tar')),
    ])
    const fonts = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${join(folder, 'fonts')}</dir><cachedir>${join(folder, 'cache')}</cachedir></fontconfig>`
    await writeFile(join(folder, 'fonts.conf'), fonts)
    const browser = await chromium.launch({
      executablePath: program,
      args: ['--no-sandbox', '--no-zygote', '--headless=shell', '--disable-gpu'],
      env: {
        HOME: folder,
        // Without a language its navigator.language is none that Intl takes.
        LANG: 'en_US.UTF-8',
        LD_LIBRARY_PATH: join(folder, 'lib'),
        FONTCONFIG_FILE: join(folder, 'fonts.conf'),
      },
    })
    const close = async () => {
      await browser.close()
      await remove()
    }
    return { browser, close }
  } catch (error) {
    await remove()
    throw error
  }
}
