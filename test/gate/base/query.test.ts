import { expect, it } from 'vitest'
import { ambiguousParameter, hasAccessToken, methodsNamed } from '../../../src/gate/base/query.ts'

it.each([
  ['?user_id=1&user=2&id=3', undefined],
  ['?user_id=%0A', 'user_id'],
  ['?userId=1', 'user_id'],
  ['?user-id=1', 'user_id'],
  ['?[]=1', 'user_id'],
  ['?q==%5d=2', 'user_id'],
  ['?q=%', 'user_id'],
  [`?${'&'.repeat(100)}`, 'user_id'],
])('ambiguousParameter(%j, [user_id, plan]) is %j', (query, name) => {
  expect(ambiguousParameter(query, ['user_id', 'plan'])).toBe(name)
  expect(ambiguousParameter(query, [])).toBeUndefined()
})

it.each([
  ['?access_token', true],
  ['?x=access_token', false],
  ['?accessToken=1&token=1', false],
  ['?%61ccess%5ftoken=1', true],
  ['?%EF%BD%81ccess_token=1', true],
])('hasAccessToken(%j) is %j', (query, has) => {
  expect(hasAccessToken(query)).toBe(has)
})

it.each([
  ['?_method=put&method=DELETE&payment_method=x', ['PUT']],
  ['?[_method]=PUT', ['PUT']],
  ['?x-http-method=A&X_HTTP_Method_Override=B&x.method.override=C', ['A', 'B', 'C']],
  ['?_method', []],
])('methodsNamed(%j) is %j', (query, methods) => {
  expect(methodsNamed(query)).toEqual(methods)
})
