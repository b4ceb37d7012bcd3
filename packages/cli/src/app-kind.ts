/**
 * What an entry exports, told apart by what it can do, without importing any framework: so an app is recognised
 * whatever copy or version of its framework made it.
 */
/** Not imported: from Node 22 on that would load undici into the process that serves (35 ms). */
const http = process.getBuiltinModule('node:http')

/** Kinds of app that can be served. */
export type AppKind = 'express' | 'koa' | 'fastify' | 'server' | 'listener'

/** The kind of an app, or undefined for what is none. */
export function appKind(app: unknown): AppKind | undefined {
  if (typeof app === 'function') {
    return has(app, 'handle', 'set', 'use') && 'mountpath' in app ? 'express' : 'listener'
  }
  if (typeof app !== 'object' || app === null) return undefined
  if (app instanceof http.Server) return 'server'
  if (has(app, 'callback', 'createContext')) return 'koa'
  if (has(app, 'ready', 'decorateRequest', 'inject') && 'server' in app) return 'fastify'
  return undefined
}

/** Why something that was exported cannot be served, and what to do. */
export function whyNoApp(value: unknown, file: string): string {
  if (typeof value === 'object' && value !== null) {
    if (has(value, 'fetch')) {
      return `${file} exports an object with fetch(), as Hono and other Web-standard frameworks do: export a (req, res) listener made of it, such as getRequestListener(app.fetch) of @hono/node-server.`
    }
    if (has(value, 'routes', 'allowedMethods')) {
      return `${file} exports a Koa router: export the app that uses it.`
    }
  }
  const what =
    value === undefined || value === null
      ? String(value)
      : typeof value === 'object'
        ? `an object (${value.constructor?.name ?? 'no class'})`
        : `a ${typeof value}`
  return `${file} exports ${what} as default, and that is no app: export an Express, Koa or Fastify app, a (req, res) listener, an http.Server, or a function that returns one.`
}

function has(value: object, ...methods: string[]): boolean {
  return methods.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}
