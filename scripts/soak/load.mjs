// Clients that ask for everything the app can do, check every body by its hash, and leave now and then.
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'

const sha1 = (bytes) => createHash('sha1').update(bytes).digest('hex')
const block = Buffer.alloc(16_384, 'block of a stream, ')

/** Kinds of requests with their share of a hundred. */
const kinds = [
  [40, 'hello'],
  [20, 'echo'],
  [15, 'upload'],
  [15, 'stream'],
  [5, 'abort upload'],
  [5, 'abort stream'],
]

function pick() {
  let at = Math.random() * 100
  for (const [share, kind] of kinds) if ((at -= share) < 0) return kind
  return 'hello'
}

/** Load on one server; `over()` ends it. */
export class Load {
  latencies = []
  done = 0
  aborted = 0
  /** Answers 502 to 504 around a reload to a request that a server may not repeat. */
  excused = 0
  errors = []
  /** Told when the workers are being replaced. */
  reloading = () => false

  constructor(port) {
    this.port = port
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
  }

  async run(clients, over) {
    await Promise.all(Array.from({ length: clients }, () => this.#client(over)))
    this.agent.destroy()
  }

  async #client(over) {
    while (!over()) {
      const kind = pick()
      const start = performance.now()
      try {
        await this.#one(kind)
        if (kind.startsWith('abort')) this.aborted++
        else this.latencies.push(performance.now() - start)
        this.done++
      } catch (error) {
        if (
          this.reloading() &&
          error.status >= 502 &&
          error.status <= 504 &&
          error.method === 'POST'
        )
          this.excused++
        else if (this.errors.push(`${kind}: ${error.message}`) > 1000) return
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20))
    }
  }

  async #one(kind) {
    if (kind === 'hello') {
      const { status, body } = await this.#request('GET', '/hello')
      expect('GET', status, body.toString() === 'hello, world')
    } else if (kind === 'echo') {
      const sent = randomBytes(1 + Math.floor(Math.random() * 20_000))
      const { status, body } = await this.#request('POST', '/echo', sent)
      expect('POST', status, body.equals(sent))
    } else if (kind === 'upload') {
      const sent = randomBytes(Math.floor(Math.random() * 2_000_000))
      const { status, body } = await this.#request('POST', '/hash', sent)
      expect('POST', status, body.toString() === sha1(sent))
    } else if (kind === 'stream') {
      const count = 1 + Math.floor(Math.random() * 60)
      const { status, body } = await this.#request('GET', `/stream/${count}`)
      const content = body.subarray(0, count * block.length)
      const whole = body.length === count * block.length + 40
      expect('GET', status, whole && body.subarray(-40).toString() === sha1(content))
    } else {
      await this.#abort(kind)
    }
  }

  #request(method, path, body) {
    return new Promise((resolve, reject) => {
      const options = { port: this.port, host: '127.0.0.1', agent: this.agent, method, path }
      const headers = body === undefined ? {} : { 'content-length': body.length }
      const request = http.request({ ...options, headers }, (response) => {
        const parts = []
        response.on('data', (part) => parts.push(part))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode, body: Buffer.concat(parts) }),
        )
      })
      request.setTimeout(60_000, () => request.destroy(new Error('no answer within 60 s')))
      request.on('error', reject)
      request.end(body)
    })
  }

  #abort(kind) {
    return new Promise((resolve) => {
      const upload = kind === 'abort upload'
      const request = http.request({
        port: this.port,
        host: '127.0.0.1',
        agent: false,
        method: upload ? 'POST' : 'GET',
        path: upload ? '/hash' : '/stream/60',
        headers: upload ? { 'content-length': 1_000_000 } : {},
      })
      request.on('error', () => {})
      request.on('close', resolve)
      if (upload) request.write(randomBytes(100_000))
      else request.end()
      setTimeout(() => request.destroy(), Math.random() * 50)
    })
  }
}

function expect(method, status, well) {
  if (status === 200 && well) return
  const what = status === 200 ? 'the body is wrong' : `status ${status}`
  throw Object.assign(new Error(what), { status, method })
}
