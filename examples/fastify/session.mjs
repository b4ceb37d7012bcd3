/**
 * A session in a signed cookie, as `request.session`: under mod_fcgid several processes answer, and
 * they share no memory. Every one of them must know the same secret, and nobody else: set
 * SESSION_SECRET.
 */
import cookie from '@fastify/cookie'

const secret = process.env.SESSION_SECRET ?? 'a secret for trying out only'

function read(request) {
  const { valid, value } = request.unsignCookie(request.cookies.session ?? '')
  if (!valid) return {}
  try {
    return JSON.parse(value)
  } catch {
    return {}
  }
}

export async function session(app) {
  app.register(cookie, { secret })
  app.decorateRequest('session', null)
  app.addHook('onRequest', async (request) => {
    request.session = read(request)
  })
  app.addHook('onSend', async (request, reply) => {
    const text = JSON.stringify(request.session ?? {})
    if (text === JSON.stringify(read(request))) return
    reply.setCookie('session', text, {
      // Another app on this host does not get our cookie.
      path: request.base || '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: request.protocol === 'https',
      signed: true,
    })
  })
}
// Hooks and decorators hold for the whole app, not only inside this plugin.
session[Symbol.for('skip-override')] = true
