// nginx and HAProxy in front of the app, in the foreground, with connections to it that are kept.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

const nginxConf = ({ folder, port, socket }) => `
daemon off;
${process.getuid() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path ${folder}/body;
    fastcgi_temp_path ${folder}/fastcgi;
    proxy_temp_path ${folder}/proxy;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
    client_max_body_size 100m;
    upstream app { server unix:${socket}; keepalive 16; }
    server {
        listen 127.0.0.1:${port};
        location / {
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_keep_conn on;
            fastcgi_pass app;
        }
    }
}
`

const haproxyConf = ({ port, socket }) => `
global
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    retries 3
    option redispatch
    retry-on conn-failure empty-response
fcgi-app app
    docroot /srv
    path-info ^()(/.*)$
    option keep-conn
    option mpxs-conns
    option max-reqs 16
frontend web
    bind 127.0.0.1:${port}
    default_backend app
backend app
    use-fcgi-app app
    server app unix@${socket} proto fcgi
`

export async function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Starts what is installed of the two; gives names, ports, and how to end them. */
export async function startServers(folder, socket) {
  const servers = []
  for (const name of ['nginx', 'haproxy']) {
    const port = await freePort()
    const file = path.join(folder, `${name}.conf`)
    const text = (name === 'nginx' ? nginxConf : haproxyConf)({ folder, port, socket })
    fs.writeFileSync(file, text)
    const args = name === 'nginx' ? ['-p', folder, '-c', file] : ['-db', '-f', file]
    const PATH = `${process.env.PATH}:/usr/sbin:/sbin`
    const log = fs.openSync(path.join(folder, `${name}.out`), 'a')
    const child = spawn(name, args, { stdio: ['ignore', log, log], env: { ...process.env, PATH } })
    let gone = false
    child.once('error', () => (gone = true)).once('exit', () => (gone = true))
    if (await accepts(port, () => gone)) servers.push({ name, port, child })
    else console.log(`${name} does not start and is left out; see ${folder}/${name}.out`)
  }
  return servers
}

async function accepts(port, gone) {
  for (let n = 0; n < 200 && !gone(); n++) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true))
      socket.once('connect', () => socket.destroy()).once('error', () => resolve(false))
    })
    if (open) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}
