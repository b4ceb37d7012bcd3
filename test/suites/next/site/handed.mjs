// Next's request handler, handed to serve().
import { serve } from '@fastcgi/core'
import next from 'next'

await serve(async () => {
  const app = next({ dev: false })
  await app.prepare()
  return app.getRequestHandler()
})
