// Express gives every request and response a prototype of its own (`app.request`, `app.response`), by setPrototypeOf.
// Before V8 13 (Node 20 and 22) each property added after that makes a shape that no other object has, so all code that
// meets the request starts from nothing: two thirds of what Express costs there. An object that is made with the
// prototype is left as it is, since setPrototypeOf to what is there does nothing.
// (bench: `pnpm bench --case hello,json,post --impl ours-express`: 0.3 of node:http on Node 20)
import type http from 'node:http'

/** Makers of requests and responses. */
export interface MessageClasses {
  readonly IncomingMessage: typeof http.IncomingMessage
  readonly ServerResponse: typeof http.ServerResponse
}

/** An Express app, 4 or 5, or what its adapter makes of it. */
interface WithPrototypes {
  readonly request: object
  readonly response: object
}

/** From V8 13 on shapes are shared after setPrototypeOf as well, and constructors of another's prototype cost more than that. */
const worthwhile = Number.parseInt(process.versions.v8, 10) < 13

/**
 * The classes for requests that go to these listeners: those given, but with the prototypes that one of the listeners
 * would set. Who sets others later can, as ever.
 */
export function classesFor(
  listeners: readonly unknown[],
  classes: MessageClasses,
  wanted: boolean = worthwhile,
): MessageClasses {
  if (!wanted || isClass(classes.IncomingMessage) || isClass(classes.ServerResponse)) return classes
  const app = listeners.find((one): one is WithPrototypes => setsPrototypes(one, classes))
  if (app === undefined) return classes
  return {
    IncomingMessage: withPrototype(classes.IncomingMessage, app.request),
    ServerResponse: withPrototype(classes.ServerResponse, app.response),
  }
}

function setsPrototypes(listener: unknown, classes: MessageClasses): boolean {
  if (typeof listener !== 'function') return false
  const { request, response } = listener as Partial<WithPrototypes> & typeof listener
  return request instanceof classes.IncomingMessage && response instanceof classes.ServerResponse
}

/** Node's are functions from before there were classes, and can be called on an object that is there. */
function isClass(constructor: { toString(): string }): boolean {
  return constructor.toString().startsWith('class')
}

/** `Reflect.construct` will not do: what it makes for a function has a shape of its own each time. */
function withPrototype<T extends new (...args: never[]) => object>(base: T, prototype: object): T {
  const construct = base as unknown as (this: object, first: unknown, second: unknown) => void
  function Message(this: object, first: unknown, second: unknown): void {
    construct.call(this, first, second)
  }
  Message.prototype = prototype
  return Message as unknown as T
}
