/** nginx and the files of `examples/servers/nginx`. */
import fs from 'node:fs'
import path from 'node:path'

import type { Server, Setup } from '../setup.ts'

export const nginx: Server = {
  options: { program: 'nginx', install: 'apt-get install nginx-core', stopSignal: 'SIGQUIT' },
  can: {
    streamsResponses: false,
    streamsUploads: false,
    tellsOfGoneClient: 'at once',
    showsCutResponse: true,
    showsCutOfUnknownLength: true,
    offload: undefined,
    staticFiles: false,
    authorization: true,
    oneProcess: true,
  },
  address: (tls) => (tls ? 'listen 443' : 'listen 80'),
  prepare(text, place) {
    const site = place.write('site.conf', text)
    for (const name of ['body', 'fastcgi', 'proxy', 'uwsgi', 'scgi']) place.writable(name)
    // "include fastcgi_params" looks beside the main file, as it does in /etc/nginx.
    fs.copyFileSync('/etc/nginx/fastcgi_params', path.join(place.folder, 'fastcgi_params'))
    const log = path.join(place.folder, 'error.log')
    const main = place.write(
      'nginx.conf',
      `daemon off;
${place.user === undefined ? '' : 'user root;'}
worker_processes 1;
pid ${place.folder}/nginx.pid;
error_log ${log} info;
events { worker_connections 128; }
http {
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path ${place.folder}/body;
    fastcgi_temp_path ${place.folder}/fastcgi;
    proxy_temp_path ${place.folder}/proxy;
    uwsgi_temp_path ${place.folder}/uwsgi;
    scgi_temp_path ${place.folder}/scgi;
    include ${site};
}
`,
    )
    return { args: ['-p', place.folder, '-c', main, '-e', log], logs: [log] }
  },
}

export const nginxSetups: readonly Setup[] = [
  { server: 'nginx', file: 'minimal.conf' },
  {
    server: 'nginx',
    file: 'site.conf',
    can: {
      streamsResponses: true,
      staticFiles: true,
      compresses: true,
      offload: 'x-accel-redirect',
    },
  },
  { server: 'nginx', file: 'subpath.conf', mount: '/app', can: { staticFiles: true } },
  {
    server: 'nginx',
    file: 'streaming.conf',
    can: { streamsResponses: true, streamsUploads: true },
  },
  { server: 'nginx', file: 'https.conf', tls: true },
]
