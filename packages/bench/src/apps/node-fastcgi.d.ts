/** The part of the published rival that the benchmark uses; the package has no types of its own. */
declare module 'node-fastcgi' {
  import type { RequestListener } from 'node:http'
  import type { Server } from 'node:net'

  const fcgi: { createServer(listener: RequestListener): Server }
  export default fcgi
}
