// What `npm start` of a Nest app runs: it listens by itself, and ends on a signal by Nest's own hooks.
import { makeNestApp } from './app.mjs'

const app = await makeNestApp(process.argv[2])
app.enableShutdownHooks()
await app.listen(3000)
console.error('listening', JSON.stringify(app.getHttpServer().address()))
