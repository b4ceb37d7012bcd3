import http from 'node:http'
import { describe, expect, it } from 'vitest'
import { classesFor, type MessageClasses } from './framework-prototypes.ts'

const node: MessageClasses = {
  IncomingMessage: http.IncomingMessage,
  ServerResponse: http.ServerResponse,
}

function expressLike(): (() => void) & { request: object; response: object } {
  return Object.assign(() => {}, {
    request: Object.create(http.IncomingMessage.prototype) as object,
    response: Object.create(http.ServerResponse.prototype) as object,
  })
}

describe('classesFor', () => {
  it('makes requests and responses with the prototypes that the app would set', () => {
    const app = expressLike()
    const { IncomingMessage, ServerResponse } = classesFor([() => {}, app], node)
    const request = new IncomingMessage(null as never)
    const response = new ServerResponse(request)
    expect(Object.getPrototypeOf(request)).toBe(app.request)
    expect(Object.getPrototypeOf(response)).toBe(app.response)
    expect(request).toBeInstanceOf(http.IncomingMessage)
    expect(request.constructor).toBe(http.IncomingMessage)
    expect(Object.keys(request)).toEqual(Object.keys(new http.IncomingMessage(null as never)))
    expect(Object.keys(response)).toEqual(Object.keys(new http.ServerResponse(request)))
  })

  it.each([
    ['a plain listener', () => {}],
    ['no listener', undefined],
    ['objects that are no requests', Object.assign(() => {}, { request: {}, response: {} })],
    ['one prototype of two', Object.assign(() => {}, { request: expressLike().request })],
  ])('leaves the classes alone for %s', (_name, listener) => {
    expect(classesFor([listener], node)).toBe(node)
  })

  it('leaves them alone where they are classes, which cannot be called on an object', () => {
    const given = {
      ...node,
      IncomingMessage: class extends http.IncomingMessage {},
    } as unknown as MessageClasses
    expect(classesFor([expressLike()], given)).toBe(given)
  })
})
