/**
 * A session in a signed cookie: under mod_fcgid several processes answer, and they share no memory.
 * Every one of them must know the same secret, and nobody else: set SESSION_SECRET.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

const secret = process.env.SESSION_SECRET ?? 'a secret for trying out only'

const signature = (text) => createHmac('sha256', secret).update(text).digest('base64url')

/** What the session cookie says, or an empty session when there is none or it was tampered with. */
export function readSession(req) {
  const found = /(?:^|;\s*)session=([\w-]+)\.([\w-]+)/.exec(req.headers.cookie ?? '')
  if (found === null) return {}
  const [, text, signed] = found
  const expected = Buffer.from(signature(text))
  const given = Buffer.from(signed)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return {}
  return JSON.parse(Buffer.from(text, 'base64url').toString())
}

/** Sends the session back. Another app on this host does not get the cookie: its path is `base`. */
export function writeSession(req, res, base, session) {
  const text = Buffer.from(JSON.stringify(session)).toString('base64url')
  const secure = req.socket.encrypted ? '; Secure' : ''
  const where = `Path=${base || '/'}; HttpOnly; SameSite=Lax${secure}`
  res.appendHeader('Set-Cookie', `session=${text}.${signature(text)}; ${where}`)
}
