/** The page of the console, bundled. `npm run build:lib` writes the module that stands in the place of this one. */
export const script = ''
export const style = ''
