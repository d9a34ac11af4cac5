import { expect, it } from 'vitest'
import { startBrowser } from './browser.ts'

it('Chromium runs from what npm installs, with a font', async () => {
  const { browser, close } = await startBrowser()
  try {
    const page = await browser.newPage()
    await page.setContent('<h1 style="display:inline">Edgewarden</h1>')
    expect(await page.textContent('h1')).toBe('Edgewarden')
    // Without any font no letter has a width.
    expect((await page.locator('h1').boundingBox())?.width).toBeGreaterThan(50)
  } finally {
    await close()
  }
})
