import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseName, readTls } from './tls.ts'

// Self-signed, made for this test: openssl req -x509 -subj '/C=CH/O=Ümläut, Inc/OU=a/CN=client "x"/emailAddress=…'
const pem = `-----BEGIN CERTIFICATE-----
MIIC0DCCAjmgAwIBAgIUD1yDV4HMtZVv++gZEXzI9uqzj64wDQYJKoZIhvcNAQEL
BQAwZDELMAkGA1UEBhMCQ0gxFjAUBgNVBAoMDcOcbWzDpHV0LCBJbmMxCjAIBgNV
BAsMAWExEzARBgNVBAMMCmNsaWVudCAieCIxHDAaBgkqhkiG9w0BCQEWDWFAZXhh
bXBsZS5jb20wIBcNMjYxMTI4MTgzODQ1WhgPMjEyNjExMDQxODM4NDVaMGQxCzAJ
BgNVBAYTAkNIMRYwFAYDVQQKDA3DnG1sw6R1dCwgSW5jMQowCAYDVQQLDAFhMRMw
EQYDVQQDDApjbGllbnQgIngiMRwwGgYJKoZIhvcNAQkBFg1hQGV4YW1wbGUuY29t
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDaNmq3jkR9LHhgsZvavrwbFCz0
uXcRZVRCzBVW1WZD77KZ5Krf0UlDGkB7WrFDUA2D/w6837LbO+C5UckjpglxZqnw
duqDpcMuodIDUmN8uUrEB0w2opya41UaYpHwpJbCppoRvTKTUFhHSGOM2A6/gpnr
L/jLcedjjgwu/zP0IQIDAQABo30wezAdBgNVHQ4EFgQUg06PqtOAimtQfCJkLFbD
qwAsYsUwHwYDVR0jBBgwFoAUg06PqtOAimtQfCJkLFbDqwAsYsUwDwYDVR0TAQH/
BAUwAwEB/zAoBgNVHREEITAfgg5jbGllbnQuZXhhbXBsZYENYUBleGFtcGxlLmNv
bTANBgkqhkiG9w0BAQsFAAOBgQCeX1NgsGD17BC1pt8WrGZWsrC2eLZi0VbeObaQ
qsssmL7S+TpN+yXNTZ+ARb8Ss9/JOJe6EXRstl7JhCisFwQScLoZaqLQosGX/HG2
m0dDvwWRQJ0duzw4z9zIouFOH13r6XINmbWAUvU0qtD8QsKMsg1tQx5tmBTzpJN6
1DZA8w==
-----END CERTIFICATE-----
`
const certificate = new X509Certificate(pem)
const der = certificate.raw.toString('base64')

