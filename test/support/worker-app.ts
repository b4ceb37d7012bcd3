/** The app of the tests of workers, on a socket of their own and behind relays. */

/**
 * Its text. It notes in `pids`, beside itself, each process that loads it, and in `numbers` what it is asked; answers with
 * what follows the slash, its version and its process.
 */
export function workerApp(version: string): string {
  return `
import fs from 'node:fs'
const folder = new URL('.', import.meta.url).pathname
fs.appendFileSync(folder + 'pids', process.pid + '\\n')
class MemoryStore {}
const store = new MemoryStore()
let fat
export default (req, res) => {
  const asked = req.url.slice(1)
  if (asked === 'crash') process.exit(7)
  if (asked === 'throw') throw new Error('thrown in a worker')
  if (asked === 'hang') {
    fs.writeSync(2, 'hanging\\n')
    for (;;);
  }
  if (asked === 'silent') return
  if (asked === 'echo') return void req.pipe(res)
  if (asked === 'fat/' + process.pid) fat = Buffer.alloc(400 << 20, 1)
  if (asked === 'log') console.log('said by the app')
  if (asked === 'session') req.sessionStore = store
  if (asked === 'hold') {
    // Until there is a file 'gate'.
    res.write(process.pid + ' ')
    const timer = setInterval(() => {
      if (!fs.existsSync(folder + 'gate')) return
      clearInterval(timer)
      res.end('finished')
    }, 20)
    return
  }
  if (asked === 'pid') return res.end(String(process.pid))
  fs.appendFileSync(folder + 'numbers', asked + '\\n')
  res.end([asked, '${version}', process.pid].filter(Boolean).join(' '))
}
`
}
