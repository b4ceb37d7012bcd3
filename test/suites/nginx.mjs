// nginx in front of a suite: a range of ports, each of which passes on, over HTTP or FastCGI, to the port as many higher
// as there are ports.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

const passing = {
  http: `
            proxy_pass http://HOST:$behind;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_next_upstream off;
            proxy_pass_header Date;
            proxy_pass_header Server;`,
  fastcgi: `
            fastcgi_pass HOST:$behind;
            # Debian's file sends it without the port; the first one counts.
            fastcgi_param HTTP_HOST $http_host if_not_empty;
            include /etc/nginx/fastcgi_params;
            fastcgi_param PATH_INFO $fastcgi_script_name;
            fastcgi_param SCRIPT_NAME "";
            # On, so that nginx can tell a response that ended from one that was cut.
            fastcgi_keep_conn on;
            fastcgi_buffering off;
            fastcgi_request_buffering off;
            fastcgi_next_upstream off;
            fastcgi_pass_header Date;
            fastcgi_pass_header Server;`,
}

function configuration(side, folder, first, count) {
  const ports = Array.from({ length: count }, (_, at) => first + at)
  const site = (host) => `
    server {
        listen ${host}:${first}-${first + count - 1};
        location / {${passing[side].replace('HOST', host)}
        }
    }`
  return `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 1024; }
http {
    log_format short '$request_method $server_port $status';
    access_log ${folder}/access.log short;
    default_type "";
    client_max_body_size 0;
    client_header_buffer_size 64k;
    large_client_header_buffers 8 256k;
    ignore_invalid_headers off;
    underscores_in_headers on;
    merge_slashes off;
    keepalive_timeout 5;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
    map $server_port $behind {
${ports.map((port) => `        ${port} ${port + count};`).join('\n')}
    }${site('127.0.0.1')}${site('[::1]')}
}
`
}

/** Starts nginx; resolves when it accepts, with what stops it and the number of requests it has passed. */
export async function startNginx(side, folder, first, count) {
  fs.mkdirSync(folder, { recursive: true })
  const file = path.join(folder, 'nginx.conf')
  const log = path.join(folder, 'error.log')
  fs.writeFileSync(file, configuration(side, folder, first, count))
  const child = spawn('nginx', ['-p', folder, '-c', file, '-e', log], { stdio: 'inherit' })
  let gone = false
  const exited = new Promise((resolve) => child.once('exit', resolve)).then(() => (gone = true))
  while (!(await accepts(first))) {
    if (gone) throw new Error(`nginx did not start:\n${fs.readFileSync(log, 'utf8')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    requests: () => fs.readFileSync(path.join(folder, 'access.log'), 'utf8').split('\n').length - 1,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('close', () => socket.destroy()).once('connect', () => socket.end())
  })
}
