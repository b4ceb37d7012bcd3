import { inspect, isDeepStrictEqual } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import { expect, it } from 'vitest'
import { headerObject } from './header-object.ts'

function filled(count: number): Record<string, unknown> {
  const headers = headerObject()
  for (let i = 0; i < count; i++) headers[`x-header-${i}`] = `value ${i}`
  return headers
}

it('is an ordinary object', () => {
  const headers = filled(2)
  expect(Object.getPrototypeOf(headers)).toBe(Object.prototype)
  expect(isDeepStrictEqual(headers, { 'x-header-0': 'value 0', 'x-header-1': 'value 1' })).toBe(
    true,
  )
  expect(inspect(headers)).toBe("{ 'x-header-0': 'value 0', 'x-header-1': 'value 1' }")
  expect(Object.keys(headerObject())).toEqual([])
})

it('does not become a dictionary by as many headers as requests have, whatever the first ones had', () => {
  setFlagsFromString('--allow-natives-syntax')
  const isFast = runInThisContext('(object) => %HasFastProperties(object)') as (
    object: object,
  ) => boolean
  // Compiled by its first call.
  isFast({})
  setFlagsFromString('--no-allow-natives-syntax')
  for (let i = 0; i < 100; i++) filled(i % 3)
  const plain: Record<string, string> = {}
  for (let i = 0; i < 30; i++) plain[`x-header-${i}`] = `value ${i}`
  // An object without the room becomes one; else this would show nothing.
  expect(isFast(plain)).toBe(false)
  expect(isFast(filled(30))).toBe(true)
})
