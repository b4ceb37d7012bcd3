/** Answers in the place of an app that has ended, so that the browser shows what it said last. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createServer } from '@fastcgi/core'
import type { AppProcess } from './app-process.ts'

/** A stand-in that listens. */
export interface Fallback {
  connect(): Socket
  close(): Promise<void>
}

/** @param socket path of a unix socket for it */
export async function startFallback(socket: string, app: AppProcess): Promise<Fallback> {
  const server = createServer((_request, response) => {
    void app.state.then((state) => {
      const how = state.type === 'ended' ? state.status : 'and is being started anew'
      const output = state.type === 'ended' ? state.output : ''
      response.writeHead(503, { 'Content-Type': 'text/html; charset=utf-8', 'Retry-After': '1' })
      response.end(page(how, output))
    })
  })
  server.listen(socket)
  await once(server, 'listening')
  return {
    connect: () => connect(socket),
    close: async () => {
      await server.drain(100)
    },
  }
}

function page(how: string, output: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>The app has ended</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}pre{overflow:auto;padding:1em;border:1px solid #8884}</style>
<h1>The app has ended ${escape(how)}</h1>
<p>Before it could listen, or while it ran. It is started anew when a file changes. What it said last:</p>
<pre>${escape(output)}</pre>
<p><small>From fastcgi dev, not from the app.</small></p>
</html>
`
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
