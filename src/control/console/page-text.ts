/** The page of the console, bundled. `npm run build:lib` writes the module that replaces this one. */
export const script =
  'document.body.textContent = "The page is not built in: give edgewarden/console-page the alias lib/console-page.js"'
export const style = ''
/** Licences of the packages in both. */
export const notices = ''
