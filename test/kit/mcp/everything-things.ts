/** A red pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
/** No sound. */
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA='

/** Text as MCP has it. */
export const text = (content: string) => ({ type: 'text' as const, text: content })

export const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' }

export const audio = { type: 'audio' as const, data: WAV, mimeType: 'audio/wav' }

const embedded = (uri: string) => ({
  type: 'resource' as const,
  resource: { uri, mimeType: 'text/plain', text: 'This is an embedded resource content.' },
})

export const EMBEDDED = embedded('test://embedded-resource')

/** `test_elicitation` asks for these. */
export const USER = {
  type: 'object',
  properties: { username: { type: 'string' }, email: { type: 'string' } },
  required: ['username', 'email'],
}

/** SEP-1034: each kind of value with a default. */
export const DEFAULTS = {
  type: 'object',
  properties: {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
}

const titled = [
  { const: 'value1', title: 'First' },
  { const: 'value2', title: 'Second' },
]
const options = ['option1', 'option2', 'option3']

/** SEP-1330: each way to offer a choice. */
export const ENUMS = {
  type: 'object',
  properties: {
    untitledSingle: { type: 'string', enum: options },
    titledSingle: { type: 'string', oneOf: titled },
    legacyEnum: { type: 'string', enum: ['opt1', 'opt2'], enumNames: ['One', 'Two'] },
    untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
    titledMulti: { type: 'array', items: { anyOf: titled } },
  },
}

/** SEP-1613, SEP-2106: keywords that must come through as they are. */
export const JSON_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
}

const argument = (name: string) => ({ name, description: `The ${name}.`, required: true })

export const PROMPTS = [
  { name: 'test_simple_prompt', description: 'A plain one.' },
  {
    name: 'test_prompt_with_arguments',
    description: 'Takes two.',
    arguments: [argument('arg1'), argument('arg2')],
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'Embeds a resource.',
    arguments: [argument('resourceUri')],
  },
  { name: 'test_prompt_with_image', description: 'Has an image.' },
]

type Given = Readonly<Record<string, string>>

const CONTENTS: Readonly<Record<string, (given: Given) => readonly object[]>> = {
  test_simple_prompt: () => [text('This is a simple prompt for testing.')],
  test_prompt_with_arguments: ({ arg1, arg2 }) => [
    text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`),
  ],
  test_prompt_with_embedded_resource: ({ resourceUri = '' }) => [
    embedded(resourceUri),
    text('Please process the embedded resource above.'),
  ],
  test_prompt_with_image: () => [image, text('Please analyze the image above.')],
}

export const promptOf = (name: string, given: Given) => {
  const contents = CONTENTS[name]?.(given) ?? []
  return { messages: contents.map((content) => ({ role: 'user', content }) as never) }
}

const STATIC = 'test://static-text'
const BINARY = 'test://static-binary'

export const RESOURCES = [STATIC, BINARY, 'test://watched-resource'].map((uri) => ({
  uri,
  name: uri.slice('test://'.length),
  description: `The resource ${uri}.`,
}))

export const TEMPLATES = [
  { uriTemplate: 'test://template/{id}/data', name: 'template', mimeType: 'application/json' },
]

export const resourceOf = (uri: string) => {
  if (uri === BINARY) return { contents: [{ uri, mimeType: 'image/png', blob: PNG }] }
  const [, id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri) ?? []
  const content =
    id === undefined
      ? 'This is the content of the static text resource.'
      : JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
  return { contents: [{ uri, mimeType: 'text/plain', text: content }] }
}
