// Express gives every request and response a prototype of its own (`app.request`, `app.response`), by setPrototypeOf.
// That costs V8 some microseconds a time, and before V8 13 (Node 20 and 22) each property added afterwards makes a shape
// that no other object has, so that all code which meets the request starts from nothing: three quarters of what Express
// costs there. An object that is made with the prototype is left as it is, since setPrototypeOf to what is there does
// nothing. (bench: `pnpm bench --case hello,json,post --impl ours-express`; hello 0.24 of node:http on Node 20, 0.28 on 22)
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

/**
 * The classes for requests that go to these listeners: those given, but with the prototypes that one of the listeners
 * would set. Who sets others later can, as ever.
 */
export function classesFor(listeners: readonly unknown[], classes: MessageClasses): MessageClasses {
  if (isClass(classes.IncomingMessage) || isClass(classes.ServerResponse)) return classes
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

/** Whether a function was written as a class, which can only be called by `new`. Node's own are from before there were any. */
export function isClass(constructor: { toString(): string }): boolean {
  return constructor.toString().startsWith('class')
}

const never = {}

/** `Reflect.construct` will not do: what it makes for a function has a shape of its own each time. */
function withPrototype<T extends new (...args: never[]) => object>(base: T, prototype: object): T {
  const construct = base as unknown as (this: object, first: unknown, second: unknown) => void
  function Message(this: Record<string, unknown>, first: unknown, second: unknown): void {
    if (first === never) {
      // Not to be run: for each property that a constructor seems to set, V8 gives its objects a place within them. What
      // has none is put into an array beside the object, which grows three by three.
      // oxfmt-ignore
      this.a = this.b = this.c = this.d = this.e = this.f = this.g = this.h = this.i = this.j = this.k = this.l =
        this.m = this.n = this.o = this.p = this.q = this.r = this.s = this.t = this.u = this.v = this.w = this.x =
        this.A = this.B = this.C = this.D = this.E = this.F = this.G = this.H = this.I = this.J = this.K = this.L =
        this.M = this.N = this.O = this.P = this.Q = this.R = this.S = this.T = this.U = this.V = this.W = this.X =
          undefined
    }
    construct.call(this, first, second)
  }
  Message.prototype = prototype
  return Message as unknown as T
}
