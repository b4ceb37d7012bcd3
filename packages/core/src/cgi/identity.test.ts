import { describe, expect, it } from 'vitest'
import { readIdentity } from './identity.ts'

describe('readIdentity', () => {
  const user = { REMOTE_USER: 'alice', AUTH_TYPE: 'Basic' }
  const no = { trustRemoteUser: false }
  const yes = { trustRemoteUser: true }
  const nobody = { remoteUser: undefined, authType: undefined }

  it('believes servers that let nobody in unchecked', () => {
    for (const software of [
      'Apache/2.4.71 (Debian)',
      'Apache',
      'lighttpd/1.4.69',
      'Caddy/2.6.2',
      'h2o/2.2.5',
      'LiteSpeed',
    ]) {
      expect(readIdentity({ ...user, SERVER_SOFTWARE: software }, no)).toEqual({
        remoteUser: 'alice',
        authType: 'Basic',
      })
    }
  })

  it('does not believe nginx, HAProxy, and who does not say what it is', () => {
    for (const software of [
      'nginx/1.22.1',
      'HAProxy 2.6.12',
      '',
      'unknown',
      'Apachenginx',
      'x Apache/2.4',
    ]) {
      expect(readIdentity({ ...user, SERVER_SOFTWARE: software }, no)).toEqual(nobody)
      expect(readIdentity({ ...user, SERVER_SOFTWARE: software }, yes).remoteUser).toBe('alice')
    }
    expect(readIdentity(user, no)).toEqual(nobody)
  })

  it('never looks at headers a client can send', () => {
    const forged = {
      HTTP_REMOTE_USER: 'root',
      HTTP_AUTH_TYPE: 'Basic',
      HTTP_SERVER_SOFTWARE: 'Apache/2.4',
      HTTP_X_REMOTE_USER: 'root',
    }
    expect(readIdentity({ ...forged, SERVER_SOFTWARE: 'Apache/2.4' }, yes)).toEqual(nobody)
    expect(readIdentity({ ...forged, ...user, SERVER_SOFTWARE: 'nginx/1.22.1' }, no)).toEqual(
      nobody,
    )
  })

  it('takes a name for nobody’s while its password is still to be checked', () => {
    const asked = { ...user, SERVER_SOFTWARE: 'Apache/2.4' }
    for (const question of [
      { FCGI_APACHE_ROLE: 'AUTHENTICATOR', REMOTE_PASSWD: 'guess' },
      { FCGI_APACHE_ROLE: 'AUTHENTICATOR' },
      { FCGI_ROLE: 'AUTHORIZER', REMOTE_PASSWD: '' },
    ]) {
      expect(readIdentity({ ...asked, ...question }, no)).toEqual(nobody)
      expect(readIdentity({ ...asked, ...question }, yes)).toEqual(nobody)
    }
    // Here the password has been checked, and the question is what this user may do.
    expect(readIdentity({ ...asked, FCGI_APACHE_ROLE: 'AUTHORIZER' }, no).remoteUser).toBe('alice')
    expect(readIdentity({ ...asked, HTTP_REMOTE_PASSWD: 'x' }, no).remoteUser).toBe('alice')
  })

  it('takes an Authorization header for nobody, which an old recipe copies into REMOTE_USER', () => {
    for (const value of ['Basic YW5uOmd1ZXNz', 'Bearer abc', 'bearer abc', 'Negotiate x']) {
      const params = { REMOTE_USER: value, SERVER_SOFTWARE: 'Apache/2.4' }
      expect(readIdentity(params, no)).toEqual(nobody)
      expect(readIdentity(params, yes)).toEqual(nobody)
    }
    const named = { REMOTE_USER: 'Basically', SERVER_SOFTWARE: 'Apache/2.4' }
    expect(readIdentity(named, no).remoteUser).toBe('Basically')
  })

  it('takes an empty name for nobody', () => {
    expect(
      readIdentity({ REMOTE_USER: '', AUTH_TYPE: '', SERVER_SOFTWARE: 'Apache/2.4' }, yes),
    ).toEqual(nobody)
    expect(readIdentity({ REMOTE_USER: 'a', SERVER_SOFTWARE: 'Apache/2.4' }, no)).toEqual({
      remoteUser: 'a',
      authType: undefined,
    })
  })

  it('reads UTF-8 where the bytes are, else latin1', () => {
    const of = (bytes: Buffer): unknown =>
      readIdentity({ REMOTE_USER: bytes.toString('latin1'), SERVER_SOFTWARE: 'Apache/2' }, no)
        .remoteUser
    expect(of(Buffer.from('müller€', 'utf8'))).toBe('müller€')
    expect(of(Buffer.from('müller', 'latin1'))).toBe('müller')
  })
})