/** What UTF-8 text looks like among params. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

describe('readTls', () => {
  it('is authorized by exactly SUCCESS', () => {
    expect(readTls({ SSL_CLIENT_VERIFY: 'SUCCESS' })).toEqual({
      authorized: true,
      authorizationError: undefined,
      peerCertificate: undefined,
    })
    for (const verify of [
      'success',
      'SUCCESS ',
      'GENEROUS',
      'NONE',
      'FAILED:certificate has expired',
      '0',
      '',
    ]) {
      expect([verify, readTls({ SSL_CLIENT_VERIFY: verify }).authorized]).toEqual([verify, false])
    }
    expect(readTls({}).authorized).toBe(false)
    expect(readTls({ HTTP_SSL_CLIENT_VERIFY: 'SUCCESS' }).authorized).toBe(false)
  })

  it('tells why not', () => {
    expect(
      readTls({ SSL_CLIENT_VERIFY: 'FAILED:certificate has expired' }).authorizationError,
    ).toBe('certificate has expired')
    expect(readTls({ SSL_CLIENT_VERIFY: 'NONE' }).authorizationError).toBe('NONE')
    expect(readTls({}).authorizationError).toBe(undefined)
  })

  const forms: Record<string, string> = {
    'PEM (Apache)': pem,
    'percent-encoded (nginx, escaped)': encodeURIComponent(pem),
    'a tab after each line end (nginx)': pem.trim().replaceAll('\n', '\n\t'),
    'in one line': pem.trim().replaceAll('\n', ' '),
    'DER in base64 (HAProxy)': der,
  }
  for (const [form, text] of Object.entries(forms)) {
    it(`reads a whole certificate: ${form}`, () => {
      const { peerCertificate } = readTls({ SSL_CLIENT_VERIFY: 'SUCCESS', SSL_CLIENT_CERT: text })
      expect(peerCertificate).toEqual(certificate.toLegacyObject())
      expect(peerCertificate?.raw).toEqual(certificate.raw)
      expect(peerCertificate?.fingerprint).toBe(certificate.fingerprint)
    })
  }

  it('puts one together from single variables, as Node would show them', () => {
    const { peerCertificate } = readTls({
      SSL_CLIENT_VERIFY: 'SUCCESS',
      SSL_CLIENT_S_DN:
        'emailAddress=a@example.com,CN=client \\"x\\",OU=a,O=\\C3\\9Cml\\C3\\A4ut\\, Inc,C=CH',
      SSL_CLIENT_I_DN: bytes('CN=Prüfstelle,C=CH'),
      SSL_CLIENT_V_START: 'Nov 28 18:38:45 2026 GMT',
      SSL_CLIENT_V_END: 'Nov  4 18:38:45 2126 GMT',
      SSL_CLIENT_M_SERIAL: '0f5c835781ccb5956ffbe819117cc8f6eab38fae',
      SSL_CLIENT_FINGERPRINT: '8751ce9aeed9c7ec9f3089c042624e9d38c7d874',
    })
    const whole = certificate.toLegacyObject()
    expect(peerCertificate).toEqual({
      subject: whole.subject,
      issuer: { C: 'CH', CN: 'Prüfstelle' },
      valid_from: whole.valid_from,
      valid_to: whole.valid_to,
      serialNumber: whole.serialNumber,
      fingerprint: whole.fingerprint,
    })
  })

  it('takes the attributes that StdEnvVars sends one by one', () => {
    const { peerCertificate } = readTls({
      SSL_CLIENT_VERIFY: 'SUCCESS',
      SSL_CLIENT_S_DN_C: 'CH',
      SSL_CLIENT_S_DN_OU: 'a',
      SSL_CLIENT_S_DN_OU_1: 'b',
      SSL_CLIENT_S_DN_CN: bytes('ü'),
    })
    expect(peerCertificate).toEqual({ subject: { C: 'CH', OU: ['a', 'b'], CN: 'ü' } })
  })

  it('falls back to the variables when the certificate is no certificate', () => {
    for (const cert of [
      'nonsense!',
      'AAAA',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
      '(null)',
      '%',
    ]) {
      const { peerCertificate } = readTls({ SSL_CLIENT_CERT: cert, SSL_CLIENT_S_DN: 'CN=a' })
      expect(peerCertificate).toEqual({ subject: { CN: 'a' } })
    }
  })

  it('shows none where the client had none', () => {
    expect(readTls({ SSL_CLIENT_VERIFY: 'NONE', SSL_CLIENT_S_DN: '' }).peerCertificate).toBe(
      undefined,
    )
    expect(readTls({ SSL_PROTOCOL: 'TLSv1.3' }).peerCertificate).toBe(undefined)
  })
})

describe('parseName', () => {
  it('reads the RFC 4514 form', () => {
    expect({ ...parseName('CN=a, OU=b+OU=c,O="d, e",C=CH') }).toEqual({
      C: 'CH',
      O: 'd, e',
      OU: ['c', 'b'],
      CN: 'a',
    })
    expect({ ...parseName('CN=a\\,b\\+c\\=d\\\\') }).toEqual({ CN: 'a,b+c=d\\' })
  })

  it("reads OpenSSL's old form", () => {
    expect({ ...parseName('/C=CH/O=\\xC3\\x9Cml, Inc/CN=a/b/emailAddress=a@b') }).toEqual({
      C: 'CH',
      O: 'Üml, Inc',
      CN: 'a/b',
      emailAddress: 'a@b',
    })
  })

  it('makes an object without prototype of any text', () => {
    for (const text of ['', ',', '=', '\\', '"', '/', '__proto__=x', 'CN', '/=/', ',,=,+']) {
      const name = parseName(text)
      expect(Object.getPrototypeOf(name)).toBe(null)
    }
    expect(Object.keys(parseName('__proto__=x'))).toEqual(['__proto__'])
  })
})
