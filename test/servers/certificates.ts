/** A certificate authority for one test, a certificate for `localhost` and one for a client. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

/** Writes ca.pem, cert.pem, key.pem, both.pem, client.pem, client-key.pem into a new folder. */
export function makeCertificates(folder: string): void {
  fs.mkdirSync(folder, { recursive: true })
  const at = (name: string): string => path.join(folder, name)
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=Test CA',
    '-days',
    '2',
    '-keyout',
    at('ca-key.pem'),
    '-out',
    at('ca.pem'),
  )
  const issue = (subject: string, name: string, keyName: string, extensions: string): void => {
    fs.writeFileSync(at('extensions'), extensions)
    openssl('req', ...key, '-subj', subject, '-keyout', at(keyName), '-out', at('request'))
    openssl(
      'x509',
      '-req',
      '-in',
      at('request'),
      '-CA',
      at('ca.pem'),
      '-CAkey',
      at('ca-key.pem'),
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      at('extensions'),
      '-out',
      at(name),
    )
  }
  issue('/CN=localhost', 'cert.pem', 'key.pem', 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  issue('/CN=alice/O=Example', 'client.pem', 'client-key.pem', 'extendedKeyUsage=clientAuth')
  fs.writeFileSync(
    at('both.pem'),
    fs.readFileSync(at('cert.pem')).toString() + fs.readFileSync(at('key.pem')).toString(),
  )
}
